"""Pictures of pictures: a grid of images, and the mistakes a model was surest of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from dlexp.console.wording import percent
from dlexp.pictures.style import FAINT, INK, WRONG, bare, new_plot, shortened, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

MOST_IMAGES = 64
MOST_MISTAKES = 24
GAP = 0.08
LINE = 0.155
PADDING = 0.2


@styled
def image_grid(images: Tensor, titles: Sequence[str] | None = None, heading: str | None = None) -> Figure:
    """Returns up to 64 images N×C×H×W (uint8, or float in [0, 1]) in rows, each under its title where there
    are titles.
    """
    images = images[:MOST_IMAGES]
    columns = min(8, max(4, math.ceil(math.sqrt(len(images)))))
    lines = [[(title, INK)] for title in titles[: len(images)]] if titles is not None else None
    return _tiles(images, lines, columns, heading or f"{len(images)} images")


class Images(Protocol):
    """Images N×C×H×W, of which an index takes some: a tensor, or what reads them from files."""

    def __getitem__(self, rows: Tensor, /) -> Tensor: ...


@styled
def mistakes(
    images: Images, targets: Tensor, predictions: Tensor, confidences: Tensor, class_names: Sequence[str]
) -> Figure:
    """Returns the wrong answers given with the highest confidence, surest first.

    Images N×C×H×W (uint8, or float in [0, 1]), of which only those shown are taken; targets and predictions N
    (int64); confidences N in [0, 1].
    """
    wrong = (predictions != targets).nonzero().flatten()
    if len(wrong) == 0:
        return _sentence(f"No mistake in {len(targets)} images")
    surest = wrong[confidences[wrong].argsort(descending=True, stable=True)][:MOST_MISTAKES]
    lines = []
    for index in surest.tolist():
        answer, truth = class_names[int(predictions[index])], class_names[int(targets[index])]
        sure = percent(float(confidences[index]), 0)
        lines.append([(f"{shortened(answer, 12)} {sure}", WRONG), (f"is {shortened(truth, 14)}", INK)])
    share = f"{len(wrong)} of {len(targets)} wrong ({percent(len(wrong) / len(targets))})"
    columns = 8 if len(surest) > 12 else max(4, math.ceil(len(surest) / 2))
    separator = ", " if columns == 8 else "\n"
    return _tiles(images[surest], lines, columns, f"Most confident mistakes{separator}{share}")


def _tiles(images: Tensor, lines: Sequence[Sequence[tuple[str, str]]] | None, columns: int, heading: str) -> Figure:
    """Lays the images out in one plot, a unit each wide, so that a hundred of them cost no hundred plots."""
    height = images.shape[2] / images.shape[3]
    text = LINE * len(lines[0]) + 0.04 if lines else 0.0
    rows = math.ceil(len(images) / columns)
    pitch = height + text + GAP
    width = 1.05 * columns
    unit = (width - PADDING) / (columns * (1 + GAP) - GAP)
    figure, axes = new_plot(width, unit * (rows * pitch - GAP) + PADDING + 0.15 + 0.18 * len(heading.split("\n")))
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        left, top = column * (1 + GAP), row * pitch + text
        extent = (left, left + 1, top + height, top)
        axes.imshow(*_pixels(image), extent=extent, interpolation="nearest", vmin=0, vmax=1)
        for number, (words, colour) in enumerate(lines[index] if lines else ()):
            middle = top - text + (number + 0.5) * LINE
            weight = "bold" if colour == WRONG else "normal"
            axes.text(left, middle, words, color=colour, weight=weight, fontsize=6.6, va="center")
    axes.set(xlim=(0, columns * (1 + GAP) - GAP), ylim=(rows * pitch - GAP, 0))
    axes.set_aspect("equal", anchor="NW")
    bare(axes)
    axes.set_title(heading)
    return figure


def _pixels(image: Tensor) -> tuple[Any, str | None]:
    """Returns one image C×H×W as matplotlib draws it, and the colour map of those that are grey."""
    values = image.detach().cpu().float() / (1 if image.is_floating_point() else 255)
    values = values.clamp(0, 1)
    if len(values) == 3:
        return values.permute(1, 2, 0).numpy(), None
    return values.mean(dim=0).numpy(), "gray"


def _sentence(words: str) -> Figure:
    figure, axes = new_plot(6.4, 1.6)
    bare(axes)
    axes.text(0.5, 0.5, words, color=FAINT, fontsize=13, ha="center", va="center", transform=axes.transAxes)
    return figure
