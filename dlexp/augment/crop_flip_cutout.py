"""Random changes of whole image batches before normalisation, drawn per sample: crop, flip and cutout."""

from typing import Annotated

import torch
from torch import Tensor

from dlexp.augment.operation import Draw
from dlexp.augment.rearrange import Positions, Rearrangement, shape_of_images
from dlexp.errors import UserError
from dlexp.ranges import Choice, Range
from dlexp.train.batches import derived_seed


class RandomCrop(Rearrangement):
    """Shifts each image by up to `padding` pixels in both directions, as cropping a padded image does.

    mode: what comes in from outside, the mirrored image ("reflect", edge not doubled) or black ("zeros").
    """

    def __init__(
        self, *, padding: Annotated[int, Range(ge=1)], mode: Annotated[str, Choice("reflect", "zeros")]
    ) -> None:
        self.padding = padding
        self.mode = mode

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


class RandomFlip(Rearrangement):
    """Mirrors each image left to right with the given probability."""

    def __init__(self, *, probability: Annotated[float, Range(ge=0, le=1)]) -> None:
        self.probability = probability

    def positions(self, shape: torch.Size, draw: Draw) -> Positions:
        """Raises UserError if the data are no images."""
        num_images, _, _, width = shape_of_images(shape, "flip")
        coins = torch.rand((num_images, 1), generator=draw.generator, device=draw.samples.device)
        return _mirrored(coins < self.probability, width)


class AlternatingFlip(Rearrangement):
    """Mirrors each image left to right in every other epoch (Jordan 2024, arXiv:2404.00498, §3.6).

    In the first epoch a random half of the images is mirrored, in the next one the other half, and so on: two epochs
    in a row show both sides of every image, which random flips do for only half of them. Which half comes first
    depends on the run's seed and the samples' numbers alone.
    """

    # Without this the check of config keys would find no signature to object with.
    def __init__(self) -> None:
        pass

    def positions(self, shape: torch.Size, draw: Draw) -> Positions:
        """Raises UserError if the data are no images."""
        _, _, _, width = shape_of_images(shape, "flip")
        coins = mixed_bits(draw.samples, derived_seed(draw.seed))
        return _mirrored(((coins + draw.epoch) % 2 == 1)[:, None], width)


class Cutout:
    """Covers one square of each image (DeVries & Taylor 2017, arXiv:1708.04552).

    size: side of the square in pixels; its centre is uniform over the image, so it may reach over the edge.
    fill: "mean" = the batch's mean colour, which normalisation brings to about 0 as in the paper; "zeros" =
    black.
    """

    def __init__(self, *, size: Annotated[int, Range(ge=1)], fill: Annotated[str, Choice("mean", "zeros")]) -> None:
        self.size = size
        self.fill = fill

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


def mixed_bits(numbers: Tensor, key: int) -> Tensor:
    """Returns 32 mixed bits (as int64) for each of the numbers (int64): the same for the same number and key.

    Two rounds of multiplying and folding, as integer hashes do; all values stay below 2^63.
    """
    bits = (numbers ^ key) & 0xFFFFFFFF
    for _ in range(2):
        bits = ((bits ^ (bits >> 16)) * 0x45D9F3B) & 0xFFFFFFFF
    return bits ^ (bits >> 16)


def _mirrored(flips: Tensor, width: int) -> Positions:
    columns = torch.arange(width, device=flips.device)
    return Positions(None, torch.where(flips, columns.flip(0), columns), has_black=False)


def _reflected(index: Tensor, length: int) -> Tensor:
    return length - 1 - (length - 1 - index.abs()).abs()


def _black_beyond(index: Tensor, length: int) -> Tensor:
    return torch.where(index < length, index, -1)
