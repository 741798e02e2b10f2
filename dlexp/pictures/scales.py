"""Axes of drawings: from values to pixels, linear and logarithmic, and the numbers that stand at their marks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dlexp.pictures.drawing import Drawing

WORTH_A_LOG_SCALE = 20.0
MINUS = "−"


@dataclass(frozen=True)
class Scale:
    """A line from `low` at the pixel `start` to `high` at the pixel `end`. whole: only whole numbers have marks."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    whole: bool = False

    def __call__(self, value: float) -> float:
        """Returns the pixel of a value; on a log scale, of what is not positive, that of the lower end."""
        if self.log:
            value = max(value, 1e-300)
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[tuple[float, str]]:
        """Returns round values within the ends, at most so many, with their words."""
        values = _log_ticks(self.low, self.high, most) if self.log and self.high > 8 * self.low else []
        if len(values) >= 2:
            return [(value, plain(value)) for value in values]
        step = _step((self.high - self.low) / most)
        step = max(step, 1.0) if self.whole else step
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        return [(value, plain(value, decimals)) for value in _multiples(self.low, self.high, step)]


def scale_for(values: Iterable[float], start: float, end: float, log: bool | None = None, whole: bool = False) -> Scale:
    """Returns the scale that shows all values with a little room, a log one where they span more than a factor 20.

    whole: the values are whole numbers, such as epochs, and the first and the last one stand at the very ends.
    """
    given = list(values)
    low, high = min(given), max(given)
    if log is None:
        log = spans_decades(given)
    if log and low > 0:
        room = 1.0 if whole else (high / low) ** 0.04 if high > low else 2.0
        return Scale(low / room, high * room, start, end, log=True)
    room = 0.0 if whole and high > low else 0.04 * (high - low)
    room = room or (0 if whole and high > low else abs(high) * 0.05 or 1.0)
    return Scale(low - room, high + room, start, end, whole=whole)


def spans_decades(values: Sequence[float]) -> bool:
    """Whether values are positive and so far apart that a linear axis would hide the small ones."""
    return bool(values) and min(values) > 0 and max(values) / min(values) > WORTH_A_LOG_SCALE


def plain(value: float, decimals: int | None = None) -> str:
    """Returns a number as people write it: 0.0001, −2, 1e−7; with so many decimals, or as many as it has."""
    if decimals is not None and decimals <= 9 and abs(value) < 1e9:
        word = f"{value:.{decimals}f}"
        return (word if float(word) else word.lstrip("-")).replace("-", MINUS)
    word = f"{value:.4g}"
    if "e" in word and 1e-6 <= abs(value) < 1e7:
        word = f"{value:.10f}".rstrip("0").rstrip(".")
    mantissa, letter, power = word.partition("e")
    return f"{mantissa}{letter}{int(power) if power else ''}".replace("-", MINUS)


def horizontal(drawing: Drawing, scale: Scale, y: float, words: str = "", most: int = 6, above: float = 0.0) -> None:
    """Draws an axis below a plot, with its name at the right end of the line under its numbers.

    above: how far marks reach into the plot as grid lines.
    """
    drawing.add("line", "axis", (min(scale.start, scale.end), y), (max(scale.start, scale.end), y))
    for value, word in scale.ticks(most):
        x = scale(value)
        if above:
            drawing.add("line", "grid", (x, y - above), (x, y))
        drawing.add("line", "axis", (x, y), (x, y + 4))
        drawing.text("tick", x, y + 17, word, anchor="middle")
    if words:
        drawing.text("tick", max(scale.start, scale.end), y + 34, words, anchor="end")


def vertical(drawing: Drawing, scale: Scale, left: float, right: float, most: int = 6) -> None:
    """Draws the grid of an axis of values, its numbers on the left."""
    for value, word in scale.ticks(most):
        y = scale(value)
        drawing.add("line", "grid", (left, y), (right, y))
        drawing.text("tick", left - 6, y + 4.5, word, anchor="end")


def _step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))


def _multiples(low: float, high: float, step: float) -> list[float]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [count * step for count in range(first, last + 1)]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        values = [factor * 10.0**power for power in powers for factor in factors]
        kept = [value for value in values if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]
        if len(kept) <= most:
            return kept
    every = math.ceil(len(kept) / most)
    return kept[::every]
