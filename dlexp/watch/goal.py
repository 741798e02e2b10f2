"""An end to a training that has reached what was asked for."""

from collections.abc import Mapping

from dlexp.errors import UserError, listed
from dlexp.watch.watcher import View, Watcher


class Goal(Watcher):
    """Ends the training once a metric has come to a value, such as `val/accuracy` to 0.98.

    above: whether it must be at least the value, else at most. Raises UserError where nothing is measured by that name,
    or there is no validation to measure it in.
    """

    def __init__(self, *, metric: str, value: float, above: bool) -> None:
        self.metric, self.value, self.above = metric, value, above

    def epoch(self, view: View, metrics: Mapping[str, float]) -> str | None:
        """Returns the reason once the goal is reached."""
        if self.metric not in metrics:
            if self.metric.startswith("val/") and not any(name.startswith("val/") for name in metrics):
                view.batches("val")  # which tells where there are none at all
                return None  # there is no validation after this epoch
            raise UserError(f"watch.goal.metric={self.metric} is not measured; there are {listed(sorted(metrics), 9)}")
        found = metrics[self.metric]
        if found >= self.value if self.above else found <= self.value:
            return f"{self.metric} has come to {found:.4g}"
        return None
