"""Jobs of a sweep before they start: composed, checked, and made plain data that another process can train from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, open_dict

from dlexp.config.check import check, listed, resolved
from dlexp.config.job import chosen
from dlexp.config.mistakes import HYDRA_ERRORS, compose_or_explain, sentence
from dlexp.errors import UserError


@dataclass(frozen=True)
class Prepared:
    """A job that can run: its overrides, its config with everything resolved, and the options chosen of each group."""

    words: list[str]
    config: dict[str, Any]
    choices: dict[str, str]


def prepare_all(jobs: dict[str, list[str]], config: DictConfig, loader: ConfigLoader) -> list[Prepared]:
    """Prepares jobs, which are overrides by name, for a sweep with this config.

    Raises:
        UserError: lists what is wrong, with the jobs it concerns.
    """
    found: dict[str, list[str]] = {}
    prepared = []
    for name, words in jobs.items():
        each, problems = _prepared(words, config, loader)
        for problem in problems:
            found.setdefault(problem, []).append(name)
        if each is not None:
            prepared.append(each)
    if found:
        problems = [
            problem if len(names) == len(jobs) else f"{problem} (in {', '.join(names[:3])}{', …' * (len(names) > 3)})"
            for problem, names in found.items()
        ]
        raise UserError(listed(problems))
    return prepared


def prepare(words: Sequence[str], config: DictConfig, loader: ConfigLoader) -> Prepared:
    """Prepares one job of a sweep with this config.

    Raises:
        UserError: lists what is wrong.
    """
    each, problems = _prepared(list(words), config, loader)
    if each is None:
        raise UserError(listed(problems))
    return each


def _prepared(words: list[str], config: DictConfig, loader: ConfigLoader) -> tuple[Prepared | None, list[str]]:
    cfg, problems = compose_or_explain(lambda words: loader.load_sweep_config(config, words), words)
    if cfg is None or problems:
        return None, problems
    choices = chosen(cfg.hydra)
    with open_dict(cfg):
        del cfg["hydra"]
    try:
        check(cfg)
    except UserError as error:
        return None, str(error).split("\n  - ")[1:] or [str(error)]
    except HYDRA_ERRORS as error:
        return None, [sentence(error, words)]
    return Prepared(words, resolved(cfg), choices), []
