"""Drawings as figures of matplotlib, for files of pixels: the same shapes at the same places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dlexp.pictures.drawing import BETWEEN, Drawing, Mark
from dlexp.pictures.looks import LIGHT, LOOKS
from dlexp.pictures.style import styled
from dlexp.pictures.wrapping import NARROWER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AROUND = 12.0  # pixels of paper


@styled
def as_figure(drawings: Sequence[Drawing]) -> Figure:
    """Returns drawings side by side as one figure, a pixel as a point."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width = sum(drawing.width for drawing in drawings) + BETWEEN * (len(drawings) - 1) + 2 * AROUND
    height = max(drawing.height for drawing in drawings) + 2 * AROUND
    figure = Figure(figsize=(width / 72, height / 72), dpi=160)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    left = AROUND
    for drawing in drawings:
        for level, mark in enumerate(drawing.marks):
            _add(axes, drawing, mark, left, level)
        left += drawing.width + BETWEEN
    return figure


def _add(axes: Axes, drawing: Drawing, mark: Mark, left: float, level: int) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Circle, Polygon, Rectangle

    look = LOOKS[mark.look]
    points = [(x + left, y + AROUND) for x, y in mark.points]
    colour = LIGHT["ink" if mark.arm is None else f"c{mark.arm.colour}"] if look.colour == "arm" else LIGHT[look.colour]
    shared: dict[str, Any] = {"zorder": level, "alpha": look.opacity if mark.strength is None else mark.strength}
    drawn: Any
    match mark.shape:
        case "text":
            _write(axes, mark, points[0], colour, level)
            return
        case "dot":
            filled: dict[str, Any] = {"facecolor": colour, "edgecolor": "none"}
            ring = {"facecolor": "none", "edgecolor": colour, "linewidth": look.width}
            drawn = axes.add_patch(Circle(points[0], look.size, **(filled if look.filled else ring), **shared))
        case "cross":
            ((x, y),) = points
            drawn = Line2D([x - 4, x + 4, x, x - 4, x + 4], [y - 4, y + 4, y, y + 4, y - 4], color=colour, **shared)
            drawn.set_linewidth(look.width)
            axes.add_line(drawn)
        case "area":
            drawn = axes.add_patch(Polygon(points, facecolor=colour, edgecolor="none", **shared))
        case _:
            drawn = Line2D([x for x, _ in points], [y for _, y in points], color=colour, linewidth=look.width, **shared)
            if look.dashes is not None:
                drawn.set(linestyle=(0, look.dashes), dash_capstyle="butt")
            axes.add_line(drawn)
    if mark.inside and drawing.frame:
        x0, y0, x1, y1 = drawing.frame
        drawn.set_clip_path(Rectangle((x0 + left, y0 + AROUND), x1 - x0, y1 - y0, transform=axes.transData))


def _write(axes: Axes, mark: Mark, point: tuple[float, float], colour: str, level: int) -> None:
    from matplotlib.patheffects import withStroke

    look = LOOKS[mark.look]
    anchor = {"start": "left", "middle": "center", "end": "right"}[mark.anchor]
    weight = "bold" if look.bold else "normal"
    size = look.size * NARROWER
    said = axes.text(*point, mark.words, color=colour, fontsize=size, ha=anchor, va="baseline", weight=weight)
    said.set_zorder(level)
    if look.halo:
        said.set_path_effects([withStroke(linewidth=3, foreground="white")])
