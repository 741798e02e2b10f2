"""What a metric is: its unit and its direction. `run.json` keeps both, so that readers of a run need no task."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """How a number is shown and compared.

    unit: "%" for a share between 0 and 1, which is shown in per cent; "" for a plain number.
    title: what a picture calls it; "": the metric's own name.
    """

    unit: str
    higher_is_better: bool
    title: str = ""


LOSS = Metric(unit="", higher_is_better=False)


def decides_the_loss(key: str) -> bool:
    """Returns whether a setting decides what a loss measures: with other values of it losses can't be compared."""
    return key.partition(".")[0] == "criterion" or key == "task.standardise"


def another_metric(names: Iterable[str]) -> str:
    """Returns the word that has a training led by one of these metrics, or by a further one, in place of its loss."""
    return next((f"task.metric={name}" for name in names if name != "loss"), "'metric=[rmse]' or 'metric=[accuracy]'")


def facts_of(measures: Mapping[str, Metric]) -> dict[str, dict[str, Any]]:
    """Returns the metrics by name as `run.json` holds them."""
    return {name: asdict(metric) for name, metric in measures.items()}


def read_facts(facts: Mapping[str, Mapping[str, Any]]) -> dict[str, Metric]:
    """Returns what `facts_of` wrote."""
    return {
        name: Metric(str(each.get("unit", "")), each.get("higher_is_better") is True, str(each.get("title", "")))
        for name, each in facts.items()
    }
