"""Canny's edges, against what scikit-image 0.26 draws of the same picture (skimage.feature.canny, kept here)."""

import pytest
import torch
from torch import Tensor

from dlexp.errors import UserError
from dlexp.views.edges import Edges

SKIMAGE = {
    (1.0, 0.1, 0.2): [
        "......................",
        "....................#.",
        "...................#..",
        ".....#####.........#..",
        "...###...###......#...",
        "...#.......#......#...",
        "..##.......##....#....",
        "..#.........#....#..#.",
        "..#.........#...#...#.",
        "..#.........#...#..##.",
        "..##.......#...#...#..",
        "...#.......#...#..##..",
        "...###...###..#...#...",
        ".....#####....#..##...",
        ".............#...#....",
        ".............#..##....",
        "............#...#.....",
        "......................",
    ],
    (0.6, 0.5, 1.6): [
        *["......................"] * 3,
        ".....#####............",
        "...###...###..........",
        "...#.......#..........",
        "..##.......##.........",
        *["..#.........#........."] * 3,
        "..##.......##.........",
        "...#.......#..........",
        "...###...###..........",
        ".....#####............",
        *["......................"] * 4,
    ],
}


def picture() -> Tensor:
    """A disc, a slanted bar and a slow ramp, 18×22."""
    rows, columns = torch.arange(18.0)[:, None], torch.arange(22.0)
    disc = ((rows - 8) ** 2 + (columns - 7) ** 2 < 26).float()
    bar = ((rows + 2 * columns - 44).abs() < 4).float()
    return 0.15 * columns / 21 + 0.7 * disc + 0.35 * bar * (1 - disc)


@pytest.mark.parametrize("settings", SKIMAGE)
def test_edges_are_those_of_a_reference(settings: tuple[float, float, float]) -> None:
    sigma, low, high = settings
    images = torch.stack([torch.zeros(18, 22), picture(), picture().flip(1)])[:, None]
    found = Edges(sigma=sigma, low=low, high=high)(images, torch.Generator())
    assert found.shape == images.shape and not found[0].any(), "each image by itself"
    drawn = ["".join("#" if value else "." for value in row) for row in found[1, 0].tolist()]
    assert drawn == SKIMAGE[settings]
    in_colour = Edges(sigma=sigma, low=low, high=high)(images[1:2].expand(-1, 3, -1, -1), torch.Generator())
    assert in_colour.shape[1] == 1 and (in_colour != found[1:2]).float().mean() < 0.01  # weights sum to 1 ± rounding


def test_thresholds_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match=r"low=0\.3 must not be above high=0\.2"):
        Edges(sigma=1.0, low=0.3, high=0.2)
    with pytest.raises(UserError, match="changes images"):
        Edges(sigma=1.0, low=0.1, high=0.2)(torch.zeros(2, 5), torch.Generator())
