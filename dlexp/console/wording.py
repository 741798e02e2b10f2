"""How numbers are said: the only place that formats a metric. A metric that is not in `measures` is a plain number."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from dlexp.metric import LOSS, Metric

# The split of what is measured on the samples that were trained on, as evaluation sees them: with
# `evaluation.train=true`, or where no others are left.
TRAINED_ON = "trained_on"


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


def unit(metric: Metric) -> str:
    """Returns what follows a value, with its blank: ` %`, or nothing."""
    return f" {metric.unit}" if metric.unit else ""


def unit_of_difference(metric: Metric) -> str:
    """Returns what follows a difference of two values: of per cents ` points`."""
    return " points" if metric.unit == "%" else unit(metric)


def amount(text: str, metric: Metric) -> str:
    """Returns a difference that is in the shown unit with it: `0.5 points`, `1 point`."""
    unit_of_one = " point" if text == "1" and metric.unit == "%" else unit_of_difference(metric)
    return f"{text}{unit_of_one}"


def in_unit(value: float, metric: Metric) -> float:
    """Returns the number that is shown of a value, or of a difference of two."""
    return 100 * value if metric.unit == "%" else value


def decimals(size: float, digits: int = 2) -> int:
    """Returns how many decimals show so many significant digits of a number above 0; those of 120 need none."""
    return max(0, digits - 1 - math.floor(math.log10(size)))


def beside(low: float, high: float, metric: Metric, shared: int) -> int:
    """Returns the decimals of a number with an interval: `shared` with the others of its column, or two digits of its
    own interval where that is so much narrower or wider that the shared ones show none of them, or many more.
    """
    own = decimals(in_unit((high - low) / 2, metric)) if high > low else shared
    return shared if shared - 1 <= own <= shared + 1 else own


def fixed(value: float, metric: Metric, decimals: int) -> str:
    """Returns a value for a column of such, without its unit; what rounds to 0 has no sign."""
    shown = in_unit(value, metric)
    if abs(shown) >= 1e7:  # a loss on its way to infinity
        return f"{shown:.4g}"
    text = f"{shown:.{decimals}f}" if decimals <= 7 else f"{shown:.3g}"
    return text if float(text) else text.removeprefix("-")


def signed(value: float, metric: Metric, decimals: int) -> str:
    """Returns a difference of two values, without its unit: `+0.24`, `−0.30`."""
    text = fixed(abs(value), metric, decimals)
    return text if not float(text) else ("−" if value < 0 else "+") + text


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
    for split in ("train", "val", "test", TRAINED_ON):
        values = {key.partition("/")[2]: value for key, value in numbers.items() if key.startswith(f"{split}/")}
        names = sorted((name for name in values if not name.startswith("recent_")), key=lambda name: name != "loss")
        words = [named(name, values[name], measures, digits=1) for name in names]
        told = "on the training samples:" if split == TRAINED_ON else split
        parts += [f"{told} {word}" if position == 0 else word for position, word in enumerate(words)]
    speed = numbers.get("time/samples_per_second")
    if speed is not None:
        parts.append(f"{speed:.0f} {samples}/s" if speed >= 10 else f"{speed:.2g} {samples}/s")
    return "  ".join(parts)


def told_split(metrics: Mapping[str, float]) -> str:
    """Returns the split whose metrics tell most of a run."""
    return next((split for split in ("test", "val", TRAINED_ON) if f"{split}/loss" in metrics), "train")


def gap(metrics: Mapping[str, float | None], name: str, metric: Metric) -> float | None:
    """Returns by how much a metric is better on the training samples than in test, or else in validation, in its own
    values; None where one of them was not measured so.
    """
    trained = metrics.get(f"{TRAINED_ON}/{name}")
    other = next((found for split in ("test", "val") if (found := metrics.get(f"{split}/{name}")) is not None), None)
    if trained is None or other is None:
        return None
    return trained - other if metric.higher_is_better else other - trained


def told_gap(metrics: Mapping[str, float | None], name: str, metric: Metric) -> str | None:
    """Returns `gap` in words, `+1.20 points`; None where there is none."""
    found = gap(metrics, name, metric)
    if found is None:
        return None
    digits = 2 if metric.unit == "%" else decimals(abs(found), 3) if found else 0
    return f"{signed(found, metric, digits)}{unit_of_difference(metric)}"


def result(metrics: Mapping[str, float], measures: Mapping[str, Metric]) -> str:
    """Returns the metrics of `told_split`, the loss last: `test accuracy 98.30 %, test loss 0.05`."""
    split = told_split(metrics)
    names = [key.partition("/")[2] for key in metrics if key.startswith(f"{split}/")]
    names.sort(key=lambda name: (name == "loss", name))
    told = "{} on the training samples" if split == TRAINED_ON else f"{split} {{}}"
    values = {name: number(metrics[f"{split}/{name}"], measures.get(name, LOSS)) for name in names}
    return ", ".join(f"{told.format(name)} {value}" for name, value in values.items())


def printable(text: str) -> str:
    """Returns a text of somebody else's, such as the name of a folder, without characters that move a terminal's cursor
    or turn the direction of writing.
    """
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def printable_json(data: Any, indent: int) -> str:
    """Returns data as JSON for a terminal: what `printable` takes out stands in it as `\\u009b`."""
    text = json.dumps(data, ensure_ascii=False, indent=indent)
    return re.sub(r"[^\n -~]", lambda found: found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1], text)
