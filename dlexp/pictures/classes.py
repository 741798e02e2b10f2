"""How each class fared: its accuracy, and what it was taken for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dlexp.console.wording import percent
from dlexp.pictures.style import COLOURS, INK, in_per_cent, new_figure, new_plot, shortened, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

ROWS_IN_A_COLUMN = 40
MOST_BARS = 120
MOST_NUMBERS = 20
MOST_NAMES = 120


@styled
def per_class_accuracy(confusion: Tensor, class_names: Sequence[str]) -> Figure:
    """Returns a bar a class, worst first, from counts classes×classes (row: true class). Classes without
    samples are left out.

    Of more than 120 classes the 60 worst and the 60 best are shown.
    """
    totals = confusion.sum(dim=1)
    shares = confusion.diagonal() / totals.clamp(min=1)
    order = [index for index in shares.argsort(stable=True).tolist() if totals[index]]
    title = f"Accuracy by class, {len(order)} classes, worst first"
    if len(order) > MOST_BARS:
        order = order[: MOST_BARS // 2] + order[-MOST_BARS // 2 :]
        title = f"Accuracy by class, the {MOST_BARS // 2} worst and the {MOST_BARS // 2} best"
    columns = max(1, math.ceil(len(order) / ROWS_IN_A_COLUMN))
    rows = math.ceil(len(order) / columns)
    figure = new_figure(6.4 if columns == 1 else 3.6 * columns, 1.2 + max(rows, 2) * (0.3 if columns == 1 else 0.19))
    mean = float(confusion.diagonal().sum() / totals.sum().clamp(min=1))
    for column, axes in enumerate(figure.subplots(1, columns, squeeze=False)[0]):
        shown = order[column * rows : (column + 1) * rows]
        _bars(axes, [shortened(class_names[index], 20) for index in shown], shares[shown].tolist(), mean, rows)
    figure.suptitle(f"{title}  (all: {percent(mean, 2)})", x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


@styled
def per_label_f1(counts: Tensor, class_names: Sequence[str]) -> Figure:
    """Returns a bar a label, worst first, from counts 3×labels: how often each is right, answered and true. Labels
    without samples are left out; of more than 40 the worst are shown.
    """
    right, answered, true = counts
    shares = 2 * right / (answered + true).clamp(min=1)
    order = [index for index in shares.argsort(stable=True).tolist() if true[index]]
    shown, mean = order[:ROWS_IN_A_COLUMN], float(shares[order].mean()) if order else 0.0
    rows = max(len(shown), 2)
    figure, axes = new_plot(6.4, 1.2 + 0.3 * rows)
    _bars(axes, [shortened(class_names[index], 20) for index in shown], shares[shown].tolist(), mean, rows)
    title = f"F1 by label, {len(order)} labels, worst first  (mean: {percent(mean, 2)})"
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def _bars(axes: Axes, names: list[str], shares: list[float], mean: float, rows: int) -> None:
    places = range(len(names))
    colours = [COLOURS[0] if share >= mean else COLOURS[1] for share in shares]
    axes.barh(places, shares, color=colours, height=0.72)
    for place, share in zip(places, shares, strict=True):
        axes.text(1.02, place, percent(share), color=INK, fontsize=7.5, va="center")
    axes.axvline(mean, color=INK, linewidth=0.9, linestyle=(0, (2, 2)))
    axes.set_yticks(places, names, fontsize=9 if rows <= 20 else 7.5)
    axes.set_ylim(rows - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1] if rows <= 20 else [0, 0.5, 1])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    in_per_cent(axes.xaxis)


@styled
def confusion_matrix(confusion: Tensor, class_names: Sequence[str]) -> Figure:
    """Returns the counts classes×classes (row: true class, column: answer) as a map of each class's shares.

    Up to 20 classes with counts in the cells; more as colours alone. Rare confusions are drawn stronger than
    in proportion (square root), since they are what one looks for.
    """
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    num_classes = len(confusion)
    shares = confusion / confusion.sum(dim=1, keepdim=True).clamp(min=1)
    side = 4.2 + 0.34 * num_classes if num_classes <= MOST_NUMBERS else min(13.0, 5 + 0.075 * num_classes)
    figure, axes = new_plot(side + 0.9, side)
    colours = LinearSegmentedColormap.from_list("dlexp", ["#FFFFFF", "#CFE3F2", "#6AAED6", "#0072B2", "#08306B"])
    shown = axes.imshow(shares.numpy(), cmap=colours, norm=PowerNorm(0.5, vmin=0, vmax=1), interpolation="nearest")
    if num_classes <= MOST_NUMBERS:
        _counts(axes, confusion, shares)
        _cell_borders(axes, num_classes)
    _name_classes(axes, class_names)
    bar = figure.colorbar(shown, ax=axes, fraction=0.04, pad=0.02, ticks=[0, 0.01, 0.05, 0.2, 0.5, 1])
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8)
    in_per_cent(bar.ax.yaxis)
    axes.set_title(f"Confusion matrix, {int(confusion.diagonal().sum())} of {int(confusion.sum())} right")
    return figure


def _counts(axes: Axes, confusion: Tensor, shares: Tensor) -> None:
    size = 9.0 if len(confusion) <= 12 else 6.5
    for row, counts in enumerate(confusion.tolist()):
        for column, count in enumerate(counts):
            if count:
                colour = "white" if float(shares[row, column]) > 0.35 else INK  # on a dark cell, on a pale one
                axes.text(column, row, str(count), color=colour, fontsize=size, ha="center", va="center")


def _cell_borders(axes: Axes, num_classes: int) -> None:
    edges = [index - 0.5 for index in range(num_classes + 1)]
    axes.set_xticks(edges, minor=True)
    axes.set_yticks(edges, minor=True)
    axes.grid(which="minor", color="#EEF0F3", linewidth=1)
    axes.tick_params(which="minor", length=0)


def _name_classes(axes: Axes, class_names: Sequence[str]) -> None:
    num_classes = len(class_names)
    every = math.ceil(num_classes / MOST_NAMES)
    places = range(0, num_classes, every)
    names = [shortened(class_names[index], 16) for index in places]
    size = 9.0 if num_classes <= 12 else 7.5 if num_classes <= 40 else 5.6
    is_long = max(map(len, names)) > 3 or num_classes > MOST_NUMBERS
    axes.set_xticks(places, names, rotation=90 if num_classes > MOST_NUMBERS else 45 if is_long else 0, fontsize=size)
    if is_long and num_classes <= MOST_NUMBERS:
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axes.set_yticks(places, names, fontsize=size)
    axes.tick_params(length=0)
    axes.set(xlabel="predicted", ylabel="true")
    axes.spines[:].set_visible(False)
