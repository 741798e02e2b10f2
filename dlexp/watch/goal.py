"""An end to a training that has reached what was asked for."""

from collections.abc import Collection, Mapping

from torch import nn

from dlexp.errors import UserError, did_you_mean, listed
from dlexp.watch.watcher import View, Watcher


class Goal(Watcher):
    """Ends the training once a metric has come to a value, such as `val/accuracy` to 0.98.

    above: whether it must be at least the value, else at most. Raises UserError where nothing is measured by that name,
    or there is no validation to measure it in.
    """

    def __init__(self, *, metric: str, value: float, above: bool) -> None:
        self.metric, self.value, self.above = metric, value, above

    def hold_to(self, model: nn.Module, metrics: Collection[str]) -> None:
        if self.metric.startswith("val/") and not any(name.startswith("val/") for name in metrics):
            raise UserError(f"watch.goal.metric={self.metric} asks for the split 'val', which this run does not have")
        if self.metric not in metrics:
            raise UserError(
                f"watch.goal.metric={self.metric} is not measured.{did_you_mean(self.metric, metrics)}"
                f" There are {listed(sorted(metrics), 9)}"
            )

    def epoch(self, view: View, metrics: Mapping[str, float]) -> str | None:
        """Returns the reason once the goal is reached."""
        found = metrics.get(self.metric)
        if found is None:  # there is no validation after this epoch
            return None
        if found >= self.value if self.above else found <= self.value:
            return f"{self.metric} has come to {found:.4g}"
        return None
