"""What is written in a picture has room there: nothing is cut at its edge, and no two words lie upon each other."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from matplotlib.text import Text

from dlexp import pictures
from dlexp.pictures.style import render
from dlexp.pictures.wrapping import wrapped

LONG = "2 of 54,000 train samples of data=mnist; view=noise changes none of these"


def _cut(figure: Any) -> list[str]:
    """Returns the texts of a figure, but for the numbers of its axes, that do not lie within it once it is drawn."""
    render(figure)
    numbers = {text for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for text in axis.get_ticklabels()}
    words = [each for each in figure.findobj(Text) if each not in numbers and each.get_text().strip()]
    edge = figure.bbox
    return [
        text.get_text()
        for text, box in [(text, text.get_window_extent()) for text in words]
        if box.x0 < edge.x0 or box.y0 < edge.y0 or box.x1 > edge.x1 or box.y1 > edge.y1
    ]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("short", ["short"]),
        ("one two three", ["one two", "three"]),
        ("one\ntwo", ["one", "two"]),
        ("incomprehensibilities", ["incompre…"]),
    ],
)
def test_words_are_wrapped_and_one_too_long_is_cut(text: str, lines: list[str]) -> None:
    assert wrapped(text, 1.0, 11).split("\n") == lines


@pytest.mark.parametrize("count", [1, 2, 3, 16])
@pytest.mark.parametrize("panels", [1, 2, 3])
def test_few_images_are_as_large_as_many_and_their_heading_is_whole(count: int, panels: int) -> None:
    images = torch.rand(count, 1, 28, 28)
    shown = {name: images for name in ["as it is", "permutation + noise", "augmented"][:panels]}
    titles = ["automobile"] * count
    figure = pictures.image_grid(images, titles, LONG) if panels == 1 else pictures.side_by_side(shown, titles, LONG)
    assert not _cut(figure)
    (axes,) = figure.axes
    tiles = [image.get_window_extent() for image in axes.get_images()]
    assert len(tiles) == count * panels and min(tile.width for tile in tiles) > 140
    captions = [text.get_window_extent() for text in axes.texts]
    assert not any(caption.overlaps(tile) for caption in captions for tile in tiles), "no words lie on an image"
    assert axes.get_title(loc="left").replace("\n", " ") == LONG


def test_a_caption_of_several_views_is_whole() -> None:
    images = torch.rand(2, 1, 28, 28)
    figure = pictures.side_by_side({"as it is": images, "permutation + noise": images}, ["3", "5"], "2 images")
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words == ["3", "permutation +", "noise", "5", "permutation +", "noise"]
    heights = [text.get_position()[1] for text in figure.axes[0].texts]
    assert heights[0] == heights[2] > heights[1], "what has fewer lines stands by its image"


@pytest.mark.parametrize(
    ("size", "told", "drawn"),
    [
        ((300, 300), "resized (300×300)", (1.0, 1.0)),
        ((10, 40), "resized (10 high, 40 wide)", (1.0, 0.25)),
        ((40, 10), "resized (40 high, 10 wide)", (0.25, 1.0)),
        ((2, 400), "resized (2 high, 400 wide)", (1.0, 0.04)),
    ],
)
def test_an_image_of_another_size_keeps_its_shape_and_tells_it(
    size: tuple[int, int], told: str, drawn: tuple[float, float]
) -> None:
    panels = {"as it is": torch.rand(1, 1, 28, 28), "resized": torch.rand(1, 1, *size)}
    figure = pictures.side_by_side(panels, ["3"], "1 image")
    assert not _cut(figure)
    (axes,) = figure.axes
    first, other = (image.get_extent() for image in axes.get_images())
    assert (first[1] - first[0], first[2] - first[3]) == pytest.approx((1.0, 1.0))
    assert (other[1] - other[0], other[2] - other[3]) == pytest.approx(drawn)
    assert " ".join(text.get_text() for text in axes.texts) == f"3 (28×28) {told}"


@pytest.mark.parametrize(
    ("loss", "path", "marks"),
    [
        (lambda x, y: 0.003 + x**2 + y**2, [[-3.0, -2.0], [0.0, 0.0]], ["0", "5", "10", "15", "20"]),
        (lambda x, y: 0.0669 + 0.002 * (x - 0.39), [[0.390012, 0.1], [0.39005, 0.1001]], None),
        (lambda x, y: -1e6 + 3 * x, [[0.390012, 1e-9], [0.390031, 8e-9]], None),
    ],
)
def test_the_way_of_weights_has_whole_names_and_numbers_apart(loss: Any, path: Any, marks: list[str] | None) -> None:
    names = [
        "linear1.weight, number 0 (features normalised)",
        "blocks.0.attention.in_projection.weight, number 1234567",
    ]
    figure = pictures.weight_path(loss, torch.tensor(path), names, "Weights")
    assert not _cut(figure)
    axes, bar = figure.axes
    assert [" ".join(each.split()) for each in (axes.get_xlabel(), axes.get_ylabel())] == names
    for axis, place in ((axes.xaxis, "x"), (axes.yaxis, "y"), (bar.yaxis, "y")):
        low, high = sorted(axis.get_view_interval())
        drawn = [tick.label1 if place == "x" or axis is axes.yaxis else tick.label2 for tick in axis.get_major_ticks()]
        seen = [each for each in drawn if low <= each.get_position()[place == "y"] <= high]
        words = [each.get_text() for each in seen]
        assert len({*words}) == len(words) > 2 and axis.get_offset_text().get_text() == "", "plain numbers, each once"
        boxes = [each.get_window_extent() for each in seen]
        assert not any(one.overlaps(other) for one, other in pairwise(boxes))
        if marks is not None and axis is bar.yaxis:
            assert words == marks


def test_the_heading_of_points_is_whole() -> None:
    figure = pictures.points({"as it is": torch.rand(9, 2)}, None, None, [None], LONG)
    assert not _cut(figure)
