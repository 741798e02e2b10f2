"""The epoch's losses and sums on their way from the device to the loop, which trains on while they travel."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from dlexp.train.state import TrainState


class NonFiniteLoss(Exception):
    """The loss became infinite or not a number; epoch and step (both from 1) and learning rate are in the message."""


class Reading:
    """The metrics of `state` at the moment of construction. `accumulate` and `log_steps` are those of the plan."""

    def __init__(self, state: TrainState, accumulate: int, log_steps: int) -> None:
        self._epoch, self._step, self._batch, self._lr = state.epoch, state.step, state.batch, state.lr
        self._rates = state.rates[-state.batch :]
        self._accumulate, self._recent, self._measured = accumulate, log_steps * accumulate, state.measured
        self._conclude, self._sums = state.task.results, state.sums
        self._weighted = state.counts is not None
        weights = [] if state.counts is None else [state.counts[: state.batch]]
        self._watched = list(state.watched)
        # One operation of torch less where the epoch is at its end: of a step that is a whole epoch each counts.
        losses = state.losses if state.batch == len(state.losses) else state.losses[: state.batch]
        values = [losses, *weights, *(each.reshape(-1) for each in state.watched.values())]
        # On a CPU the sums need no journey: the next batch's are new tensors.
        self._travels = state.losses.device.type != "cpu"
        values += [each.reshape(-1) for each in state.sums.values()] if self._travels else []
        self._sizes = [each.numel() for each in values]
        self._values, self._event = _sent(values)

    def is_there(self) -> bool:
        """Returns whether `numbers` would not wait; on a CPU always."""
        return self._event is None or bool(self._event.query())  # type: ignore[no-untyped-call]

    def numbers(self) -> dict[str, Any]:
        """Waits for the copy and returns epoch, step, batch, lr and the metrics.

        `train/recent_loss` is the mean over the last `log_steps` optimizer steps (or since the epoch began).

        Raises:
            NonFiniteLoss: the loss of a batch of this epoch is no number.
        """
        if self._event is not None:
            self._event.synchronize()
        losses, *rest = self._values.split_with_sizes(self._sizes) if len(self._sizes) > 1 else [self._values]
        weights = rest.pop(0) if self._weighted else None
        mean = _mean(losses, weights)
        if not math.isfinite(mean) and len(bad := torch.nonzero(~torch.isfinite(losses))):
            batch = int(bad[0])
            first_step = self._step - -(-self._batch // self._accumulate)  # optimizer steps before this epoch
            raise NonFiniteLoss(
                f"the loss became {losses[batch].item():g} in epoch {self._epoch + 1} at step"
                f" {first_step + batch // self._accumulate + 1} (learning rate"
                f" {self._rates[batch - self._batch]:g})"  # of a run that went on within the epoch the last ones
            )
        numbers: dict[str, Any] = {"lr": self._lr, "epoch": self._epoch + 1, "step": self._step, "batch": self._batch}
        is_all = self._recent >= self._batch
        numbers["train/recent_loss"] = mean if is_all else _mean(losses[-self._recent :], weights)
        numbers["train/loss"] = mean
        for name in self._watched:
            numbers[name] = rest.pop(0).item()
        found = self._conclude(self._arrived(rest), self._measured)
        return numbers | {f"train/{name}": value for name, value in found.items()}

    def _arrived(self, travelled: Iterable[Tensor]) -> dict[str, Tensor]:
        """Returns the sums on the CPU, int64 or float64."""
        if self._travels:
            parts = [part.view(total.shape) for part, total in zip(travelled, self._sums.values(), strict=True)]
        else:
            parts = [*self._sums.values()]
        return {
            name: part.to(torch.float64 if total.is_floating_point() else torch.int64)
            for (name, total), part in zip(self._sums.items(), parts, strict=True)
        }


def _mean(losses: Tensor, weights: Tensor | None) -> float:
    if weights is None:
        return losses.item() if len(losses) == 1 else losses.mean().item()
    weights = weights[-len(losses) :]
    return (losses * weights).sum().item() / (weights.sum().item() or 1.0)  # nothing may have counted


def _sent(parts: list[Tensor]) -> tuple[Tensor, torch.cuda.Event | None]:
    """Returns the parts on the CPU, one after the other, and on CUDA the event after which they are there."""
    if not parts[0].is_cuda:
        if parts[0].device.type != "cpu":
            parts = [part.cpu() for part in parts]  # from there: Apple's GPUs have no float64
        copies = [part.to(torch.float64, copy=True) for part in parts]
        return copies[0] if len(copies) == 1 else torch.cat(copies), None
    values = torch.cat([part.double() for part in parts])
    there = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)  # others are copied while the program waits
    there.copy_(values, non_blocking=True)
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record(torch.cuda.current_stream(values.device))  # without it: the stream of cuda:0
    return there, event
