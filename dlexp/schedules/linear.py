"""A straight line from the peak down to the final learning rate: hard to beat in short runs."""

from dataclasses import dataclass
from typing import Annotated

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from dlexp.ranges import Range
from dlexp.schedules.factor import Factor, in_steps, schedule


@dataclass
class Linear(Factor):
    final: float

    def after(self, step: int) -> float:
        return 1 - (1 - self.final) * self.progress(step)


def linear(
    optimizer: Optimizer,
    total_steps: int,
    *,
    warmup: Annotated[float, Range(ge=0, lt=1)],
    final: Annotated[float, Range(ge=0, le=1)],
) -> LambdaLR:
    """Returns linear warm-up during `warmup` of the run, then a line down to `final` times the peak at its end."""
    return schedule(optimizer, Linear(total_steps, in_steps(warmup, total_steps), final))
