"""Crop: images shifted a little, each in its own way."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from dlexp.augment.operation import Draw
from dlexp.augment.rearrange import Positions, Rearrangement, shape_of_images
from dlexp.errors import UserError
from dlexp.ranges import Choice, Range


@dataclass(frozen=True, kw_only=True)
class RandomCrop(Rearrangement):
    """Shifts each image by up to `padding` pixels in both directions, as cropping a padded image does.

    mode: what comes in from outside, the mirrored image ("reflect", edge not doubled) or black ("zeros").
    """

    padding: Annotated[int, Range(ge=1)]
    mode: Annotated[str, Choice("reflect", "zeros")]

    def positions(self, shape: torch.Size, draw: Draw) -> Positions:
        """Raises UserError if the data are no images, or too small to mirror."""
        num_images, _, height, width = shape_of_images(shape, "crop")
        if self.mode == "reflect" and self.padding >= min(height, width):
            raise UserError(
                f"augment.crop.padding={self.padding} needs larger images than {height}×{width}; "
                "give a smaller padding or augment.crop.mode=zeros."
            )
        device = draw.samples.device
        size = (2, num_images, 1)
        shifts = torch.randint(-self.padding, self.padding + 1, size, generator=draw.generator, device=device)
        rows = shifts[0] + torch.arange(height, device=device)
        columns = shifts[1] + torch.arange(width, device=device)
        if self.mode == "reflect":
            return Positions(_reflected(rows, height), _reflected(columns, width), has_black=False)
        return Positions(_black_beyond(rows, height), _black_beyond(columns, width), has_black=True)


def _reflected(index: Tensor, length: int) -> Tensor:
    return length - 1 - (length - 1 - index.abs()).abs()


def _black_beyond(index: Tensor, length: int) -> Tensor:
    return torch.where(index < length, index, -1)
