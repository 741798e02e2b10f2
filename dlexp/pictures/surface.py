"""The loss over two weights, and the way that a training took on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch

from dlexp.pictures.style import COLOURS, FAINT, INK, new_plot, shortened, styled
from dlexp.pictures.wrapping import wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

GRID, LEVELS = 41, 16
SIDE, LABEL_SIZE = 4.1, 9.5  # of the plot in inches, of its labels in points
ROUND = [1, 2, 5, 10]  # what numbers at axes are multiples of
NEARLY = 0.02  # of all heights: a loss that falls nearer to 0 is drawn from 0 on
PATHS = [COLOURS[5], COLOURS[2], COLOURS[1], COLOURS[3], COLOURS[7]]


@styled
def weight_path(
    loss: Callable[[float, float], float],
    path: Tensor,
    names: Sequence[str],
    title: str,
    beside: Mapping[str, Tensor] = MappingProxyType({}),
) -> Figure:
    """Returns lines of equal loss over two weights, and on them the path, steps×2 in the order of the steps.

    `loss` takes the values of both weights. The lines are those of even distances where the loss is a square. beside:
    paths of other runs by their names.
    """
    from matplotlib.ticker import MaxNLocator

    paths = {"this run" if beside else "path": path, **beside}
    drawn = {name: each.detach().cpu().double() for name, each in paths.items()}
    low, high = torch.cat([*drawn.values()]).aminmax(dim=0)
    space = 0.25 * float((high - low).max()) + 1e-3
    x, y = (torch.linspace(float(low[axis]) - space, float(high[axis]) + space, GRID) for axis in (0, 1))
    heights = torch.tensor([[loss(float(column), float(row)) for column in x] for row in y], dtype=torch.float64)
    least, most = float(heights.min()), float(heights.max())
    least = 0.0 if 0 < least < NEARLY * most else least
    levels = [least + (most - least) * (number / LEVELS) ** 2 for number in range(1, LEVELS + 1)]
    figure, axes = new_plot(6.4, 5.4)
    if most > least:
        filled = axes.contourf(x, y, heights, levels=[least, *levels], cmap="Blues", alpha=0.55)
        axes.contour(x, y, heights, levels=levels, colors=FAINT, linewidths=0.6)
        bar = figure.colorbar(filled, ax=axes, label="loss", spacing="proportional", ticks=MaxNLocator(6, steps=ROUND))
        bar.formatter.set_useOffset(False)  # type: ignore[attr-defined]
    *_, last = drawn
    for (name, each), colour in zip(drawn.items(), cycle(PATHS), strict=False):
        is_short = len(each) <= 200
        look: dict[str, Any] = {"linewidth": 1.6, "marker": ".", "markersize": 4} if is_short else {"linewidth": 0.8}
        axes.plot(each[:, 0], each[:, 1], color=colour, zorder=3, label=shortened(name, 40), **look)
        (x0, y0), (x1, y1) = each[0].tolist(), each[-1].tolist()
        labels = ("start", "end") if name == last else (None, None)
        axes.scatter([x0], [y0], s=46, facecolors="white", edgecolors=INK, zorder=4, label=labels[0])
        axes.scatter([x1], [y1], s=60, marker="X", color=INK, linewidths=0, zorder=4, label=labels[1])
    axes.legend(loc="best", frameon=True, framealpha=0.85, edgecolor="none")
    x_name, y_name = (wrapped(name, SIDE, LABEL_SIZE) for name in names)
    axes.set(xlabel=x_name, ylabel=y_name)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=ROUND))
    axes.ticklabel_format(useOffset=False)
    axes.set_title(title)
    return figure
