"""Points around a known linear function, so that what a model finds can be compared with the truth."""

from typing import Annotated

import torch

from dlexp.data.fingerprint import GENERATED, tells_content
from dlexp.data.splits import Split, Splits
from dlexp.ranges import Range

TEST_SEED_STEP = 1_000_003


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
    seeds = (data_seed, data_seed + TEST_SEED_STEP)
    train, test = (_points(weights, bias, noise, num_points, seed) for seed in seeds)
    return Splits(train=train, test=test)


def _points(weights: list[float], bias: float, noise: float, num_points: int, seed: int) -> Split:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(num_points, len(weights), generator=generator)
    error = noise * torch.randn(num_points, 1, generator=generator)
    return Split(inputs, inputs @ torch.tensor(weights)[:, None] + bias + error)
