"""How numbers are said: the only place that formats a metric. A metric that is not in `measures` is a plain number."""

from collections.abc import Mapping
from typing import Any

from dlexp.metric import LOSS, Metric


def percent(share: float, digits: int = 1) -> str:
    """Returns a share between 0 and 1 in per cent."""
    return f"{100 * share:.{digits}f} %"


def number(value: float | None, metric: Metric, digits: int = 2) -> str:
    """Returns a value with its unit; `digits` are those of a share. None is nan, which JSON does not know."""
    if value is None or value != value:
        return "nan"
    if metric.unit == "%":
        return percent(value, digits)
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e7 else f"{value:.4g}"


def named(name: str, value: float | None, measures: Mapping[str, Metric], digits: int = 2) -> str:
    """Returns `accuracy 81.30 %`."""
    return f"{name} {number(value, measures.get(name, LOSS), digits)}"


def title(name: str, metric: Metric) -> str:
    """Returns what a picture of the metric is called."""
    words = metric.title or name.replace("_", " ")
    return words[:1].upper() + words[1:]


def describe(numbers: Mapping[str, Any], measures: Mapping[str, Metric], samples: str = "samples") -> str:
    """Returns the metrics of a record in words: each split's name once, then its loss and the others.

    samples: what the speed counts, such as images.
    """
    parts: list[str] = []
    for split in ("train", "val", "test"):
        values = {key.partition("/")[2]: value for key, value in numbers.items() if key.startswith(f"{split}/")}
        names = sorted((name for name in values if not name.startswith("recent_")), key=lambda name: name != "loss")
        words = [named(name, values[name], measures, digits=1) for name in names]
        parts += [f"{split} {word}" if position == 0 else word for position, word in enumerate(words)]
    speed = numbers.get("time/samples_per_second")
    if speed is not None:
        parts.append(f"{speed:.0f} {samples}/s" if speed >= 10 else f"{speed:.2g} {samples}/s")
    return "  ".join(parts)


def result(metrics: Mapping[str, float], measures: Mapping[str, Metric]) -> str:
    """Returns the metrics of the split that tells most, the loss last: `test accuracy 98.30 %, test loss 0.05`."""
    split = next((split for split in ("test", "val") if f"{split}/loss" in metrics), "train")
    names = [key.partition("/")[2] for key in metrics if key.startswith(f"{split}/")]
    names.sort(key=lambda name: (name == "loss", name))
    return ", ".join(f"{split} {named(name, metrics[f'{split}/{name}'], measures)}" for name in names)
