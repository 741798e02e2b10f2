"""The learning rate falls by a factor at certain parts of the run."""

from dataclasses import dataclass
from typing import Annotated

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from dlexp.ranges import Range
from dlexp.schedules.factor import Factor, in_steps, schedule


@dataclass
class MultiStep(Factor):
    milestones: list[int]
    gamma: float

    def after(self, step: int) -> float:
        return float(self.gamma ** sum(step >= milestone for milestone in self.milestones))


def multistep(
    optimizer: Optimizer,
    total_steps: int,
    *,
    warmup: Annotated[float, Range(ge=0, lt=1)],
    milestones: list[float],
    gamma: Annotated[float, Range(gt=0, le=1)],
) -> LambdaLR:
    """Returns linear warm-up during `warmup` of the run, then the peak times `gamma` for each milestone passed.

    Milestones are parts of the run: [0.5, 0.75] in 40 epochs are the epochs 20 and 30 (arXiv 1512.03385, section 4.2).

    Raises:
        UserError: a milestone is not between 0 and 1.
    """
    steps = [in_steps(milestone, total_steps) for milestone in milestones]
    return schedule(optimizer, MultiStep(total_steps, in_steps(warmup, total_steps), steps, gamma))
