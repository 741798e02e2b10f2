"""The line that a linear model draws between two classes: its normal vector, its margin, and who holds it up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from dlexp.pictures.planes import MOST_POINTS, ROUNDING, size_of_points
from dlexp.pictures.style import COLOURS, FAINT, INK, new_plot, shortened, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

# What a solver's tolerance leaves between a support vector and the margin it lies on, by the margin's own width.
CLOSE = 1e-3


@styled
def separating_line(
    w: Sequence[float],
    b: float,
    margin: float | None,
    points: Tensor,
    targets: Tensor,
    class_names: Sequence[str],
    feature_names: Sequence[str] | None = None,
) -> Figure:
    """Returns the line w·x + b = 0 among points N×2 of classes 0 and 1 (others are left out), in the data's own unit.

    An arrow shows the direction of the normal vector w, to the second class, and not its length. margin: how far on
    each side the loss begins; the points that it counts, the support vectors, are ringed. None: there is none. Where
    scores differ by rounding alone there is neither line nor arrow, and the title says so.
    """
    from matplotlib.patheffects import withStroke

    kept = targets >= 0
    points, targets = points.detach().cpu().double()[kept], targets.cpu()[kept]
    normal = torch.tensor(w, dtype=torch.float64)
    figure, axes = new_plot(6.4, 5.4)
    low, high = points.amin(dim=0), points.amax(dim=0)
    space = 0.08 * float((high - low).max()) + 1e-6
    low, high = low - space, high + space
    _points(axes, points, targets, class_names)
    x, y = (shortened(name, 40) for name in feature_names or ("feature 1", "feature 2"))
    (x0, y0), (x1, y1) = low.tolist(), high.tolist()
    axes.set(xlim=(x0, x1), ylim=(y0, y1), aspect="equal", xlabel=x, ylabel=y)
    scores = points @ normal
    if float(scores.max() - scores.min()) <= ROUNDING:
        axes.set_title("No border: w is 0 up to rounding\n" + _told(w, b))
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, handletextpad=0.4)
        return figure
    size = normal.norm()
    unit = normal / size
    distances = (scores + b) / size
    foot = points.mean(dim=0) - (points.mean(dim=0) @ normal + b) / size * unit
    reach = float((high - low).norm())
    along = reach * torch.stack([-unit[1], unit[0]])
    for shift in (0.0,) if margin is None else (0.0, -margin, margin):
        ends = torch.stack([foot - along, foot + along]) + shift * unit
        style: dict[str, Any] = (
            {"color": INK, "linewidth": 1.6} if shift == 0 else {"color": FAINT, "linestyle": (0, (4, 3))}
        )
        axes.plot(ends[:, 0], ends[:, 1], zorder=2, **style)
    title = _told(w, b)
    if margin is not None:
        holds = (2 * targets - 1) * distances <= margin * (1 + CLOSE)
        ringed = points[holds][:MOST_POINTS]
        style = {"facecolors": "none", "edgecolors": INK, "linewidths": 0.9}
        axes.scatter(ringed[:, 0], ringed[:, 1], s=60, label="support vectors", zorder=3.5, **style)
        title += f"\nmargin {margin:.4g} on each side"
        title += f"\n{int(holds.sum())} of {len(points)} points on it, within it or beyond"
    tip = foot + unit * (margin if margin is not None and margin < reach / 4 else reach / 8)
    arrow: dict[str, Any] = {"arrowstyle": "-|>", "color": COLOURS[5], "linewidth": 2.4, "shrinkA": 0, "shrinkB": 0}
    arrow["mutation_scale"] = 16
    # A white edge tells it from the points and rings that it lies on.
    arrow["path_effects"] = [withStroke(linewidth=5.5, foreground="white")]
    axes.annotate("", xy=tuple(tip.tolist()), xytext=tuple(foot.tolist()), arrowprops=arrow, zorder=4)
    axes.plot([], [], color=COLOURS[5], label="direction of w")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, handletextpad=0.4)
    axes.set_title(title)
    return figure


def _told(w: Sequence[float], b: float) -> str:
    return f"w = [{w[0]:.4g}, {w[1]:.4g}], b = {b:.4g}"


def _points(axes: Axes, points: Tensor, targets: Tensor, class_names: Sequence[str]) -> None:
    every = -(-len(points) // MOST_POINTS)
    style: dict[str, Any] = {"s": size_of_points(len(points)), "edgecolors": "white", "linewidths": 0.4}
    for number, name in enumerate(class_names):
        own = points[::every][targets[::every] == number]
        axes.scatter(own[:, 0], own[:, 1], color=COLOURS[number], label=shortened(name, 16), zorder=3, **style)
