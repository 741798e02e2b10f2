"""Cutout: a square of each image covered."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from dlexp.augment.operation import Draw
from dlexp.augment.rearrange import shape_of_images
from dlexp.ranges import Choice, Range


@dataclass(frozen=True, kw_only=True)
class Cutout:
    """Covers one square of each image (DeVries & Taylor 2017, arXiv:1708.04552).

    size: side of the square in pixels; its centre is uniform over the image, so it may reach over the edge. fill:
    "mean" = the batch's mean colour, which normalisation brings to about 0 as in the paper; "zeros" = black.
    """

    size: Annotated[int, Range(ge=1)]
    fill: Annotated[str, Choice("mean", "zeros")]

    keeps_place: ClassVar[bool] = True

    def __call__(self, images: Tensor, draw: Draw) -> Tensor:
        """N×C×H×W, any dtype. Raises UserError if the data are no images."""
        num_images, _, height, width = shape_of_images(images.shape, "cutout")
        draws = torch.rand((2, num_images, 1), generator=draw.generator, device=images.device)
        rows = self._covered(draws[0], height)
        columns = self._covered(draws[1], width)
        covered = rows[:, None, :, None] & columns[:, None, None, :]
        if self.fill == "zeros":
            return images.masked_fill(covered, 0)
        colour = images.float().mean((0, 2, 3), keepdim=True).to(images.dtype)
        return torch.where(covered, colour, images)

    def _covered(self, draws: Tensor, length: int) -> Tensor:
        first = (draws * length).long() - self.size // 2
        positions = torch.arange(length, device=draws.device)
        return (positions >= first) & (positions < first + self.size)
