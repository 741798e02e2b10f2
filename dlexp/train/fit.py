"""The training loop, as a generator: it trains, and yields plain dicts for others to record, show and act on."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dlexp.data.batches import Batches
from dlexp.device import flushing_denormals
from dlexp.train.fingerprint import fingerprint
from dlexp.train.state import TrainState
from dlexp.train.step import compiled_gradients_of, gradients_of, rest_finished, update_of

Sums = Callable[[Tensor, Tensor], dict[str, Tensor]]
PROGRESS_SECONDS = 0.5


class NonFiniteLoss(Exception):
    """The loss became infinite or not a number; epoch and step (both from 1) and learning rate are in the message."""


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
    criterion: nn.Module,
    sums: Sums,
    plan: Plan,
    is_due: Callable[[TrainState], bool] = lambda state: False,
) -> Iterator[dict[str, Any]]:
    """Trains until the plan is fulfilled, from wherever `state` is: a step within an epoch too.

    Yields dicts with `kind`: "progress" (now and then, by the clock; never recorded), "steps" (every
    `plan.log_steps` optimizer steps), "epoch" (after the last step of each epoch, also one cut short by `max_steps`),
    and "save" (after an epoch is closed, and after a step when `is_due(state)` says so): the moments at which `state`
    can be saved and the training ended.

    Raises:
        NonFiniteLoss: seen at the next yield after it happened, so before the state could be saved.
    """
    with flushing_denormals():
        yield from _fit(state, batches, criterion, sums, plan, is_due)


def _fit(
    state: TrainState,
    batches: Batches,
    criterion: nn.Module,
    sums: Sums,
    plan: Plan,
    is_due: Callable[[TrainState], bool],
) -> Iterator[dict[str, Any]]:
    model, num_batches = state.model, len(batches)
    total_steps = plan.total_steps(num_batches)
    make = compiled_gradients_of if plan.compile else gradients_of
    rest_finished(state.optimizer)
    gradients = make(model, criterion, plan.device, plan.precision)
    update = update_of(state.optimizer, state.scaler, plan.grad_clip)
    one: Any = torch.ones((), device=plan.device) if state.scaler.is_enabled() else 1.0
    while state.step < total_steps or state.batch:
        model.train()
        epoch_start = last_yield = time.perf_counter()
        first_batch = state.batch
        for inputs, targets in batches.epoch(state.epoch, start=state.batch):
            if state.step >= total_steps:
                break  # saved when max_steps had been reached and the epoch was still to be closed
            if state.batch == 0:
                state.first_batch = fingerprint(inputs, targets)
            group_start = state.batch - state.batch % plan.accumulate
            group_size = min(plan.accumulate, num_batches - group_start)
            loss, outputs = gradients(inputs, targets, state.scaler.scale(one) / group_size)

            state.losses[state.batch] = loss
            for name, value in sums(outputs, targets).items():
                state.sums[name] = state.sums[name] + value if name in state.sums else value
            state.batch += 1
            if state.batch == group_start + group_size:
                _step(state, update)

                if state.step % plan.log_steps == 0:
                    yield {"kind": "steps", "lr": state.lr} | _numbers(state, plan, batches)
                    last_yield = time.perf_counter()
                if is_due(state):
                    yield {"kind": "save"} | _numbers(state, plan, batches)
            if time.perf_counter() - last_yield > PROGRESS_SECONDS:
                yield {"kind": "progress"} | _numbers(state, plan, batches)
                last_yield = time.perf_counter()
            if state.step >= total_steps:
                break

        numbers = _numbers(state, plan, batches)
        seconds = time.perf_counter() - epoch_start
        images = (state.batch - first_batch) * batches.batch_size
        speed = {"time/train": seconds, "time/images_per_second": images / seconds}
        yield {"kind": "epoch", "lr": state.lr} | numbers | speed
        if state.batch < num_batches:
            return  # cut short by max_steps: it stays open for a resume with more
        state.epoch, state.batch, state.sums = state.epoch + 1, 0, {}
        yield {"kind": "save"} | numbers


def _step(state: TrainState, update: Callable[[], None]) -> None:
    update()
    state.schedule.step()
    rest_finished(state.optimizer)
    state.step += 1
    state.average.update(state.step)


def _numbers(state: TrainState, plan: Plan, batches: Batches) -> dict[str, Any]:
    """Reads the epoch's losses and sums from the device: the loop's only synchronisation.

    `train/recent_loss` is the mean over the last `plan.log_steps` optimizer steps (or since the epoch began).
    """
    losses = state.losses[: state.batch].double().cpu()
    bad = torch.nonzero(~torch.isfinite(losses))
    if len(bad):
        batch = int(bad[0])
        first_step = state.step - -(-state.batch // plan.accumulate)  # optimizer steps before this epoch
        raise NonFiniteLoss(
            f"the loss became {losses[batch].item():g} in epoch {state.epoch + 1} at step"
            f" {first_step + batch // plan.accumulate + 1} (learning rate {state.lr:g})"
        )
    seen = state.batch * batches.batch_size
    numbers: dict[str, Any] = {"epoch": state.epoch + 1, "step": state.step, "batch": state.batch}
    numbers["train/recent_loss"] = losses[-plan.log_steps * plan.accumulate :].mean().item()
    numbers["train/loss"] = losses.mean().item()
    return numbers | {f"train/{name}": total.item() / seen for name, total in state.sums.items()}
