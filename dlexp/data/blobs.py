"""Clouds of points around centres, one a class: what a line or a plane separates where they stand apart."""

from typing import Annotated

import torch

from dlexp.data.fingerprint import GENERATED, tells_content
from dlexp.data.splits import Split, Splits, drawn
from dlexp.errors import UserError, as_typed
from dlexp.ranges import Centres, Range


@tells_content(lambda: GENERATED)
def blobs(
    *,
    centres: Annotated[list[list[float]], Centres()],
    points_per_class: Annotated[int, Range(ge=2)],
    spread: Annotated[float, Range(ge=0)],
    test_size: Annotated[float, Range(ge=0)],
    data_seed: Annotated[int, Range(ge=0)],
) -> Splits:
    """Returns float32 points N×features with the number of their centre as class.

    centres: of each class, as many numbers as features. spread: standard deviation of the normal noise around a centre,
    the same in all directions. test_size: as in `drawn`. Raises UserError for centres of unequal length, or fewer than
    two.
    """
    if problem := Centres().problem(centres):
        raise UserError(f"data.centres={as_typed(centres)} {problem}")
    means = torch.tensor(centres, dtype=torch.float32)

    def points(count: int, generator: torch.Generator) -> Split:
        noise = torch.randn(len(means), count, means.shape[1], generator=generator)
        inputs = (means[:, None] + spread * noise).view(-1, means.shape[1])
        return Split(inputs, torch.arange(len(means)).repeat_interleave(count))

    return drawn(points, points_per_class, data_seed, test_size=test_size)
