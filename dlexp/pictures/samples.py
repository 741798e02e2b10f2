"""Samples of one or two features as they are, and what is predicted of samples against the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from dlexp.pictures.planes import MOST_IN_THE_LEGEND, MOST_POINTS, size_of_points
from dlexp.pictures.style import COLOURS, FAINT, TITLE_SIZE, class_colours, new_figure, new_plot, shortened, styled
from dlexp.pictures.wrapping import wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

MOST_UNLIKE = 3


@styled
def points(
    panels: Mapping[str, Tensor],
    targets: Tensor | None,
    class_names: Sequence[str] | None,
    feature_names: Sequence[Sequence[str] | None],
    heading: str,
) -> Figure:
    """Returns points N×2 in a plane, or N×1 over their targets, as many plots as there are panels, side by side.

    targets: N class numbers where there are `class_names`, else N or N×values, of which the first is drawn, as a colour
    or as a height. feature_names: of each panel.
    """
    width = 1.2 + 4.6 * len(panels)
    figure, heading = new_figure(width, 4.4), wrapped(heading, width - 1.0, TITLE_SIZE)
    values = None if targets is None else targets.reshape(len(targets), -1)[:, 0]
    plots = figure.subplots(1, len(panels), squeeze=False)[0]
    size = size_of_points(len(next(iter(panels.values()))))
    style: dict[str, Any] = {"s": size, "linewidths": 0.4, "edgecolors": "white"}
    for axes, (name, shown), own_names in zip(plots, panels.items(), feature_names, strict=True):
        names = [shortened(name, 40) for name in own_names or ("feature 1", "feature 2")]
        is_plane = shown.shape[1] == 2
        height = shown[:, 1] if is_plane else torch.zeros(len(shown)) if values is None else values
        if class_names is None or values is None:
            colours = values if is_plane and values is not None else COLOURS[0]
            scattered = axes.scatter(shown[:, 0], height, c=colours, **style)
            if colours is values:
                figure.colorbar(scattered, ax=axes, label="target", format="%.3g").outline.set_visible(False)
        for number, (word, colour) in enumerate(
            zip(class_names or [], class_colours(len(class_names or [])), strict=True)
        ):
            own = values == number
            axes.scatter(shown[own, 0], height[own], color=colour, label=shortened(word, 16), **style)
        if is_plane and _are_alike(shown):
            axes.set_aspect("equal", adjustable="datalim")
        axes.set(xlabel=names[0], ylabel=names[1] if is_plane else "target")
        axes.set_title(name if len(panels) > 1 else heading, weight="normal" if len(panels) > 1 else "bold")
    if class_names and len(class_names) <= MOST_IN_THE_LEGEND:
        scale = (34 / size) ** 0.5
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, handletextpad=0.2, markerscale=scale)
    if len(panels) > 1:
        figure.suptitle(heading, x=0.01, ha="left", size=TITLE_SIZE, weight="bold")
    return figure


def _are_alike(points: Tensor) -> bool:
    """Returns whether two features reach equally far, as those of one unit do: up to the factor MOST_UNLIKE."""
    low, high = sorted((points.amax(dim=0) - points.amin(dim=0)).tolist())
    return bool(0 < high <= MOST_UNLIKE * low)


@styled
def prediction_against_truth(predictions: Tensor, targets: Tensor) -> Figure:
    """Returns a point a sample, one colour an output (the first eight), perfect ones diagonal; both N×outputs."""
    predictions, targets = (values.detach().cpu().double() for values in (predictions, targets))
    every = -(-len(targets) // MOST_POINTS)
    figure, axes = new_plot(5.2, 5.0)
    low = float(torch.minimum(predictions.min(), targets.min()))
    high = float(torch.maximum(predictions.max(), targets.max()))
    margin = 0.04 * (high - low) or 0.5
    ends = [low - margin, high + margin]
    axes.plot(ends, ends, color=FAINT, linewidth=1, linestyle=(0, (3, 3)), zorder=1)
    outputs = min(targets.shape[1], len(COLOURS))
    for index in range(outputs):
        label = f"output {index + 1}" if outputs > 1 else None
        x, y = targets[::every, index], predictions[::every, index]
        axes.scatter(x, y, s=13, color=COLOURS[index], alpha=0.55, linewidths=0, label=label, zorder=2)
    if outputs > 1:
        axes.legend(loc="upper left", markerscale=1.5)
    axes.set(xlim=ends, ylim=ends, aspect="equal", xlabel="truth", ylabel="prediction")
    axes.grid()
    error = float((predictions - targets).abs().mean())
    axes.set_title(f"Prediction against truth\nmean absolute error {error:.3g}{_r2(predictions, targets)}")
    return figure


def _r2(predictions: Tensor, targets: Tensor) -> str:
    spread = float(((targets - targets.mean(dim=0)) ** 2).sum())
    return f", R² {1 - float(((predictions - targets) ** 2).sum()) / spread:.4f}" if spread else ""
