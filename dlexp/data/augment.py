"""Random changes of whole image batches, drawn per sample; each is a callable (images, draw) -> images.

Rows and columns are taken by index (one pass over the batch each): nothing is padded, unfolded or copied per
image.
"""

from typing import Annotated

import torch
from torch import Tensor

from dlexp.data.batches import Draw
from dlexp.errors import UserError
from dlexp.ranges import Choice, Range


class RandomCrop:
    """Shifts each image by up to `padding` pixels in both directions, as cropping a padded image does.

    mode: what comes in from outside, the mirrored image ("reflect", edge not doubled) or black ("zeros").
    """

    def __init__(
        self, *, padding: Annotated[int, Range(ge=1)], mode: Annotated[str, Choice("reflect", "zeros")]
    ) -> None:
        self.padding = padding
        self.mode = mode

    def __call__(self, images: Tensor, draw: Draw) -> Tensor:
        """N×C×H×W, any dtype. Raises UserError if the data are no images or too small to mirror."""
        num_images, _, height, width = _image_shape(images, "crop")
        if self.mode == "reflect" and self.padding >= min(height, width):
            raise UserError(
                f"augment.crop.padding={self.padding} needs larger images than {height}×{width}; "
                "give a smaller padding or augment.crop.mode=zeros."
            )
        shifts = torch.randint(
            -self.padding, self.padding + 1, (2, num_images, 1), generator=draw.generator, device=images.device
        )
        rows = shifts[0] + torch.arange(height, device=images.device)
        columns = shifts[1] + torch.arange(width, device=images.device)
        if self.mode == "reflect":
            return take_columns(take_rows(images, _reflected(rows, height)), _reflected(columns, width))
        cropped = take_columns(take_rows(images, rows.clamp(0, height - 1)), columns.clamp(0, width - 1))
        outside = _beyond(rows, height)[:, None, :, None] | _beyond(columns, width)[:, None, None, :]
        return cropped.masked_fill_(outside, 0)


class RandomFlip:
    """Mirrors each image left to right with the given probability."""

    def __init__(self, *, probability: Annotated[float, Range(ge=0, le=1)]) -> None:
        self.probability = probability

    def __call__(self, images: Tensor, draw: Draw) -> Tensor:
        """N×C×H×W, any dtype. Raises UserError if the data are no images."""
        num_images, _, _, width = _image_shape(images, "flip")
        flips = torch.rand((num_images, 1), generator=draw.generator, device=images.device) < self.probability
        columns = torch.arange(width, device=images.device)
        return take_columns(images, torch.where(flips, columns.flip(0), columns))


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
        num_images, _, height, width = _image_shape(images, "cutout")
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


def take_rows(images: Tensor, rows: Tensor) -> Tensor:
    """Returns images whose row i is row `rows[n, i]` of image n. rows: int64 N×H."""
    num_images, channels, height, width = images.shape
    planes = torch.arange(num_images * channels, device=images.device).view(num_images, channels, 1) * height
    index = (planes + rows[:, None, :]).view(-1)
    return images.reshape(-1, width).index_select(0, index).view(num_images, channels, -1, width)


def take_columns(images: Tensor, columns: Tensor) -> Tensor:
    """Returns images whose column i is column `columns[n, i]` of image n. columns: int64 N×W."""
    num_images, channels, height, width = images.shape
    index = columns[:, None, :].expand(num_images, channels * height, columns.shape[1])
    return images.reshape(num_images, -1, width).gather(2, index).view(num_images, channels, height, -1)


def _image_shape(images: Tensor, name: str) -> torch.Size:
    if images.ndim != 4:
        raise UserError(
            f"augment: '{name}' changes images, but one sample here has the shape {list(images.shape[1:])}; "
            "use augment=none with this data."
        )
    return images.shape


def _reflected(index: Tensor, length: int) -> Tensor:
    return length - 1 - (length - 1 - index.abs()).abs()


def _beyond(index: Tensor, length: int) -> Tensor:
    return (index < 0) | (index >= length)
