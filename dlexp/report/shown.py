"""The numbers of an answer as its page and pictures write them: one metric, with the same decimals everywhere."""

from dataclasses import dataclass, replace

from dlexp.console.wording import TRAINED_ON, beside, fixed, in_unit, signed, unit, unit_of_difference
from dlexp.metric import LOSS, Metric
from dlexp.pictures.scales import MINUS
from dlexp.report.answer import Answer, Arm, Interval
from dlexp.report.words import in_range, there

SPLITS = {"train": "training", "val": "validation", TRAINED_ON: "training samples’"}


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


def what_is_seen(answer: Answer) -> tuple[list[int], str]:
    """Returns how many seeds the arms of all tested differences have, fewest first, and the smallest differences that
    these show, in the shown unit: one range for the whole report, "" where shares can't differ by so much.
    """
    tested = [each for each in answer.differences if each.visible is not None]
    names = {name for each in tested for name in (each.arm, each.reference)}
    sizes = sorted(len(arm.values) for arm in answer.arms if arm.name in names)
    smallest = [there(each.visible) for each in tested]
    if answer.facts.unit == "%" and min(smallest) > 1:
        return sizes, ""
    return sizes, in_range([in_unit(each, answer.facts) for each in smallest])


def subject(answer: Answer) -> str:
    """Returns what is compared, such as `test accuracy`."""
    split, _, name = answer.metric.rpartition("/")
    return f"{SPLITS.get(split, split)} {answer.facts.title or name.replace('_', ' ')}".strip()


def shown(answer: Answer) -> Shown:
    """Returns how an answer's metric is written."""
    return Shown(subject(answer), answer.facts, answer.decimals)


def shown_metric(key: str, metric: Metric) -> Shown:
    """Returns how another metric is written, by its key such as `val/loss`."""
    split, _, name = key.partition("/")
    words = f"{SPLITS.get(split, split)} {metric.title or name.replace('_', ' ')}"
    return Shown(words.strip(), metric, 2 if metric.unit == "%" else 4)


def facts_of(answer: Answer, key: str) -> Metric:
    """Returns unit and direction of any metric of the runs, by its key; of one that no run tells of those of a loss."""
    name = key.partition("/")[2]
    if name == answer.metric.partition("/")[2]:
        return answer.facts
    known = (run.measures[name] for arm in answer.arms for run in arm.runs if name in run.measures)
    return next(known, LOSS)


def of_some(arm: Arm, metric: str) -> str:
    """Returns ` (2 of 3)` where a mean is not of all runs of an arm: without those that failed it flatters."""
    there = sum(run.metrics.get(metric) is not None for run in arm.finished)
    return "" if there in (0, len(arm.runs)) else f" ({there} of {len(arm.runs)})"


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
