"""What a range test of learning rates shows: the curve behind the noise, where it falls most, where it turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Width of the smoothing (standard deviation of its weights) as a part of the whole test.
SMOOTHING = 0.04
# A descent counts when it is this many times the scatter of single steps, and this part of the first loss: first
# weights are often a few per cent worse than a guess, and a net that only comes to that has learnt nothing.
DESCENT_IN_SCATTERS = 2.0
DESCENT_IN_PARTS = 0.03
# Until this part of the descent is done the curve counts as the level it begins with.
PLATEAU = 0.1
# Losses beyond this many times the first ones are a divergence, whatever their size: they are cut off there.
DIVERGENCE = 4.0
FEWEST_STEPS = 20


@dataclass(frozen=True)
class Reading:
    """What the curve says. `steepest` and `lowest` are steps (from 0); without a descent they mean nothing."""

    smooth: list[float]  # the curve behind the losses, one value a step
    beginning: float  # its level there
    scatter: float  # of single losses around it, as a standard deviation
    steepest: int
    lowest: int
    descends: bool

    @property
    def ends_falling(self) -> bool:
        """Whether the loss was lowest at the largest learning rates tried, so that larger ones may be better."""
        return self.lowest >= len(self.smooth) - 2

    @property
    def begins_falling(self) -> bool:
        """Whether it fell most at the smallest ones, so that the best descent may lie below them."""
        return self.steepest <= SMOOTHING * len(self.smooth)


def read(losses: Sequence[float]) -> Reading:
    """Reads the losses of a range test, whose learning rate grows by the same factor at each step.

    Smith (arXiv 1506.01186, section 3.3) reads such a curve by eye; here a line is fitted around every step, its
    neighbours weighted by a Gaussian, which gives level and slope at once and does not lag as a running mean does.
    """
    import numpy as np

    first = float(np.median(losses[:5]))
    values = np.minimum(losses, DIVERGENCE * first) if first > 0 else np.asarray(losses, dtype=float)
    width = max(1.0, SMOOTHING * len(values))
    level, slope = _local_lines(_running_median(values), width)
    lowest = int(np.argmin(level))
    beginning = float(level[: round(width)].mean())
    descent = beginning - float(level[lowest])
    # The scatter alone makes slopes on the plateau too: the descent starts where it is left for good.
    on_plateau = np.flatnonzero(level[:lowest] > beginning - PLATEAU * descent)
    start = int(on_plateau[-1]) if len(on_plateau) else 0
    steepest = start + int(np.argmin(slope[start : lowest + 1]))
    gaps = np.abs(values - level)[: max(lowest + 1, FEWEST_STEPS)]
    scatter = 1.4826 * float(np.median(gaps))  # that of a normal distribution with this median gap
    descends = descent > DESCENT_IN_SCATTERS * scatter and descent > DESCENT_IN_PARTS * abs(beginning)
    return Reading(level.tolist(), beginning, scatter, steepest, lowest, descends)


def _running_median(values: Any) -> Any:
    """Returns the median of each value and its two neighbours on both sides: single outliers go."""
    import numpy as np

    padded = np.concatenate([values[:2][::-1], values, values[-2:][::-1]])
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)


def _local_lines(values: Any, width: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Returns level and slope (per step) at every step of the lines fitted around it."""
    import numpy as np

    steps = np.arange(len(values))
    offsets = steps[None, :] - steps[:, None]
    weights = np.exp(-0.5 * (offsets / width) ** 2)
    weights /= weights.sum(axis=1, keepdims=True)
    centre = (weights * offsets).sum(axis=1)
    spread = (weights * (offsets - centre[:, None]) ** 2).sum(axis=1)
    mean = weights @ values
    slope = (weights * (offsets - centre[:, None]) * values).sum(axis=1) / spread
    return mean - slope * centre, slope
