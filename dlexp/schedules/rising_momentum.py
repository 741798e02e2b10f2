"""The learning rate stays, the momentum rises once."""

from dataclasses import dataclass, replace
from typing import Annotated

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from dlexp.errors import UserError
from dlexp.ranges import Range
from dlexp.schedules.factor import Factor, Schedule, in_steps


@dataclass
class Rising(Factor):
    """The factor of the rate, and the momentum: `early` before the step `rises_at`, then `late`."""

    early: float
    late: float
    rises_at: int

    def momentum(self, step: int) -> float:
        return self.early if step < self.rises_at else self.late


class RisingMomentum(Schedule):
    """Sets at each step, counted from 0, the momentum of every group whose factor is a `Rising` beside its rate."""

    def apply(self) -> None:
        """Sets the rates and momenta as they are to be at this step."""
        super().apply()
        for group, factor in zip(self.optimizer.param_groups, self.lr_lambdas, strict=True):
            if isinstance(factor, Rising):
                group["momentum"] = factor.momentum(self.last_epoch)


def rising_momentum(
    optimizer: Optimizer,
    total_steps: int,
    *,
    early: Annotated[float, Range(ge=0, lt=1)],
    late: Annotated[float, Range(ge=0, lt=1)],
    at: Annotated[float, Range(ge=0, le=1)],
) -> LambdaLR:
    """Returns a schedule that keeps the learning rate, and sets the momentum to `early` before the part `at` of the
    run, then to `late` (Hinton 2010, "A practical guide to training restricted Boltzmann machines", section 9.1).

    Raises UserError for an optimizer without momentum.
    """
    if any("momentum" not in group for group in optimizer.param_groups):
        raise UserError(
            f"scheduler=rising_momentum sets a momentum, and {type(optimizer).__name__} has none; optimizer=sgd has"
        )
    factor = Rising(total_steps, 0, early, late, in_steps(at, total_steps))
    return RisingMomentum(optimizer, [replace(factor, until=g.get("until", 1.0)) for g in optimizer.param_groups])
