"""What a model makes of two numbers: the regions it divides a plane into, and of two classes its output over it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from dlexp.pictures.style import INK, class_colours, in_per_cent, new_plot, shortened, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

GRID = 320
MOST_POINTS = 2000
MOST_IN_THE_LEGEND = 12
FEW_POINTS = 16  # such as the rows of a truth table
LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
# Scores that differ by no more than this over all that is drawn do so by rounding: float32 has seven digits.
ROUNDING = 1e-6
NO_BORDER = "No border but by rounding"


@styled
def decision_regions(
    predict: Callable[[Tensor], Tensor],
    points: Tensor,
    targets: Tensor,
    class_names: Sequence[str],
    feature_names: Sequence[str] | None = None,
    *,
    are_shares: bool,
) -> Figure:
    """Returns the plane in the colours of the classes, pale where the model is unsure, with the points N×2 on it.

    `predict` takes such points (float32 or float64, as they stand in the data) and returns logits N×classes, or with
    are_shares=False scores whose softmax is no probability: unsure is where the best one is not far ahead of the next.
    Wrong points are ringed; those with a class below 0, which counts nowhere, are left out. Where scores differ by
    rounding alone no regions are drawn, and the title says so.
    """
    from matplotlib.colors import to_rgb

    points = points.detach().cpu().to(torch.promote_types(points.dtype, torch.float32))
    targets = targets.cpu()
    scores, extent = _over(predict, points)
    classes = scores.argmax(dim=-1)
    colours = torch.tensor([to_rgb(colour) for colour in class_colours(len(class_names))])
    figure, axes = new_plot(6.4, 5.4)
    is_flat = _is_flat(scores)
    strength = (0.12 + 0.38 * _sureness(scores, are_shares)).unsqueeze(-1) * (not is_flat)
    plane = 1 - strength * (1 - colours[classes])
    axes.imshow(plane.numpy(), extent=extent, origin="lower", interpolation="bilinear", aspect="equal")
    if not is_flat:
        _borders(axes, classes, extent)
    _finish(axes, NO_BORDER if is_flat else "Decision regions", predict, points, targets, class_names, feature_names)
    return figure


@styled
def output_plane(
    predict: Callable[[Tensor], Tensor],
    points: Tensor,
    targets: Tensor,
    class_names: Sequence[str],
    feature_names: Sequence[str] | None = None,
    *,
    are_shares: bool,
) -> Figure:
    """Returns how much of two classes' share the second has over the plane, with lines of equal shares and the points.

    Arguments are those of `decision_regions`; logits are N×2, and the share is their softmax. Of scores it is how far
    the second is ahead of the first.
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.ticker import MaxNLocator

    points = points.detach().cpu().to(torch.promote_types(points.dtype, torch.float32))
    scores, extent = _over(predict, points)
    name = shortened(class_names[1], 24)
    if are_shares:
        second, low, high, levels = scores.softmax(dim=-1)[..., 1].numpy(), 0.0, 1.0, list(LEVELS)
    else:
        second = (scores[..., 1] - scores[..., 0]).numpy()
        high = float(abs(second).max()) or 1.0
        low, levels = -high, [float(each) for each in MaxNLocator(7).tick_values(-high, high)]
    first_colour, second_colour = class_colours(2)
    colours = LinearSegmentedColormap.from_list("shares", [first_colour, "white", second_colour])
    figure, axes = new_plot(6.4, 5.4)
    plane: dict[str, Any] = {"cmap": colours, "vmin": low, "vmax": high, "interpolation": "bilinear", "aspect": "equal"}
    image = axes.imshow(second, extent=extent, origin="lower", alpha=0.65, **plane)
    label = f"share of {name}" if are_shares else f"how far the score of {name} is ahead"
    bar = figure.colorbar(image, ax=axes, shrink=0.62, anchor=(0, 0), label=label)
    if are_shares:
        in_per_cent(bar.ax.yaxis)
    bar.outline.set_visible(False)
    is_flat = _is_flat(scores)
    levels = [] if is_flat else [each for each in levels if second.min() < each < second.max()]
    if levels:
        lines = axes.contour(second, levels=levels, extent=extent, origin="lower", colors=INK, linewidths=0.7)
        axes.clabel(lines, fmt=lambda level: f"{100 * level:.0f} %" if are_shares else f"{level:g}", fontsize=7.5)
    title = NO_BORDER if is_flat else "Output over the plane"
    _finish(axes, title, predict, points, targets.cpu(), class_names, feature_names)
    return figure


