"""The training loop, as a generator: it trains, and yields plain dicts for others to record, show and act on."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from dlexp.batch import added, num_rows
from dlexp.errors import UnreadableError
from dlexp.machine.device import flushing_denormals
from dlexp.methods.method import Method, Outcome, overrides
from dlexp.train.batches import Batches
from dlexp.train.fingerprint import fingerprint
from dlexp.train.frozen import rest_finished
from dlexp.train.losses import Reading
from dlexp.train.state import TrainState
from dlexp.train.step import halves

PROGRESS_SECONDS = 0.5
WITHOUT_GRADIENTS = torch.no_grad()  # made once: to make one for each batch takes as long as to add up what is measured


@dataclass(frozen=True)
class Plan:
    """How long and how to train."""

    epochs: int
    max_steps: int | None
    accumulate: int
    grad_clip: float | None
    l1: float | None
    log_steps: int
    device: torch.device
    precision: torch.dtype
    compile: bool

    def steps_per_epoch(self, num_batches: int) -> int:
        """Optimizer steps an epoch: the last group of accumulated batches may be smaller."""
        return -(-num_batches // self.accumulate)

    def total_steps(self, num_batches: int) -> int:
        """Optimizer steps of the whole training."""
        steps = self.epochs * self.steps_per_epoch(num_batches)
        return steps if self.max_steps is None else min(steps, self.max_steps)


def fit(
    state: TrainState,
    batches: Batches,
    plan: Plan,
    is_due: Callable[[TrainState], bool] = lambda state: False,
    look: Callable[[], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """Trains until the plan is fulfilled, from wherever `state` is: a step within an epoch too.

    Yields dicts with `kind`: "progress" (now and then, by the clock; never recorded), "steps" (every
    `plan.log_steps` optimizer steps; on CUDA some steps late, but before the next save), "epoch" (after the last step
    of each epoch, also one cut short by `max_steps`), and "save" (after an epoch is closed, and after a step when
    `is_due(state)` says so): the moments at which `state` can be saved and the training ended. `look` is called before
    each update, with the gradients in place.

    Raises:
        NonFiniteLoss: seen at the next yield after it happened, so before the state could be saved.
    """
    lines: list[Reading] = []  # logged, and still on their way from the device
    look = look if plan.l1 is None else partial(_with_l1, state, plan.l1, look)
    with flushing_denormals():
        try:
            yield from _fit(state, batches, plan, is_due, look, lines)
        except UnreadableError:  # what was trained until then is going to be saved
            yield from _arrived(lines)
            raise


def _fit(
    state: TrainState,
    batches: Batches,
    plan: Plan,
    is_due: Callable[[TrainState], bool],
    look: Callable[[], None] | None,
    lines: list[Reading],
) -> Iterator[dict[str, Any]]:
    task, method, num_batches = state.task, state.method, len(batches)
    total_steps = plan.total_steps(num_batches)
    rest_finished(state.optimizer)
    divisors = state.counts if plan.accumulate > 1 else None  # a group's mean is over all that its batches count
    gradients, update = halves(state, plan.grad_clip, look, compiles=plan.compile, weighs=divisors is not None)
    one: Any = torch.ones((), device=plan.device) if state.scaler.is_enabled() else 1.0
    looks = task.tells_moment or type(method) is not Method
    modes = [(part, [*part.modules()]) for part in (state.model, task, method)]

    first = ""  # the fingerprint of an epoch's first batch
    read = partial(Reading, state, plan.accumulate, plan.log_steps)

    def seen() -> int:  # samples of this epoch; the last batch may be smaller where nothing is shuffled
        return min(state.batch * batches.batch_size, batches.num_samples)

    while state.step < total_steps or state.batch:
        _into_training_mode(modes)
        epoch_start = last_yield = time.perf_counter()
        seen_before = seen()
        for batch in batches.epoch(state.epoch, state.batch, state.position):
            if state.step >= total_steps:
                break  # saved when max_steps had been reached and the epoch was still to be closed
            if state.batch == 0:
                state.first_batch = first = first if first and batches.is_one_batch else fingerprint(*batch.values())
            group_start = state.batch - state.batch % plan.accumulate
            group_size = min(plan.accumulate, num_batches - group_start)
            state.progress = state.step / total_steps
            if looks:
                state.moment.move(step=state.step, epoch=state.epoch, progress=state.progress)
            outcome = gradients(batch, state.scaler.scale(one) / (1 if divisors is not None else group_size))

            _keep(state, outcome)
            state.position = batches.position
            del batch, outcome
            if state.batch == group_start + group_size:
                update(None if divisors is None else divisors[group_start : state.batch].sum())
                _step(state)

                if state.step % plan.log_steps == 0:
                    lines.append(read())
                while lines and lines[0].is_there():
                    yield {"kind": "steps"} | lines.pop(0).numbers()
                    last_yield = time.perf_counter()
                if is_due(state):
                    yield from _arrived(lines)
                    yield {"kind": "save"} | read().numbers()
            if time.perf_counter() - last_yield > PROGRESS_SECONDS:
                yield from _arrived(lines)
                yield {"kind": "progress"} | read().numbers()
                last_yield = time.perf_counter()
            if state.step >= total_steps:
                break

        yield from _arrived(lines)
        numbers = read().numbers()
        seconds = time.perf_counter() - epoch_start
        speed = {"time/train": seconds, "time/samples_per_second": (seen() - seen_before) / seconds}
        yield {"kind": "epoch"} | numbers | speed
        if state.batch < num_batches:
            return  # cut short by max_steps: it stays open for a resume with more
        state.epoch, state.batch, state.measured, state.sums, state.position = state.epoch + 1, 0, 0, {}, None
        yield {"kind": "save"} | numbers


@torch.no_grad()
def _with_l1(state: TrainState, l1: float, look: Callable[[], None] | None) -> None:
    """Adds the gradient of `l1` times the sum of all absolute parameters to theirs, before anybody looks."""
    for group in state.optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None:
                parameter.grad.add_(parameter.sign(), alpha=l1)
    if look is not None:
        look()


def _arrived(lines: list[Reading]) -> Iterator[dict[str, Any]]:
    """Yields all lines in their order, and waits for those that are still on their way."""
    while lines:
        yield {"kind": "steps"} | lines.pop(0).numbers()


def _into_training_mode(parts: Iterable[tuple[nn.Module, list[nn.Module]]]) -> None:
    for part, modules in parts:
        if not all([module.training for module in modules]):  # to set the mode takes five times as long
            part.train()


def _keep(state: TrainState, outcome: Outcome) -> None:
    """Keeps the loss of a batch and what is measured of it, on the device."""
    state.losses[state.batch] = outcome.counted
    if state.batch == 0:
        state.rates = []  # a new one: those of the epoch before may still be on their way to be told
    state.rates.append(state.lr)
    if state.counts is not None:
        state.counts[state.batch] = 1 if outcome.weight is None else outcome.weight
    batch = outcome.batch or {}
    sums = outcome.sums
    if sums is None:
        with WITHOUT_GRADIENTS:
            sums = state.task.sums(outcome.outputs, batch)
    state.sums = added(state.sums, sums)
    state.measured += num_rows(batch)
    state.batch += 1


def _step(state: TrainState) -> None:
    state.schedule.step()
    rest_finished(state.optimizer)
    state.step += 1
    if overrides(state.method, Method, "after_step"):
        with torch.no_grad():
            state.method.after_step(state.model, state.step)
    state.average.update(state.step)
