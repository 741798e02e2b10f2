"""Codes as points of a plane: what an encoder takes for alike lies together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from dlexp.console.wording import percent
from dlexp.pictures.planes import MOST_IN_THE_LEGEND
from dlexp.pictures.style import COLOURS, class_colours, new_plot, shortened, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor


@styled
def codes_by_class(points: Tensor, labels: Tensor | None, class_names: Sequence[str] | None) -> Figure:
    """Returns a point for each code N×size in the colour of its class.

    Of two numbers they are the axes; of more, the codes' first two principal components. Of one number each class has
    a row. labels: int64 N, None where there are none.
    """
    points = points.detach().cpu().double()
    title, x, y = "Codes", "code 1", "code 2"
    if points.shape[1] == 1:
        rows = torch.zeros(len(points)) if labels is None else -labels
        points, y = torch.stack([points[:, 0], rows.double()], dim=1), ""
    elif points.shape[1] > 2:
        centred = points - points.mean(dim=0)
        _, strengths, directions = torch.linalg.svd(centred, full_matrices=False)
        title = f"Codes of {points.shape[1]} numbers, by their first two principal components"
        shares = strengths.square() / strengths.square().sum().clamp(min=1e-300)
        x, y = (f"component {each + 1} ({percent(float(shares[each]), 0)} of the variance)" for each in (0, 1))
        points = centred @ directions[:2].T
    figure, axes = new_plot(6.4, 5.4 if y else 2.8)
    if labels is None:
        axes.scatter(points[:, 0], points[:, 1], s=11, color=COLOURS[0], alpha=0.7, linewidths=0)
    else:
        count = int(labels.max()) + 1 if class_names is None else len(class_names)
        names = list(map(str, range(count))) if class_names is None else class_names
        for number, (name, colour) in enumerate(zip(names, class_colours(count), strict=True)):
            own = points[labels == number]
            axes.scatter(own[:, 0], own[:, 1], s=11, color=colour, label=shortened(name, 16), linewidths=0)
        if count <= MOST_IN_THE_LEGEND:
            axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, handletextpad=0.2, markerscale=1.7)
    axes.set(xlabel=x, ylabel=y)
    axes.grid()
    if not y:
        axes.set_yticks([])
    axes.set_title(title)
    return figure
