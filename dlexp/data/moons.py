"""Two half moons that reach into each other: what no line separates, and a smooth border does."""

import math
from typing import Annotated

import torch

from dlexp.data.fingerprint import GENERATED, tells_content
from dlexp.data.splits import Split, Splits, drawn
from dlexp.ranges import Range


@tells_content(lambda: GENERATED)
def moons(
    *,
    points_per_class: Annotated[int, Range(ge=2)],
    noise: Annotated[float, Range(ge=0)],
    test_size: Annotated[float, Range(ge=0)],
    data_seed: Annotated[int, Range(ge=0)],
) -> Splits:
    """Returns float32 points N×2 at random places of two half circles, and which of them as class.

    The circles have the radius 1 and centres (0, 0) and (1, 0.5); the upper half of the one and the lower half of the
    other, as in scikit-learn's `make_moons`. noise: standard deviation of the normal noise in both directions.
    test_size: as in `drawn`.
    """

    def points(count: int, generator: torch.Generator) -> Split:
        angle = math.pi * torch.rand(2, count, generator=generator)
        turned = torch.tensor([[1.0], [-1.0]])
        x, y = turned * angle.cos() + torch.tensor([[0.0], [1.0]]), turned * angle.sin() + torch.tensor([[0.0], [0.5]])
        inputs = torch.stack([x, y], dim=-1) + noise * torch.randn(2, count, 2, generator=generator)
        return Split(inputs.view(-1, 2), torch.arange(2).repeat_interleave(count))

    return drawn(points, points_per_class, data_seed, test_size=test_size)
