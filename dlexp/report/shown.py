"""The numbers of an answer as its page and pictures write them: one metric, with the same decimals everywhere."""

from dataclasses import dataclass, replace

from dlexp.console.wording import TRAINED_ON, beside, fixed, in_unit, signed, unit, unit_of_difference
from dlexp.metric import Metric
from dlexp.pictures.scales import MINUS
from dlexp.report.answer import Answer, Interval
from dlexp.report.sentences import subject

SPLITS = {"train": "training", "val": "validation", "test": "test", TRAINED_ON: "training"}


@dataclass(frozen=True)
class Shown:
    """How values of a metric are written. name: `test accuracy`; decimals: of all its values."""

    name: str
    metric: Metric
    decimals: int

    @property
    def axis(self) -> str:
        """What stands at an axis: `test accuracy, %`."""
        return self.name + (f", {self.metric.unit}" if self.metric.unit else "")

    @property
    def points(self) -> str:
        """What follows a difference, with its blank."""
        return unit_of_difference(self.metric)

    def scaled(self, value: float) -> float:
        """Returns the number that is shown."""
        return in_unit(value, self.metric)

    def value(self, value: float) -> str:
        """Returns `96.76`."""
        return fixed(value, self.metric, self.decimals).replace("-", MINUS)

    def told(self, value: float) -> str:
        """Returns `96.76 %`."""
        return self.value(value) + unit(self.metric)

    def signed(self, value: float) -> str:
        """Returns `+0.24`."""
        return signed(value, self.metric, self.decimals)

    def mean(self, interval: Interval, behind: bool = True) -> str:
        """Returns `96.76 ± 0.15 %`, with its unit `behind`; of a mean without interval the mean alone."""
        if interval.mean is None:
            return "no value"
        own = self.beside(interval.low, interval.high)
        word = own.value(interval.mean)
        if interval.low is not None and interval.high is not None:
            word += f" ± {own.value((interval.high - interval.low) / 2)}"
        return word + (unit(self.metric) if behind else "")

    def beside(self, low: float | None, high: float | None) -> "Shown":
        """Returns how a number with this interval is written."""
        if low is None or high is None:
            return self
        return replace(self, decimals=beside(low, high, self.metric, self.decimals))

    def ends(self, low: float, high: float) -> str:
        """Returns `−0.01 to +0.49`."""
        own = self.beside(low, high)
        return f"{own.signed(low)} to {own.signed(high)}"


def shown(answer: Answer) -> Shown:
    """Returns how an answer's metric is written."""
    return Shown(subject(answer), answer.facts, answer.decimals)


def shown_metric(key: str, metric: Metric) -> Shown:
    """Returns how another metric is written, by its key such as `val/loss`."""
    split, _, name = key.partition("/")
    words = f"{SPLITS.get(split, split)} {metric.title or name.replace('_', ' ')}"
    return Shown(words.strip(), metric, 2 if metric.unit == "%" else 4)


def setting(value: object) -> str:
    """Returns a setting as people type it."""
    if isinstance(value, bool) or value is None:
        return "null" if value is None else str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"[{','.join(map(setting, value))}]" if isinstance(value, list) else str(value)


def grouped(number: float) -> str:
    """Returns a whole number with narrow blanks between thousands."""
    return f"{number:,.0f}".replace(",", "\u202f")
