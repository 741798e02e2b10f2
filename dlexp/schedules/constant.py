"""The learning rate stays as it is."""

from typing import Annotated

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from dlexp.ranges import Range
from dlexp.schedules.factor import Factor, in_steps, schedule


def constant(optimizer: Optimizer, total_steps: int, *, warmup: Annotated[float, Range(ge=0, lt=1)]) -> LambdaLR:
    """Returns a schedule that keeps the optimizer's learning rate after a linear warm-up of `warmup` of the run."""
    return schedule(optimizer, Factor(total_steps, in_steps(warmup, total_steps)))
