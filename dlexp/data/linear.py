"""Points around a known linear function, so that what a model finds can be compared with the truth."""

from typing import Annotated

import torch

from dlexp.data.fingerprint import GENERATED, tells_content
from dlexp.data.splits import Split, Splits, drawn_twice
from dlexp.ranges import Range


@tells_content(lambda: GENERATED)
def linear(
    *,
    weights: list[float],
    bias: float,
    noise: Annotated[float, Range(ge=0)],
    num_points: Annotated[int, Range(ge=2)],
    data_seed: Annotated[int, Range(ge=0)],
) -> Splits:
    """Returns standard normal inputs N×len(weights) and targets N×1 = inputs·weights + bias + normal noise.

    The test split is drawn anew, of the same size.
    """

    def points(generator: torch.Generator) -> Split:
        inputs = torch.randn(num_points, len(weights), generator=generator)
        error = noise * torch.randn(num_points, 1, generator=generator)
        return Split(inputs, inputs @ torch.tensor(weights, dtype=inputs.dtype)[:, None] + bias + error)

    return drawn_twice(points, data_seed)