def _over(predict: Callable[[Tensor], Tensor], points: Tensor) -> tuple[Tensor, tuple[float, float, float, float]]:
    """Returns the scores of the classes around the points, GRID×GRID×classes, and left, right, lower and upper end."""
    low, high = points.amin(dim=0).double(), points.amax(dim=0).double()  # float32 may have no digit for the margin
    margin = 0.08 * float((high - low).max()) + 1e-6
    low, high = low - margin, high + margin
    scores = _answers(predict, _lattice(low.to(points.dtype), high.to(points.dtype)))
    return scores, (float(low[0]), float(high[0]), float(low[1]), float(high[1]))


def _finish(
    axes: Axes,
    title: str,
    predict: Callable[[Tensor], Tensor],
    points: Tensor,
    targets: Tensor,
    class_names: Sequence[str],
    feature_names: Sequence[str] | None,
) -> None:
    """Draws the points that count, and says how many are wrong and what the axes are."""
    counts = targets >= 0
    points, targets = points[counts], targets[counts]
    wrong = _scatter(axes, predict, points, targets, class_names)
    axes.set_title(f"{title}, {wrong} of {len(points)} points wrong")
    x, y = (shortened(name, 40) for name in feature_names or ("feature 1", "feature 2"))
    axes.set(xlabel=x, ylabel=y)


def _lattice(low: Tensor, high: Tensor) -> Tensor:
    """Returns GRID×GRID points (GRID² × 2), rows from low to high in the second feature."""
    x, y = (torch.linspace(float(low[axis]), float(high[axis]), GRID, dtype=low.dtype) for axis in (0, 1))
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([columns.flatten(), rows.flatten()], dim=1)


def _answers(predict: Callable[[Tensor], Tensor], lattice: Tensor) -> Tensor:
    """Returns the classes' scores at each point of the lattice, GRID×GRID×classes."""
    with torch.no_grad():
        scores = torch.cat([predict(part).detach().cpu().float() for part in torch.split(lattice, 16384)])
    return scores.reshape(GRID, GRID, -1)


def _is_flat(scores: Tensor) -> bool:
    """Returns whether nowhere a class is ahead of the next one by more than rounding."""
    best, second = scores.topk(2, dim=-1).values.unbind(dim=-1)
    return float((best - second).max()) <= ROUNDING


def size_of_points(count: int) -> float:
    """Returns the area of a point, in points of print squared, where so many are drawn."""
    return 90.0 if count <= FEW_POINTS else 20.0 if count <= 400 else 11.0


def _sureness(scores: Tensor, are_shares: bool) -> Tensor:
    """Returns from 0 to 1 how sure an answer is: by its probability, else by its lead, of which the largest is 1."""
    if are_shares:
        chance = 1 / scores.shape[-1]
        return ((scores.softmax(dim=-1).amax(dim=-1) - chance) / (1 - chance)).clamp(0, 1)
    best, second = scores.topk(2, dim=-1).values.unbind(dim=-1)
    lead = best - second
    return lead / lead.max().clamp(min=torch.finfo(lead.dtype).tiny)


def _borders(axes: Axes, classes: Tensor, extent: tuple[float, float, float, float]) -> None:
    """Draws the lines between regions: one contour a class, around the places that are its own."""
    for number in range(int(classes.max()) + 1):
        own = (classes == number).float()
        if own.min() != own.max():
            axes.contour(own.numpy(), levels=[0.5], extent=extent, origin="lower", colors="white", linewidths=1.3)


def _scatter(
    axes: Axes,
    predict: Callable[[Tensor], Tensor],
    points: Tensor,
    targets: Tensor,
    class_names: Sequence[str],
) -> int:
    """Draws the points, those in the wrong region ringed; returns how many of all are wrong.

    Rings lie below all points: where many are wrong they would hide them.
    """
    with torch.no_grad():
        is_wrong = predict(points).detach().cpu().argmax(dim=1) != targets
    every = -(-len(points) // MOST_POINTS)
    x, y, classes, wrong = points[::every, 0], points[::every, 1], targets[::every], is_wrong[::every]
    size = size_of_points(len(x))
    for number, (name, colour) in enumerate(zip(class_names, class_colours(len(class_names)), strict=True)):
        own = classes == number
        style: dict[str, Any] = {"color": colour, "edgecolors": "white", "linewidths": 0.4}
        axes.scatter(x[own], y[own], s=size, label=shortened(name, 16), zorder=3, **style)
    if wrong.any():
        style = {"facecolors": "none", "edgecolors": INK, "linewidths": 1.0}
        axes.scatter(x[wrong], y[wrong], s=3 * size, label="wrong", zorder=2.5, **style)
    if len(class_names) <= MOST_IN_THE_LEGEND:
        axes.legend(
            loc="upper left",
            bbox_to_anchor=(1.01, 1),
            borderaxespad=0,
            handletextpad=0.2,
            markerscale=(34 / size) ** 0.5,
        )
    return int(is_wrong.sum())
