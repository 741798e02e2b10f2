"""A circle within a circle: what no line separates, and the distance from the centre does."""

import math
from typing import Annotated

import torch

from dlexp.data.fingerprint import GENERATED, tells_content
from dlexp.data.splits import Split, Splits, drawn
from dlexp.ranges import Range


@tells_content(lambda: GENERATED)
def circles(
    *,
    points_per_class: Annotated[int, Range(ge=2)],
    radius: Annotated[float, Range(gt=0, lt=1)],
    noise: Annotated[float, Range(ge=0)],
    test_size: Annotated[float, Range(ge=0)],
    data_seed: Annotated[int, Range(ge=0)],
) -> Splits:
    """Returns float32 points N×2 at random places of two circles around (0, 0), and which of them as class.

    radius: of the inner circle; the outer one has 1, as in scikit-learn's `make_circles`. noise: standard deviation of
    the normal noise in both directions. test_size: as in `drawn`.
    """

    def points(count: int, generator: torch.Generator) -> Split:
        angle = 2 * math.pi * torch.rand(2, count, generator=generator)
        inputs = torch.tensor([1.0, radius])[:, None, None] * torch.stack([angle.cos(), angle.sin()], dim=-1)
        inputs = inputs + noise * torch.randn(2, count, 2, generator=generator)
        return Split(inputs.view(-1, 2), torch.arange(2).repeat_interleave(count))

    return drawn(points, points_per_class, data_seed, test_size=test_size)
