"""Arms of a spiral in the plane: the classic picture of data no linear model separates."""

import math
from dataclasses import replace
from typing import Annotated

import torch

from dlexp.data.fingerprint import GENERATED, tells_content
from dlexp.data.splits import Split, Splits, drawn
from dlexp.ranges import Choice, Range


@tells_content(lambda: GENERATED)
def spiral(
    *,
    points_per_class: Annotated[int, Range(ge=2)],
    num_classes: Annotated[int, Range(ge=2)],
    noise: Annotated[float, Range(ge=0)],
    drawing: Annotated[str, Choice("even", "cs231n")],
    test_size: Annotated[float, Range(ge=0)],
    data_seed: Annotated[int, Range(ge=0)],
) -> Splits:
    """Returns float32 points N×2 with their arm as class. test_size: as in `drawn`.

    Along an arm the radius grows from 0 to 1 while the angle advances, disturbed by normal noise of standard deviation
    `noise`. drawing: "even" = of K arms each starts 2π/K radians after the one before and turns by 2·2π/K (A. Canziani,
    "Deep Learning", New York University, notebook of spiral classification); "cs231n" = each starts 4 radians after the
    one before and turns by 4, whatever their number (course notes of Stanford CS231n, "Putting it together: minimal
    neural network case study").
    """
    apart = 2 * math.pi / num_classes if drawing == "even" else 4.0
    turn = 2 * apart if drawing == "even" else 4.0

    def points(count: int, generator: torch.Generator) -> Split:
        radius = torch.linspace(0, 1, count).expand(num_classes, count)
        start = apart * torch.arange(num_classes)[:, None]
        angle = start + turn * radius + noise * torch.randn(radius.shape, generator=generator)
        inputs = torch.stack([radius * angle.sin(), radius * angle.cos()], dim=-1).view(-1, 2)
        return Split(inputs, torch.arange(num_classes).repeat_interleave(count))

    return replace(drawn(points, points_per_class, data_seed, test_size=test_size), stratified=False)
