"""One job as Hydra starts it: asks Hydra for the run's folder and overrides, which nothing below knows, and runs it."""

from pathlib import Path

from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from dlexp.config import registry
from dlexp.errors import UserError

_state: dict[str, int] = {"started": 0, "exit_code": 0}
_mistakes: list[UserError] = []


def run_job(cfg: DictConfig) -> float | None:
    """Trains one composed config; returns the validation value that sweepers compare.

    A single run's UserError is kept for `mistake` instead of raised: Hydra would print a line of its own about it.
    """
    _state["started"] = 1
    from dlexp.experiment.run import run_experiment
    from dlexp.experiment.saved_state import Resumption

    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    resumption = None if hydra.mode is RunMode.RUN else Resumption(shares=True)
    words, choices = list(hydra.overrides.task), chosen(hydra)
    try:
        return run_experiment(cfg, folder, words, choices, resumption).objective
    except UserError as error:
        if hydra.mode is not RunMode.RUN:
            raise
        _mistakes.append(error)
        return None


def has_started() -> bool:
    """Returns whether a run began in this process: from there on an error of Hydra's is a bug, not a typed mistake."""
    return bool(_state["started"])


def mistake() -> UserError | None:
    """Returns the UserError that ended the run, if one did."""
    return _mistakes[-1] if _mistakes else None


def exit_code() -> int:
    """Returns what the process should end with after Hydra returned."""
    return _state["exit_code"]


def fail(code: int) -> None:
    """Notes the exit code of a sweep in which not everything went well."""
    _state["exit_code"] = code


def chosen(hydra: HydraConf | DictConfig) -> dict[str, str]:
    """Returns the options chosen of our own groups, without Hydra's and without those that chose nothing.

    Hydra does not note a list of options: one that was typed stands here as it was typed, `[crop_flip,mixup]`.
    """
    choices = {**hydra.runtime.choices}
    for word in hydra.overrides.task:
        group, _, option = word.partition("=")
        if option.startswith("[") and group in registry.groups():
            choices[group] = option
    return {name: str(option) for name, option in choices.items() if "/" not in name and option and name != "recipe"}
