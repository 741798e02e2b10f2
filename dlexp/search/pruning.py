"""Which trials are ended early, from what all of them reached at the same step.

Optuna's successive halving keeps its rungs in memory alone and never prunes in a study that was made anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

# Where a loss was no number: worse than all others.
WORST = float("-inf")


@dataclass(frozen=True)
class Curve:
    """What a trial reached, the higher the better, by epoch, with the optimizer step at which it did.

    schedule: the epochs and the optimizer steps that it is to train at most (None: no such limit); trials of other
    lengths are at another place of their learning rate's schedule.
    """

    schedule: tuple[int | None, int | None]
    values: Mapping[int, tuple[int, float]] = field(default_factory=dict)

    @property
    def last(self) -> int:
        """The last epoch that is known; 0: none."""
        return max(self.values, default=0)

    @property
    def is_whole(self) -> bool:
        """Whether it has come to its end."""
        epochs, steps = self.schedule
        step = self.values[self.last][0] if self.values else 0
        return (epochs is not None and self.last >= epochs) or (steps is not None and step >= steps)

    def best_until(self, epoch: int) -> float:
        """Returns the best value until an epoch."""
        return max(value for each, (_, value) in self.values.items() if each <= epoch)


def curve(rows: Sequence[Mapping[str, Any]], metric: str, higher_is_better: bool, schedule: tuple[Any, Any]) -> Curve:
    """Returns the curve of a run from the records of its epochs."""
    sign = 1 if higher_is_better else -1
    seen = [row for row in rows if metric in row]
    values = {row["epoch"]: (row["step"], WORST if row[metric] is None else sign * row[metric]) for row in seen}
    return Curve(schedule, values)


def rungs(own: Curve, first: int, keep: int) -> list[int]:
    """Returns where a trial is judged so far: after `first`, `first`·`keep`, `first`·`keep`², … epochs.

    Where not every epoch is validated it is the next one that is.
    """
    found, step = [], first
    while step <= own.last:
        found.append(min(epoch for epoch in own.values if epoch >= step))
        step *= keep
    return found


def lags_in_halving(own: Curve, others: Sequence[Curve], epoch: int, keep: int) -> str | None:
    """Returns why a trial ends at a rung, None where it goes on: it is among the best of `keep` that came there.

    Asynchronous successive halving (Li et al. 2020, arXiv 1810.05934) as it stops trials: whoever reaches a rung is
    held against those that did before. The first ones, fewer than `keep`, go on.
    """
    peers = _peers(own, others, epoch)
    if epoch not in own.values or len(peers) + 1 < keep:
        return None
    better = sum(value > own.values[epoch][1] for value in peers)
    go_on = (len(peers) + 1) // keep
    return None if better < go_on else f"{better} of {len(peers)} other trials were better after epoch {epoch}"


def lags_behind_median(own: Curve, others: Sequence[Curve], first: int, least: int) -> str | None:
    """Returns why a trial ends, None where it goes on: its best is no worse than the median of the others' until there.

    Golovin et al. 2017 (Google Vizier), with the best value so far in place of a mean over time.
    """
    epoch = own.last
    if epoch < first:
        return None
    peers = [other.best_until(epoch) for other in others if _is_at_step(own, other, epoch)]
    if len(peers) < least or own.best_until(epoch) >= median(peers):
        return None
    return f"below the median of {len(peers)} other trials after epoch {epoch}"


def _peers(own: Curve, others: Sequence[Curve], epoch: int) -> list[float]:
    return [other.values[epoch][1] for other in others if _is_at_step(own, other, epoch)]


def _is_at_step(own: Curve, other: Curve, epoch: int) -> bool:
    """Returns whether two trials can be compared after an epoch: after as many steps of as many."""
    return (
        own.schedule == other.schedule
        and epoch in own.values
        and epoch in other.values
        and own.values[epoch][0] == other.values[epoch][0]
    )
