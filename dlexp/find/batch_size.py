"""The search for a batch size: doubled until memory or patience ends, then halved in between."""

from collections.abc import Callable
from dataclasses import dataclass

from dlexp.errors import UserError
from dlexp.find.trial import Trial

FIRST = 16
# The search ends when the largest that fits and the smallest that does not are this close, in parts.
GRANULARITY = 0.05
AS_FAST = 0.95


@dataclass(frozen=True)
class Search:
    """What was tried. `trials` fit, smallest batch size first; too_large: the smallest that did not, if one did not."""

    trials: list[Trial]
    too_large: int | None
    too_slow: int | None  # the size that was not tried because its step would take too long

    @property
    def largest(self) -> Trial:
        """The largest that fits."""
        return self.trials[-1]

    @property
    def fastest(self) -> Trial:
        """The smallest that is within 5 % of the best speed."""
        best = max(trial.samples_per_second for trial in self.trials)
        return next(trial for trial in self.trials if trial.samples_per_second >= AS_FAST * best)

    @property
    def is_whole_split(self) -> bool:
        """Whether all training samples fit in one batch."""
        return self.largest.batch_size >= self.largest.num_samples


def search(attempt: Callable[[int], Trial | None], seconds: float) -> Search:
    """Returns what `attempt` says of growing batch sizes: a trial, or None where memory does not suffice.

    A size whose step would take more than `seconds`, judged by the speed of the largest so far, is not tried.

    Raises:
        UserError: not even one sample fits.
    """
    size, trial, too_large = FIRST, attempt(FIRST), None
    while trial is None:
        if size == 1:
            raise UserError("not even batch_size=1 fits in memory; try a smaller model, or data.limit=N samples")
        too_large, size = size, size // 2
        trial = attempt(size)
    trials = [trial]
    too_slow = None
    while (following := _next(trials[-1], too_large)) is not None:
        if following / trials[-1].samples_per_second > seconds:
            too_slow = following
            break
        trial = attempt(following)
        if trial is None:
            too_large = following
        else:
            trials.append(trial)
    return Search(trials, too_large, too_slow)


def _next(largest: Trial, too_large: int | None) -> int | None:
    """Returns the next size to try, or None when the search is at its end."""
    size = largest.batch_size
    if too_large is None:
        return None if size >= largest.num_samples else min(2 * size, largest.num_samples)
    if too_large - size <= max(1, GRANULARITY * size):
        return None
    middle = (size + too_large) // 2
    rounded = middle - middle % 8
    return rounded if rounded > size else middle
