"""From a run folder back to the middle of its training: the newest state that can be read, and the metrics up to it."""

import copy
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dlexp.errors import UserError, listed
from dlexp.experiment.assemble import Assembly
from dlexp.experiment.going_on import change_of_data, hold_against_first_batch, hold_to_length
from dlexp.machine.shortage import is_out_of_memory
from dlexp.records import checkpoints
from dlexp.records.folder import BEST, saved_states
from dlexp.records.metrics import metrics_before
from dlexp.records.run_json import read_entry
from dlexp.train.state import TrainState
from dlexp.train.step import update_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Resumption:
    """How a run goes on: with its settings, or with some that were `changed` by the `words` typed for it.

    The person `consents` to changes that make it another training: `other_settings`, a sentence, and those of the data.

    A job of a sweep `shares` its folder: it waits while another process trains there, takes over what is finished,
    and begins where nothing is. `accepted` is called when nothing can refuse any more, before the folder changes.
    """

    words: list[str]
    changed: bool = False
    other_settings: str | None = None
    consents: bool = False
    shares: bool = False
    accepted: Callable[[], None] = lambda: None


def restore(run: Assembly, folder: Path, resumption: Resumption) -> list[dict[str, Any]]:
    """Puts the newest readable state of `folder` into `run.state`; returns the lines of its metrics before that state.

    A state that is damaged or of another run is named, and the one before it is used. Without any the run begins anew,
    unless it was finished. Consent is asked for last, so that nothing refuses a run that it was given for. Nothing in
    the folder changes.

    Raises:
        UserError: there are states and none of them can be used, a finished run has none any more, or something
            changed that nobody consented to.
    """
    states, reasons, other_data = saved_states(folder), list[UserError](), None
    for path in states:
        try:
            saved = read_state(path)
            other_data = change_of_data(saved.get("data"), run.state.data, folder)
            load_state(run, saved, keep_settings=resumption.changed)
            hold_against_first_batch(run, is_unchanged=not resumption.changed and other_data is None)
        except UserError as error:
            reasons.append(error)
        else:
            state = run.state
            hold_to_length(run, folder, is_unchanged=not resumption.changed)
            kept = metrics_before(folder, state.epoch, state.step)
            _refuse_without_consent(resumption, other_data)
            for reason in reasons:
                log.warning(f"warning: {reason}")
            if other_data is not None:
                log.warning(f"warning: {other_data}; the best epoch is chosen anew from here on")
                state.forget_best()
            _forget_lost_best(state, folder / BEST, resumption.changed)
            log.info(f"goes on after {f'step {state.step}' if state.batch else f'epoch {state.epoch}'}")
            return kept
    if states:
        changes = filter(None, (resumption.other_settings, other_data))
        raise UserError(f"none of the states in {states[0].parent} can be used: {reasons[-1]}", *changes)
    if (read_entry(folder) or {}).get("status") == "finished":
        raise UserError(
            f"{folder} is finished, and there is no state to go on from; init_from={folder} starts another run from"
            " its weights"
        )
    _refuse_without_consent(resumption, None)
    log.info("no state was saved yet: the run begins anew in its folder")
    return []


def _refuse_without_consent(resumption: Resumption, other_data: str | None) -> None:
    changes = [change for change in (resumption.other_settings, other_data) if change]
    if changes and not resumption.consents:
        way = "another folder begins it anew" if resumption.shares else "add accept_changes=true to go on all the same"
        raise UserError("; ".join([*changes, way]))


def _forget_lost_best(state: TrainState, path: Path, is_changed: bool) -> None:
    """Chooses the best epoch anew where its weights are gone: damaged, or replaced after the state was saved.

    An unchanged run trains the epoch that replaced them once more, to the same end.
    """
    try:
        epoch = checkpoints.load(path).get("epoch")
    except UserError:
        epoch = None
    if state.best_epoch is None or epoch == state.best_epoch or (epoch is not None and not is_changed):
        return
    log.warning(
        f"warning: the weights of epoch {state.best_epoch}, the best one until here, are not in {path} any more;"
        " the best epoch is chosen anew from here on"
    )
    state.forget_best()


def read_state(path: Path) -> dict[str, Any]:
    """Reads a saved state. Raises UserError when it is damaged, or does not say where in the training it is."""
    saved = checkpoints.load(path)
    numbers = [saved.get(name) for name in ("epoch", "batch", "step", "num_batches", "bad_validations")]
    best = [saved.get(name) for name in ("best", "best_loss", "best_epoch")]
    if not (
        all(type(number) is int and 0 <= number < 2**40 for number in numbers)
        and all(isinstance(value, float | int | None) for value in best)
        and isinstance(saved.get("first_batch"), str)
    ):
        raise UserError(f"{path} is not a state of dlexp")
    # A run that is stopped during an evaluation has done all batches of an epoch that is not closed yet.
    if not (saved["batch"] <= saved["num_batches"] and saved["step"] <= (saved["epoch"] + 1) * saved["num_batches"]):
        raise UserError(f"{path} is at a step that its epochs do not have")
    return saved


