"""Curves of a training: each metric of the training and the validation split against the epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dlexp.console.wording import number, title
from dlexp.metric import LOSS, Metric
from dlexp.pictures.style import INK, TRAIN, VAL, in_per_cent, legend_on_curves, new_plot, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SPLITS = {"train": ("training", TRAIN), "val": ("validation", VAL)}
SPLIT_KEYS = tuple(f"{split}/" for split in SPLITS)
WORTH_A_LOG_SCALE = 50.0
MOST_MARKERS = 40

Points = dict[int, float]


def curves(
    history: Sequence[Mapping[str, Any]], measures: Mapping[str, Metric], chosen: int | None = None
) -> dict[str, Figure]:
    """Returns a figure by metric name (`loss`, `accuracy`, …) from the records of `metrics.jsonl` of kind "epoch".

    Of several records of an epoch the last one counts. One of kind "test" adds the test value as a dotted line.
    The `chosen` epoch, whose weights are tested, is marked on the validation curve. Missing and non-finite values are
    left out; a metric without any value has no figure.
    """
    epochs, tests = ([record for record in history if record["kind"] == kind] for kind in ("epoch", "test"))
    names = dict.fromkeys(key.partition("/")[2] for record in epochs for key in record if key.startswith(SPLIT_KEYS))
    lines = {name: {split: _points(epochs, f"{split}/{name}") for split in SPLITS} for name in names}
    return {
        name: _figure(name, measures.get(name, LOSS), by_split, _points(tests, f"test/{name}"), chosen)
        for name, by_split in lines.items()
        if any(by_split.values())
    }


def _points(history: Sequence[Mapping[str, Any]], key: str) -> Points:
    """Returns the values of `key` by epoch."""
    return {
        record.get("epoch", 0): record[key]
        for record in history
        if isinstance(record.get(key), int | float) and math.isfinite(record[key])
    }


@styled
def _figure(name: str, metric: Metric, by_split: Mapping[str, Points], test: Points, chosen: int | None) -> Figure:
    figure, axes = new_plot(6.4, 3.9)
    for split, points in by_split.items():
        if points:
            label, colour = SPLITS[split]
            marker = "o" if len(points) <= MOST_MARKERS else None
            axes.plot(list(points), list(points.values()), color=colour, label=label, marker=marker, markersize=3.5)
    everything = [value for points in (*by_split.values(), test) for value in points.values()]
    if min(everything) > 0 and max(everything) / min(everything) > WORTH_A_LOG_SCALE and metric.unit != "%":
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")  # the default writes TeX, which stays unread: names may hold a $
    if metric.unit == "%":
        in_per_cent(axes.yaxis)
    if test:
        value = list(test.values())[-1]
        axes.axhline(value, color=INK, linewidth=1, linestyle=(0, (1, 2)), label=f"test  {number(value, metric)}")
    if chosen in by_split["val"]:
        value = by_split["val"][chosen]
        label = f"chosen weights  {number(value, metric)}, epoch {chosen}"
        axes.plot([chosen], [value], "o", label=label, ms=9, mfc="none", mec=VAL, mew=1.4)
    axes.set_title(title(name, metric))
    _finish(axes, metric, everything, [epoch for points in by_split.values() for epoch in points])
    return figure


def _finish(axes: Axes, metric: Metric, values: Sequence[float], epochs: Sequence[int]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch")
    axes.grid(axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    first, last = min(epochs), max(epochs)
    margin = max(0.5, 0.025 * (last - first))
    axes.set_xlim(first - margin, last + margin)
    if metric.unit == "%":
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, -0.02), min(high, 1.02) if max(values) <= 1 else high)
    legend_on_curves(axes)
