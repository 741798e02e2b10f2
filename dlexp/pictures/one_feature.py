"""What a model makes of one number: the share or score of each class along it, or the curve through points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from dlexp.pictures.planes import MOST_IN_THE_LEGEND, MOST_POINTS
from dlexp.pictures.style import COLOURS, FAINT, INK, class_colours, in_per_cent, new_plot, shortened, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

GRID = 500
ROW = 0.05  # of the points of a class, below the curves, as a part of their height


@styled
def class_shares(
    predict: Callable[[Tensor], Tensor],
    points: Tensor,
    targets: Tensor,
    class_names: Sequence[str],
    feature: str,
    *,
    are_shares: bool,
) -> Figure:
    """Returns each class's probability along the one feature, and below a row for each with its points N×1.

    `predict` takes such points (float32, as they stand in the data) and returns logits N×classes, or with
    are_shares=False scores whose softmax is no probability: they are drawn as they are. Wrong points are ringed; those
    with a class below 0, which counts nowhere, are left out.
    """
    counts = targets.cpu() >= 0
    points, targets = points.detach().cpu().float()[counts], targets.cpu()[counts]
    line = _line(points)
    with torch.no_grad():
        scores = predict(line).detach().cpu().float()
        is_wrong = predict(points).detach().cpu().argmax(dim=1) != targets
    shares = scores.softmax(dim=1) if are_shares else scores
    low, high = (0.0, 1.0) if are_shares else (float(scores.min()), float(scores.max()))
    step = ROW * ((high - low) or 1)
    every = max(1, -(-len(points) // MOST_POINTS))
    figure, axes = new_plot(6.4, 3.9)
    for number, (name, colour) in enumerate(zip(class_names, class_colours(len(class_names)), strict=True)):
        axes.plot(line[:, 0], shares[:, number], color=colour, label=shortened(name, 16))
        own = (targets == number)[::every]
        x, wrong = points[::every][own, 0], is_wrong[::every][own]
        height = low - step * (number + 1)
        axes.scatter(x[wrong], [height] * int(wrong.sum()), s=40, facecolors="none", edgecolors=INK, linewidths=1)
        axes.scatter(x, [height] * len(x), s=12, color=colour, linewidths=0)
    if len(class_names) <= MOST_IN_THE_LEGEND:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0)
    axes.set(xlabel=feature, ylim=(low - step * (len(class_names) + 1), high + 0.6 * step))
    if are_shares:
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
        in_per_cent(axes.yaxis)
    axes.grid(axis="y")
    axes.set_ylabel("probability" if are_shares else "score")
    axes.set_title(
        f"{'Probabilities' if are_shares else 'Scores'}, {int(is_wrong.sum())} of {len(points)} points wrong"
    )
    return figure


@styled
def fitted_curve(predict: Callable[[Tensor], Tensor], points: Tensor, targets: Tensor, feature: str) -> Figure:
    """Returns what is predicted along the one feature, on the points N×1 and their targets N×outputs (the first eight).

    `predict` takes such points (float32, as they stand in the data) and returns N×outputs. The error is of all outputs.
    """
    points, targets = points.detach().cpu().float(), targets.detach().cpu().double()
    line = _line(points)
    with torch.no_grad():
        curve = predict(line).detach().cpu().double()
        error = float((predict(points).detach().cpu().double() - targets).square().mean())
    every = -(-len(points) // MOST_POINTS)
    figure, axes = new_plot(6.4, 4.4)
    outputs = min(targets.shape[1], len(COLOURS))
    for index in range(outputs):
        colour = FAINT if outputs == 1 else COLOURS[index]
        axes.scatter(points[::every, 0], targets[::every, index], s=13, color=colour, alpha=0.55, linewidths=0)
        label = f"output {index + 1}" if outputs > 1 else None
        axes.plot(line[:, 0], curve[:, index], color=COLOURS[index], label=label)
    if outputs > 1:
        axes.legend(loc="best")
    axes.set(xlabel=feature, ylabel="target")
    axes.grid()
    axes.set_title(f"Fitted curve, mean squared error {error:.3g}")
    return figure


def _line(points: Tensor) -> Tensor:
    """Returns GRID×1 points from a little below the lowest to a little above the highest."""
    low, high = (float(points.min()), float(points.max())) if len(points) else (0.0, 1.0)
    margin = 0.08 * (high - low) + 1e-6
    return torch.linspace(low - margin, high + margin, GRID)[:, None]
