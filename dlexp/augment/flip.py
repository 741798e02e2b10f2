"""Flip: images mirrored left to right, by chance or in every other epoch."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from dlexp.augment.operation import Draw
from dlexp.augment.rearrange import Positions, Rearrangement, shape_of_images
from dlexp.augment.seeds import derived_seed, mixed_bits
from dlexp.ranges import Range


@dataclass(frozen=True, kw_only=True)
class RandomFlip(Rearrangement):
    """Mirrors each image left to right with the given probability."""

    probability: Annotated[float, Range(ge=0, le=1)]

    def positions(self, shape: torch.Size, draw: Draw) -> Positions:
        """Raises UserError if the data are no images."""
        num_images, _, _, width = shape_of_images(shape, "flip")
        coins = torch.rand((num_images, 1), generator=draw.generator, device=draw.samples.device)
        return _mirrored(coins < self.probability, width)


@dataclass(frozen=True)
class AlternatingFlip(Rearrangement):
    """Mirrors each image left to right in every other epoch (Jordan 2024, arXiv:2404.00498, §3.6).

    In the first epoch a random half of the images is mirrored, in the next one the other half, and so on: two epochs
    in a row show both sides of every image, which random flips do for only half of them. Which half comes first
    depends on the run's seed and the samples' numbers alone.
    """

    def positions(self, shape: torch.Size, draw: Draw) -> Positions:
        """Raises UserError if the data are no images."""
        _, _, _, width = shape_of_images(shape, "flip")
        coins = mixed_bits(draw.samples, derived_seed(draw.seed))
        return _mirrored(((coins + draw.epoch) % 2 == 1)[:, None], width)


def _mirrored(flips: Tensor, width: int) -> Positions:
    columns = torch.arange(width, device=flips.device)
    return Positions(None, torch.where(flips, columns.flip(0), columns), has_black=False)
