"""The training loop, as a generator: it trains, and yields plain dicts for others to record, show and act on."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from dlexp.errors import UnreadableError
from dlexp.machine.device import flushing_denormals
from dlexp.train.batches import Batches
from dlexp.train.fingerprint import fingerprint
from dlexp.train.losses import Reading
from dlexp.train.state import TrainState
from dlexp.train.step import compiled_gradients_of, gradients_of, rest_finished, update_of

PROGRESS_SECONDS = 0.5


@dataclass(frozen=True)
class Plan:
    """How long and how to train."""

    epochs: int
    max_steps: int | None
    accumulate: int
    grad_clip: float | None
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
) -> Iterator[dict[str, Any]]:
    """Trains until the plan is fulfilled, from wherever `state` is: a step within an epoch too.

    Yields dicts with `kind`: "progress" (now and then, by the clock; never recorded), "steps" (every
    `plan.log_steps` optimizer steps; on CUDA some steps late, but before the next save), "epoch" (after the last step
    of each epoch, also one cut short by `max_steps`), and "save" (after an epoch is closed, and after a step when
    `is_due(state)` says so): the moments at which `state` can be saved and the training ended.

    Raises:
        NonFiniteLoss: seen at the next yield after it happened, so before the state could be saved.
    """
    lines: list[Reading] = []  # logged, and still on their way from the device
    with flushing_denormals():
        try:
            yield from _fit(state, batches, plan, is_due, lines)
        except UnreadableError:  # what was trained until then is going to be saved
            yield from _arrived(lines, waiting=True)
            raise


def _fit(
    state: TrainState,
    batches: Batches,
    plan: Plan,
    is_due: Callable[[TrainState], bool],
    lines: list[Reading],
) -> Iterator[dict[str, Any]]:
    model, task, num_batches = state.model, state.task, len(batches)
    total_steps = plan.total_steps(num_batches)
    make = compiled_gradients_of if plan.compile else gradients_of
    rest_finished(state.optimizer)
    gradients = make(model, task, plan.device)
    update = update_of(state.optimizer, state.scaler, plan.grad_clip)
    one: Any = torch.ones((), device=plan.device) if state.scaler.is_enabled() else 1.0

    def seen() -> int:  # samples of this epoch; the last batch may be smaller where nothing is shuffled
        return min(state.batch * batches.batch_size, batches.num_samples)

    def read() -> Reading:
        return Reading(state, plan.accumulate, plan.log_steps, seen())

    while state.step < total_steps or state.batch:
        model.train()
        epoch_start = last_yield = time.perf_counter()
        seen_before = seen()
        for batch in batches.epoch(state.epoch, start=state.batch):
            if state.step >= total_steps:
                break  # saved when max_steps had been reached and the epoch was still to be closed
            if state.batch == 0:
                state.first_batch = fingerprint(*batch.values())
            group_start = state.batch - state.batch % plan.accumulate
            group_size = min(plan.accumulate, num_batches - group_start)
            loss, outputs = gradients(batch, state.scaler.scale(one) / group_size)

            state.losses[state.batch] = loss
            with torch.no_grad():
                measured = task.sums(outputs, batch)
            for name, value in measured.items():
                state.sums[name] = state.sums[name] + value if name in state.sums else value
            state.batch += 1
            if state.batch == group_start + group_size:
                _step(state, update)

                if state.step % plan.log_steps == 0:
                    lines.append(read())
                for line in _arrived(lines, waiting=False):
                    yield line
                    last_yield = time.perf_counter()
                if is_due(state):
                    yield from _arrived(lines, waiting=True)
                    yield {"kind": "save"} | read().numbers()
            if time.perf_counter() - last_yield > PROGRESS_SECONDS:
                yield from _arrived(lines, waiting=True)
                yield {"kind": "progress"} | read().numbers()
                last_yield = time.perf_counter()
            if state.step >= total_steps:
                break

        yield from _arrived(lines, waiting=True)
        numbers = read().numbers()
        seconds = time.perf_counter() - epoch_start
        speed = {"time/train": seconds, "time/images_per_second": (seen() - seen_before) / seconds}
        yield {"kind": "epoch"} | numbers | speed
        if state.batch < num_batches:
            return  # cut short by max_steps: it stays open for a resume with more
        state.epoch, state.batch, state.sums = state.epoch + 1, 0, {}
        yield {"kind": "save"} | numbers


def _arrived(lines: list[Reading], *, waiting: bool) -> Iterator[dict[str, Any]]:
    """Yields the lines that have come, in their order; all of them with `waiting`."""
    while lines and (waiting or lines[0].is_there()):
        yield {"kind": "steps"} | lines.pop(0).numbers()


def _step(state: TrainState, update: Callable[[], None]) -> None:
    update()
    state.schedule.step()
    rest_finished(state.optimizer)
    state.step += 1
    state.average.update(state.step)
