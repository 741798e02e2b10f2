"""Curves: each metric of a training against the epoch, and the loss of a range test against the learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dlexp.console.wording import number, title
from dlexp.metric import LOSS, Metric
from dlexp.pictures.style import FAINT, INK, TRAIN, VAL, in_per_cent, legend_on_curves, new_plot, shortened, styled

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


@styled
def learning_rates(
    rates: Sequence[float],
    losses: Sequence[float],
    smooth: Sequence[float],
    name: str,
    steepest: float | None = None,
    lowest: float | None = None,
) -> Figure:
    """Returns loss against learning rate (logarithmic), a value a step; `smooth` is the curve behind the losses.

    steepest, lowest: the rates at which the curve falls fastest and is lowest, which are marked.
    """
    figure, axes = new_plot(6.4, 3.9)
    axes.plot(rates, losses, color=FAINT, linewidth=0.8, alpha=0.7, label="each step")
    axes.plot(rates, smooth, color=TRAIN, label="smoothed")
    if steepest is not None:
        where = min(range(len(rates)), key=lambda step: abs(rates[step] - steepest))
        label = f"falls fastest  {steepest:.2g}"
        axes.axvline(steepest, color=VAL, linewidth=1.2)
        axes.plot([steepest], [smooth[where]], "o", color=VAL, markersize=6, label=label)
    if lowest is not None:
        axes.axvline(lowest, color=INK, lw=1, ls=(0, (1, 2)), label=f"lowest  {lowest:.2g}")
        axes.axvline(lowest / 10, color=INK, lw=1, ls=(0, (5, 3)), label=f"a tenth of that  {lowest / 10:.2g}")
    # What diverges would flatten everything else: the picture ends a little above the beginning.
    early = sorted(losses[: max(5, len(losses) // 4)])
    bottom, top = min(*losses, *smooth), max(early[int(0.95 * (len(early) - 1))], smooth[0])
    room = 0.1 * (top - bottom) or 1.0
    axes.set_ylim(bottom - room, top + 2 * room)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set(xlabel="learning rate", ylabel="training loss")
    axes.set_title(f"Range test of the learning rate: {shortened(name, 40)}")
    axes.grid(axis="y")
    legend_on_curves(axes)
    return figure
