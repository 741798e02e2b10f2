"""The learning rate as a factor of its peak, step by step; the warm-up every schedule has."""

from dataclasses import dataclass, field, replace
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from dlexp.errors import UserError


@dataclass
class Factor:
    """Called with a step (from 0) it returns the factor: linear from almost 0 to 1, then 1.

    A subclass says what follows the warm-up in `after`, or all of it in `at`. Fields must be numbers and lists of
    them: `LambdaLR` saves them, and a checkpoint holds primitives only.
    """

    total_steps: int
    warmup_steps: int
    until: float = field(default=1.0, kw_only=True)  # of the run: the group's whole schedule, squeezed; 0 after it

    def __call__(self, step: int) -> float:
        if self.until < 1:
            if step >= self.until * self.total_steps:
                return 0.0
            step = round(step / self.until)
        return self.at(step)

    def at(self, step: int) -> float:
        """Returns the factor at a step of the whole run."""
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        return self.after(step)

    def after(self, step: int) -> float:
        return 1.0

    def progress(self, step: int) -> float:
        """Returns how much of the time after the warm-up has passed, from 0 to 1."""
        return min(1.0, (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps))


class Schedule(LambdaLR):
    """Sets the rates and no more: torch's own `step` around it takes 4 µs of a training step of 500."""

    def step(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self.apply()

    def apply(self) -> None:
        """Sets the rates as they are to be at this step."""
        for group, base, factor in zip(self.optimizer.param_groups, self.base_lrs, self.lr_lambdas, strict=True):
            group["lr"] = base * factor(self.last_epoch)

    def get_last_lr(self) -> list[Any]:
        return [group["lr"] for group in self.optimizer.param_groups]


def schedule(optimizer: Optimizer, factor: Factor) -> Schedule:
    """Returns the schedule that multiplies every group's learning rate by `factor`; it steps with the optimizer.

    A group that has `until`, a part of the run, goes through all of it in that part, and rests from there on.
    """
    return Schedule(optimizer, [replace(factor, until=group.get("until", 1.0)) for group in optimizer.param_groups])


def in_steps(fraction: float, total_steps: int) -> int:
    """Returns how many steps a fraction of the run is.

    Raises:
        UserError: the fraction is not between 0 and 1.
    """
    if not 0 <= fraction <= 1:
        raise UserError(f"a schedule counts in fractions of the run, from 0 to 1, not {fraction}")
    return round(fraction * total_steps)