def load_state(run: Assembly, saved: dict[str, Any], *, keep_settings: bool) -> None:
    """Puts a saved state into `run.state` (see `TrainState.load_state_dict`), or leaves that as it was.

    Raises:
        UserError: it belongs to another run.
    """
    if saved["num_batches"] != len(run.train):
        raise UserError(
            f"the saved epochs have {saved['num_batches']} batches, and now they would have {len(run.train)}:"
            " that is another run, which can start from these weights with init_from="
        )
    state = run.state
    if others := _other_tensors(state.model, saved["model"]):
        raise UserError(
            f"its layers are others ({listed(others, most=2)}): that is another run, which can start from these weights"
            " with init_from="
        )
    fresh = copy.deepcopy(state.state_dict())
    attributes = [(part, dict(vars(part))) for part in (state.optimizer, state.schedule)]

    def put_back(content: dict[str, Any]) -> None:
        for part, own in attributes:  # a schedule takes all that a state holds for its attributes
            vars(part).clear()
            vars(part).update(own)
        state.load_state_dict(content)

    try:
        _hold_against(fresh, saved, keep_settings)
        state.load_state_dict(saved, keep_settings=keep_settings)
        loaded = copy.deepcopy(state.state_dict())
        _try_step(state, is_last=state.step >= run.total_steps)
        put_back(loaded)  # the generators too: a step may draw
    except Exception as error:  # a state of another making fails in any of its parts, each in a way of its own
        if is_out_of_memory(error):
            raise
        put_back(fresh)
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"the state does not belong to this run ({type(error).__name__}: {reason})") from error
    before, now = saved["optimizer"]["param_groups"][0]["lr"], run.state.lr
    if before != now:
        log.info(f"the learning rate goes on at {now:g}; it had come to {before:g}")


def _other_tensors(model: nn.Module, saved: Any) -> list[str]:
    """Returns the tensors of a model and a saved one that the other has not, or has in another shape."""
    shapes = [
        {name: list(value.shape) for name, value in tensors.items() if isinstance(value, torch.Tensor)}
        for tensors in (saved if isinstance(saved, dict) else {}, model.state_dict())
    ]
    names = [name for name in {**shapes[0], **shapes[1]} if shapes[0].get(name) != shapes[1].get(name)]
    return [f"{name}: {shapes[0].get(name, 'none')} → {shapes[1].get(name, 'none')}" for name in names]


def _hold_against(fresh: dict[str, Any], saved: dict[str, Any], keep_settings: bool) -> None:
    """Raises ValueError where a saved state lacks what the fresh one has."""
    if not keep_settings and not all(_continues(fresh[name], saved[name]) for name in ("schedule", "scaler")):
        raise ValueError("its schedule has other fields")
    groups = zip(fresh["optimizer"]["param_groups"], saved["optimizer"]["param_groups"], strict=True)
    if not all(_continues(built, group) for built, group in groups):
        raise ValueError("its optimizer has other fields")


def _continues(fresh: Any, saved: Any) -> bool:
    """Returns whether `saved` can have become of `fresh`: fields and items may be added, and None may be any value.

    What does not fit nevertheless shows in the step that is tried.
    """
    if isinstance(fresh, dict) and isinstance(saved, dict):
        return all(key in saved and _continues(value, saved[key]) for key, value in fresh.items())
    if isinstance(fresh, list | tuple) and isinstance(saved, list | tuple):
        pairs = list(zip(fresh, saved, strict=False))
        # A function object of `LambdaLR` takes the fields it is given, a method's name too.
        return all(not isinstance(one, dict) or one.keys() == other.keys() for one, other in pairs) and all(
            _continues(one, other) for one, other in pairs
        )
    if fresh is None or saved is None:  # such as `fused`, which follows from the device, or a best value so far
        return not isinstance(fresh, dict | list | tuple)
    is_number = [isinstance(value, int | float | torch.Tensor) for value in (fresh, saved)]
    return all(is_number) or type(fresh) is type(saved)


def _try_step(state: TrainState, *, is_last: bool) -> None:
    """Steps optimizer and schedule with gradients of zero: what does not fit in their states shows only there."""
    for group in state.optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    try:
        update_of(state.optimizer, torch.amp.GradScaler("cpu", enabled=False), None)()
    finally:
        state.optimizer.zero_grad()
    if not is_last:  # some schedules refuse a step beyond the end
        state.schedule.step()
