"""From words to the config of one run, without Hydra's command line around it."""

from collections.abc import Sequence

from omegaconf import DictConfig, open_dict

from dlexp.config import job, mistakes, schema
from dlexp.config.check import listed, settings_problems
from dlexp.errors import UserError


def composed(overrides: Sequence[str]) -> tuple[DictConfig, dict[str, str]]:
    """Composes the config of a single run from the words of a command line, of which `--config-dir` is heard too.

    Returns it without Hydra's own node, and the options chosen.

    Raises:
        UserError: lists everything wrong with the overrides.
    """
    mistakes.refuse_silent_losses(list(overrides))
    schema.register()
    mistakes.prepare_hydra()
    words = schema.with_quoted_paths(mistakes.overrides_of(overrides), multirun=False)
    cfg, problems = mistakes.compose_or_explain(mistakes.composer(overrides), words)
    if cfg is None or problems:
        raise UserError(listed(problems + ([] if cfg is None else settings_problems(cfg))))
    choices = job.chosen(cfg.hydra)
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg, choices
