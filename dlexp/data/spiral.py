"""Arms of a spiral in the plane: the classic picture of data no linear model separates."""

from dataclasses import replace
from typing import Annotated

import torch

from dlexp.data.fingerprint import GENERATED, tells_content
from dlexp.data.splits import Split, Splits, drawn_twice
from dlexp.ranges import Range


@tells_content(lambda: GENERATED)
def spiral(
    *,
    points_per_class: Annotated[int, Range(ge=2)],
    num_classes: Annotated[int, Range(ge=2)],
    noise: Annotated[float, Range(ge=0)],
    data_seed: Annotated[int, Range(ge=0)],
) -> Splits:
    """Returns float32 points N×2 with their arm as class; the test split is drawn anew, of the same size.

    Along an arm the radius grows from 0 to 1 while the angle advances by 4 radians, disturbed by normal noise
    of standard deviation `noise`; arms start 4 radians apart. After the course notes of Stanford CS231n,
    "Putting it together: minimal neural network case study".
    """

    def points(generator: torch.Generator) -> Split:
        radius = torch.linspace(0, 1, points_per_class).expand(num_classes, points_per_class)
        start = 4 * torch.arange(num_classes)[:, None]
        angle = start + 4 * radius + noise * torch.randn(radius.shape, generator=generator)
        inputs = torch.stack([radius * angle.sin(), radius * angle.cos()], dim=-1).view(-1, 2)
        return Split(inputs, torch.arange(num_classes).repeat_interleave(points_per_class))

    return replace(drawn_twice(points, data_seed), stratified=False)
