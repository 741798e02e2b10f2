"""Half a cosine from the peak down to the final learning rate."""

import math
from dataclasses import dataclass
from typing import Annotated

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from dlexp.ranges import Range
from dlexp.schedules.factor import Factor, in_steps, schedule


@dataclass
class Cosine(Factor):
    final: float

    def after(self, step: int) -> float:
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * self.progress(step))) / 2


def cosine(
    optimizer: Optimizer,
    total_steps: int,
    *,
    warmup: Annotated[float, Range(ge=0, lt=1)],
    final: Annotated[float, Range(ge=0, le=1)],
) -> LambdaLR:
    """Returns linear warm-up during `warmup` of the run, then half a cosine to `final` times the peak.

    Loshchilov and Hutter, arXiv 1608.03983, without restarts.
    """
    return schedule(optimizer, Cosine(total_steps, in_steps(warmup, total_steps), final))
