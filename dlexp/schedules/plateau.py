"""The learning rate goes down when validation gets no better."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from torch.optim import Optimizer

from dlexp.ranges import Range
from dlexp.schedules.factor import Factor, Schedule, in_steps


@dataclass
class Plateau(Factor):
    reduction: float
    patience: int
    least: float
    bad_validations: int = 0
    num_reductions: int = 0

    def after(self, step: int) -> float:
        return max(self.least, self.reduction**self.num_reductions)

    def validated(self, improved: bool) -> None:
        self.bad_validations = 0 if improved else self.bad_validations + 1
        if self.bad_validations > self.patience:
            self.bad_validations, self.num_reductions = 0, self.num_reductions + 1


class PlateauSchedule(Schedule):
    """A warm-up, then the peak times a factor that follows validation."""

    def _factors(self) -> list[Plateau]:
        return [each for each in self.lr_lambdas if isinstance(each, Plateau)]

    def validated(self, metrics: Mapping[str, float], improved: bool) -> None:
        """Takes in a validation: whether the metric that chooses the epoch got better. The rate changes at once."""
        for factor in self._factors():
            factor.validated(improved)
        self.apply()

    def take_over(self, saved: Mapping[str, Any]) -> None:
        """Goes on from the validations of a saved schedule with the settings of this one."""
        for factor, other in zip(self._factors(), saved["lr_lambdas"], strict=True):
            factor.bad_validations, factor.num_reductions = other["bad_validations"], other["num_reductions"]
        self.apply()


def plateau(
    optimizer: Optimizer,
    total_steps: int,
    *,
    warmup: Annotated[float, Range(ge=0, lt=1)],
    reduction: Annotated[float, Range(gt=0, lt=1)],
    patience: Annotated[int, Range(ge=0)],
    least: Annotated[float, Range(ge=0, lt=1)],
) -> PlateauSchedule:
    """Returns linear warm-up during `warmup` of the run, then the peak, times `reduction` after more than `patience`
    validations in a row without a better result; never below `least` times the peak.
    """
    factor = Plateau(total_steps, in_steps(warmup, total_steps), reduction, patience, least)
    return PlateauSchedule(optimizer, [replace(factor, until=g.get("until", 1.0)) for g in optimizer.param_groups])
