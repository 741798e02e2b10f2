"""Pictures of pictures: a grid of images, and the mistakes a model was surest of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from dlexp.console.wording import percent
from dlexp.pictures.style import FAINT, INK, TITLE_SIZE, WRONG, bare, new_plot, shortened, styled
from dlexp.pictures.wrapping import wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

MOST_IMAGES = 64
MOST_MISTAKES = 24
MOST_LEGENDS = 20
# The longest name of a class beside which there is room on its line.
LONGEST_BESIDE = 6
GAP = 0.08
LINE = 0.155
PADDING = 0.2
CAPTION_SIZE = 6.6
FEWEST_COLUMNS = 4  # that there is room for: a heading stands above one image, too
TILE = 0.94  # inches that an image is wide, at least
# Images are drawn at most so many times as high as wide; and of one, however flat, so much of a width is seen.
TALLEST, THINNEST = 4.0, 0.04
NAMES = 1.0  # inches beside rows


@styled
def image_grid(images: Tensor, titles: Sequence[str] | None = None, heading: str | None = None) -> Figure:
    """Returns up to 64 images N×C×H×W (uint8, or float in [0, 1]) in rows, each under its title if there are any."""
    images = images[:MOST_IMAGES]
    columns = min(8, max(4, math.ceil(math.sqrt(len(images)))))
    lines = _captions(titles[: len(images)]) if titles is not None else None
    return _tiles(images, lines, columns, heading or f"{len(images)} images")


@styled
def side_by_side(panels: Mapping[str, Tensor], titles: Sequence[str] | None, heading: str) -> Figure:
    """Returns images, each beside what was made of it, under its title and the panels' names.

    All panels are N×C×H×W, floats in [0, 1]; where H×W is not that of all, it stands beside the names.
    """
    drawn = [_coloured(each) for each in panels.values()]
    tiles = [image for images in zip(*drawn, strict=True) for image in images]
    is_one_size = len({each.shape[2:] for each in drawn}) == 1
    sizes = [""] * len(drawn) if is_one_size else [f" ({_size(each)})" for each in drawn]
    firsts = titles if titles is not None else [next(iter(panels))] * len(drawn[0])
    names = [(first, *list(panels)[1:]) for first in firsts]
    lines = _captions([f"{name}{size}" for each in names for name, size in zip(each, sizes, strict=True)])
    columns = len(panels) * max(1, min(len(firsts), 8 // len(panels)))
    return _tiles(tiles, lines, columns, heading)


def _size(images: Tensor) -> str:
    height, width = images.shape[2:]
    return f"{height}×{width}" if height == width else f"{height} high, {width} wide"


def _captions(words: Sequence[str]) -> list[list[tuple[str, str]]]:
    """Returns the lines of each caption, as many as the longest needs, empty ones first."""
    captions = [wrapped(each, TILE, CAPTION_SIZE).split("\n") for each in words]
    most = max(map(len, captions), default=0)
    return [[(line, INK) for line in [*[""] * (most - len(each)), *each]] for each in captions]


def _coloured(images: Tensor) -> Tensor:
    return images if images.shape[1] == 3 else images.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)


class Images(Protocol):
    """Images N×C×H×W, of which an index takes some: a tensor, or what reads them from files."""

    def __getitem__(self, rows: Tensor, /) -> Tensor: ...


@styled
def mistakes(
    images: Images,
    targets: Tensor,
    predictions: Tensor,
    confidences: Tensor,
    class_names: Sequence[str],
    *,
    are_shares: bool,
) -> Figure:
    """Returns the wrong answers given with the highest confidence, surest first.

    Images N×C×H×W (uint8, or float in [0, 1]), of which only those shown are taken; targets and predictions N
    (int64), those below 0 counting nowhere; confidences N in [0, 1], or with are_shares=False how far the score of the
    answer is ahead of the next.
    """
    counts = targets >= 0
    wrong, total = ((predictions != targets) & counts).nonzero().flatten(), int(counts.sum())
    if len(wrong) == 0:
        return _sentence(f"No mistake in {total} images")
    surest = wrong[confidences[wrong].argsort(descending=True, stable=True)][:MOST_MISTAKES]
    lines = []
    are_short = max(map(len, class_names)) <= LONGEST_BESIDE
    for index in surest.tolist():
        answer, truth = class_names[int(predictions[index])], class_names[int(targets[index])]
        confidence = float(confidences[index])
        told = percent(confidence, 0) if are_shares else f"+{confidence:.3g}"
        answer, sure = shortened(answer, 10), f"({told}),"
        if are_short:
            lines.append([(f"predicted {answer}", WRONG), (f"{sure} is {truth}", INK)])
        else:
            lines.append([("predicted", WRONG), (f"{answer} {sure}", WRONG), (f"is {shortened(truth, 14)}", INK)])
    share = f"{len(wrong)} of {total} wrong ({percent(len(wrong) / total)})"
    columns = 8 if len(surest) > 12 else max(4, math.ceil(len(surest) / 2))
    separator = ", " if columns == 8 else "\n"
    title = "Most confident mistakes" if are_shares else "Mistakes with the widest lead of scores"
    return _tiles(images[surest], lines, columns, f"{title}{separator}{share}")


@styled
def segmentation(images: Tensor, truths: Tensor, answers: Tensor, class_names: Sequence[str]) -> Figure:
    """Returns a row for every two images N×C×H×W: each beside its truth and the answer, N×H×W class numbers.

    Class numbers that are none, of what is ignored, are white; the names of up to 20 classes stand beside.
    """
    import torch
    from matplotlib import colormaps
    from matplotlib.patches import Patch

    palette = [colormaps["tab20"](index % 20)[:3] for index in range(len(class_names))]
    colours = torch.tensor([*palette, (1.0, 1.0, 1.0)])

    def painted(masks: Tensor) -> Tensor:
        known = (masks >= 0) & (masks < len(class_names))
        return colours[masks.where(known, len(class_names))].movedim(-1, 1)

    shown = images.float() / (1 if images.is_floating_point() else 255)
    tiles = torch.stack([_coloured(shown), painted(truths), painted(answers)], dim=1).flatten(0, 1)
    words = [[(word, INK)] for word in ("image", "truth", "answer")] * len(images)
    share = percent(float((truths == answers)[truths >= 0].float().mean())) if (truths >= 0).any() else "nothing"
    figure = _tiles(tiles, words, 6 if len(images) > 1 else 3, f"{len(images)} images, {share} of their pixels right")
    if len(class_names) <= MOST_LEGENDS:
        patches = [Patch(color=colour, label=name) for colour, name in zip(palette, class_names, strict=True)]
        figure.axes[0].legend(handles=patches, loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=7)
    return figure


@styled
def image_rows(rows: Sequence[tuple[str, Tensor]], heading: str, notes: Sequence[str] | None = None) -> Figure:
    """Returns rows of equally many images N×C×H×W (float in [0, 1]), each row with its name on its left.

    notes: a word above each image of the first row.
    """
    import torch

    columns = len(rows[0][1])
    lines = None if notes is None else [[(note, INK)] for note in [*notes, *[""] * columns * (len(rows) - 1)]]
    figure = _tiles(torch.cat([images for _, images in rows]), lines, columns, heading)
    axes, bottom = figure.axes[0], figure.axes[0].get_ylim()[0]
    pitch = (bottom + GAP) / len(rows)
    axes.set_yticks([pitch * (row + 0.5) for row in range(len(rows))], labels=[name for name, _ in rows])
    axes.tick_params(axis="y", length=0)
    figure.set_figwidth(figure.get_figwidth() + NAMES)
    return figure


def _tiles(
    images: Tensor | Sequence[Tensor], lines: Sequence[Sequence[tuple[str, str]]] | None, columns: int, heading: str
) -> Figure:
    """Lays the images C×H×W out in one plot, so that a hundred of them cost no hundred plots.

    Each is a unit wide, or narrower where it would be higher than the first one and than wide.
    """
    from matplotlib.patches import Rectangle

    first, *others = [each.shape[1] / each.shape[2] for each in images]
    height = min(TALLEST, max(first, min(1.0, max(others, default=0.0))))
    text = LINE * len(lines[0]) + 0.04 if lines else 0.0
    rows = math.ceil(len(images) / columns)
    pitch = height + text + GAP
    room = max(columns, FEWEST_COLUMNS)
    width = 1.05 * room
    heading = wrapped(heading, width - PADDING, TITLE_SIZE)
    unit = (width - PADDING) / (room * (1 + GAP) - GAP)
    figure, axes = new_plot(width, unit * (rows * pitch - GAP) + PADDING + 0.15 + 0.18 * len(heading.split("\n")))
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        left, top = column * (1 + GAP), row * pitch + text
        wide = min(1.0, height * image.shape[2] / image.shape[1])
        high = wide * image.shape[1] / image.shape[2]
        extent = (left, left + max(wide, THINNEST), top + max(high, THINNEST), top)
        axes.imshow(*_pixels(image), extent=extent, interpolation="nearest", vmin=0, vmax=1)
        place = (left, top), extent[1] - left, extent[2] - top
        # White rows at the edge of an image would be none on a white page.
        axes.add_patch(Rectangle(*place, fill=False, edgecolor=FAINT, linewidth=0.5, clip_on=False))
        for number, (words, colour) in enumerate(lines[index] if lines else ()):
            middle = top - text + (number + 0.5) * LINE
            weight = "bold" if colour == WRONG else "normal"
            if words:
                axes.text(left, middle, words, color=colour, weight=weight, fontsize=CAPTION_SIZE, va="center")
    axes.set(xlim=(0, room * (1 + GAP) - GAP), ylim=(rows * pitch - GAP, 0))
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
