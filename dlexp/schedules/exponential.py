"""The learning rate changes by the same factor at every step: what a range test of learning rates walks along."""

from dataclasses import dataclass
from typing import Annotated

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from dlexp.ranges import Range
from dlexp.schedules.factor import Factor, schedule


@dataclass
class Exponential(Factor):
    initial: float
    final: float

    def after(self, step: int) -> float:
        # The last step of the run uses `final` itself, so the way is one step shorter than the run.
        part = min(1.0, step / max(1, self.total_steps - 1))
        return float(self.initial * (self.final / self.initial) ** part)


def exponential(
    optimizer: Optimizer,
    total_steps: int,
    *,
    initial: Annotated[float, Range(gt=0)],
    final: Annotated[float, Range(gt=0)],
) -> LambdaLR:
    """Returns the way from `initial` to `final` times the peak, up or down, in equal factors and without warm-up."""
    return schedule(optimizer, Exponential(total_steps, 0, initial, final))
