"""One cycle of the learning rate (Smith and Topin, arXiv 1708.07120): up, down, and far below the start."""

from dataclasses import dataclass
from typing import Annotated

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from dlexp.errors import UserError
from dlexp.ranges import Range
from dlexp.schedules.factor import Factor, in_steps, schedule


@dataclass
class OneCycle(Factor):
    last_steps: int
    initial: float
    final: float

    def at(self, step: int) -> float:
        """Returns the factor at a step of the whole run."""
        down = self.total_steps - self.last_steps
        if step < self.warmup_steps:
            return line(step / self.warmup_steps, self.initial, 1.0)
        if step < down:
            return line((step - self.warmup_steps) / (down - self.warmup_steps), 1.0, self.initial)
        return line(min(1.0, (step - down) / max(1, self.last_steps)), self.initial, self.final)


def line(part: float, start: float, end: float) -> float:
    """Returns the value at `part` (0 to 1) of the way from `start` to `end`."""
    return start + (end - start) * part


def onecycle(
    optimizer: Optimizer,
    total_steps: int,
    *,
    warmup: Annotated[float, Range(ge=0, lt=1)],
    last: Annotated[float, Range(ge=0, lt=1)],
    initial: Annotated[float, Range(gt=0, le=1)],
    final: Annotated[float, Range(ge=0, le=1)],
) -> LambdaLR:
    """Returns the cycle: from `initial` to 1 times the peak, back to `initial`, then to `final`, each along a line.

    The way up takes `warmup` of the run, the last stretch `last`, the way down the rest. Unlike in the paper the
    momentum stays as it is.

    Raises:
        UserError: the way up and the last stretch leave no time for the way down.
    """
    if warmup + last >= 1:
        raise UserError(
            f"scheduler.warmup={warmup} and scheduler.last={last} leave no time for the way down;"
            f" together they must be less than 1"
        )
    steps = in_steps(warmup, total_steps), in_steps(last, total_steps)
    return schedule(optimizer, OneCycle(total_steps, *steps, initial, final))
