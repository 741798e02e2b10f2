"""From a run folder back to the middle of its training: the newest state that can be read, and the metrics up to it."""

import copy
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlexp import checkpoint, record
from dlexp.assemble import Assembly
from dlexp.errors import UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Resumption:
    """How a run goes on: `changed` are the settings that are not what they were, as `key=value`.

    A job of a sweep `shares` its folder: it waits while another process trains there, takes over what is finished,
    and begins where nothing is.
    """

    changed: list[str] = field(default_factory=list)
    shares: bool = False


def restore(run: Assembly, folder: Path, resumption: Resumption) -> list[dict[str, Any]]:
    """Puts the newest readable state of `folder` into `run.state`; returns the records of the epochs before it.

    A state that is damaged or of another run is named, and the one before it is used. Without any the run begins anew.

    Raises:
        UserError: there are states and none of them can be used.
    """
    states, reason = checkpoint.saved_states(folder), None
    for path in states:
        try:
            load_state(run, read_state(path), resumption)
        except UserError as error:
            log.warning(f"warning: {error}")
            reason = error
        else:
            kept = record.cut_metrics(folder / record.METRICS_FILE, run.state.epoch, run.state.step)
            state = run.state
            log.info(f"goes on after {f'step {state.step}' if state.batch else f'epoch {state.epoch}'}")
            return [row for row in kept if "train/loss" in row]
    if states:
        raise UserError(f"none of the states in {states[0].parent} can be used: {reason}")
    record.cut_metrics(folder / record.METRICS_FILE, 0, 0)
    log.info("no state was saved yet: the run begins anew in its folder")
    return []


def read_state(path: Path) -> dict[str, Any]:
    """Reads a saved state. Raises UserError when it is damaged, or does not say where in the training it is."""
    saved = checkpoint.load(path)
    numbers = [saved.get(name) for name in ("epoch", "batch", "step", "num_batches", "bad_validations")]
    if not all(type(number) is int and 0 <= number < 2**40 for number in numbers):
        raise UserError(f"{path} is not a state of dlexp")
    if not (saved["batch"] < saved["num_batches"] and saved["step"] <= (saved["epoch"] + 1) * saved["num_batches"]):
        raise UserError(f"{path} is at a step that its epochs do not have")
    return saved


def load_state(run: Assembly, saved: dict[str, Any], resumption: Resumption) -> None:
    """Puts a saved state into `run.state`, or leaves that as it was.

    Raises:
        UserError: it belongs to another run.
    """
    if saved["num_batches"] != len(run.train):
        raise UserError(
            f"the saved epochs have {saved['num_batches']} batches, and now they would have {len(run.train)}:"
            " that is another run, which can start from these weights with init_from="
        )
    fresh = copy.deepcopy(run.state.state_dict())
    try:
        run.state.load_state_dict(saved, keep_settings=bool(resumption.changed))
        before, now = saved["optimizer"]["param_groups"][0]["lr"], run.state.lr
        if before != now:
            log.info(f"the learning rate goes on at {now:g}; it had come to {before:g}")
    except Exception as error:  # a state of another making fails in any of its parts, each in a way of its own
        run.state.load_state_dict(fresh)
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"the state does not belong to this run ({type(error).__name__}: {reason})") from error
