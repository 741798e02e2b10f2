"""The numbers of an answer as people read them: in the unit that is shown, with as many digits as were measured."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dlexp.console.wording import TRAINED_ON
from dlexp.metric import Metric
from dlexp.pictures.scales import MINUS
from dlexp.report.answer import Answer, Interval

SPLITS = {"train": "training", "val": "validation", "test": "test", TRAINED_ON: "training"}
MOST_DECIMALS = 8


@dataclass(frozen=True)
class Shown:
    """How values of one metric are written: `decimals` hold for a whole column."""

    name: str
    metric: Metric
    decimals: int

    @property
    def scale(self) -> float:
        """What a value is multiplied with."""
        return 100.0 if self.metric.unit == "%" else 1.0

    @property
    def axis(self) -> str:
        """Returns what stands at an axis: `test accuracy, %`."""
        return f"{self.name}, %" if self.metric.unit == "%" else self.name

    @property
    def points(self) -> str:
        """Returns the unit of a difference, with a blank before it, or nothing."""
        return " points" if self.metric.unit == "%" else ""

    def value(self, value: float) -> str:
        """Returns `96.76`."""
        return _plain(self.scale * value, self.decimals)

    def told(self, value: float) -> str:
        """Returns `96.76 %`."""
        return self.value(value) + (" %" if self.metric.unit == "%" else "")

    def signed(self, value: float) -> str:
        """Returns `+0.24`, and nothing else than `0.00` of what rounds to it."""
        word = self.value(value)
        return f"+{word}" if value > 0 and word.strip("0.") else word

    def mean(self, interval: Interval, unit: bool = True) -> str:
        """Returns `96.76 ± 0.15 %`; of a mean without interval the mean alone."""
        if interval.mean is None:
            return "no value"
        behind = " %" if unit and self.metric.unit == "%" else ""
        if interval.low is None or interval.high is None:
            return self.value(interval.mean) + behind
        return f"{self.value(interval.mean)} ± {self.value((interval.high - interval.low) / 2)}{behind}"

    def ends(self, low: float, high: float) -> str:
        """Returns `−0.01 to +0.49`."""
        return f"{self.signed(low)} to {self.signed(high)}"


def shown(answer: Answer) -> Shown:
    """Returns how an answer's metric is written."""
    return shown_metric(answer.metric, answer.facts, [arm.interval for arm in answer.arms])


def shown_metric(key: str, metric: Metric, intervals: Sequence[Interval] = ()) -> Shown:
    """Returns how a metric is written, by its key such as `test/accuracy`, with the digits of these intervals."""
    split, _, name = key.partition("/")
    words = metric.title or name.replace("_", " ")
    scale = 100.0 if metric.unit == "%" else 1.0
    halves = [
        scale * (each.high - each.low) / 2
        for each in intervals
        if each.low is not None and each.high is not None and each.high > each.low
    ]
    return Shown(f"{SPLITS.get(split, split)} {words}".strip(), metric, _decimals(halves, metric))


def _decimals(halves: Sequence[float], metric: Metric) -> int:
    """Returns how many decimals show two digits of the widest interval and one of the narrowest, within reason."""
    if not halves:
        return 2 if metric.unit == "%" else 4
    widest, narrowest = 1 - _power(max(halves)), -_power(min(halves))
    return min(max(widest, min(narrowest, widest + 2), 0), MOST_DECIMALS)


def _power(value: float) -> int:
    return math.floor(math.log10(value))


def _plain(value: float, decimals: int) -> str:
    if value and not 1e-8 <= abs(value) < 1e9:
        word = f"{value:.3g}"
    else:
        word = f"{value:.{decimals}f}"
        word = word if float(word) else word.lstrip("-")
    return word.replace("-", MINUS)


def setting(value: object) -> str:
    """Returns a setting as people type it."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "null"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return f"[{','.join(map(setting, value))}]"
    return str(value)
