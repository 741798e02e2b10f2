"""Changes of images that only move pixels: each image's rows and columns by index, one pass over the batch for both.

Nothing is padded, unfolded or copied per image. Several such changes in a row are one: fused, crop and flip are 1.5 to
1.7 times as fast as one after the other (batches of 128 and 2000 images 3×32×32, one thread of an Intel Xeon).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from dlexp.augment.operation import Draw, Operation
from dlexp.errors import UserError


class Positions(NamedTuple):
    """Where each row and column of a new image comes from: int64 N×H and N×W; None: all stay in place.

    has_black: whether positions may be below 0, which stands for black; known without looking at them.
    """

    rows: Tensor | None
    columns: Tensor | None
    has_black: bool


class Rearrangement(ABC):
    """An operation that says where pixels come from; taking them is the same for all."""

    @abstractmethod
    def positions(self, shape: torch.Size, draw: Draw) -> Positions:
        """Returns the positions for a batch of this shape. Raises UserError if it is not N×C×H×W."""

    def __call__(self, images: Tensor, draw: Draw) -> Tensor:
        """N×C×H×W, any dtype. Raises UserError if the data are no images."""
        return taken(images, self.positions(images.shape, draw))


class Fused(Rearrangement):
    """Several rearrangements, one after the other, in one pass."""

    def __init__(self, parts: Sequence[Rearrangement]) -> None:
        self.parts = parts

    def positions(self, shape: torch.Size, draw: Draw) -> Positions:
        """Returns the positions of all parts together; each part draws what it would have drawn by itself."""
        rows, columns, has_black = None, None, False
        for part in self.parts:
            later = part.positions(shape, draw)
            rows, columns = _composed(rows, later.rows), _composed(columns, later.columns)
            has_black |= later.has_black
        return Positions(rows, columns, has_black)


def fused(operations: Sequence[Operation]) -> list[Operation]:
    """Returns operations that do the same in fewer passes: neighbouring rearrangements become one."""
    found: list[Operation] = []
    for movable, group in groupby(operations, key=lambda operation: isinstance(operation, Rearrangement)):
        parts = list(group)
        found += [Fused([part for part in parts if isinstance(part, Rearrangement)])] if movable else parts
    return found


def shape_of_images(shape: torch.Size, name: str) -> torch.Size:
    """Returns the shape of a batch of images; raises UserError with the operation's name if it is not N×C×H×W."""
    if len(shape) != 4:
        raise UserError(
            f"augment: '{name}' changes images, but one sample here has the shape {list(shape[1:])}; "
            "use augment=none with this data."
        )
    return shape


def _composed(first: Tensor | None, then: Tensor | None) -> Tensor | None:
    if first is None or then is None:
        return first if then is None else then
    return first.gather(1, then.clamp_min(0)).masked_fill_(then < 0, -1)


def taken(images: Tensor, positions: Positions, fill: int = 0) -> Tensor:
    """Returns images N×C×H×W with rows and columns from there; `fill` stands where there is nothing."""
    rows, columns, has_black = positions
    if rows is not None:
        images = _take_rows(images, rows.clamp_min(0) if has_black else rows)
    if columns is not None:
        images = _take_columns(images, columns.clamp_min(0) if has_black else columns)
    if has_black:
        assert rows is not None and columns is not None
        is_there = (rows >= 0)[:, None, :, None] & (columns >= 0)[:, None, None, :]
        # A product takes half the time of masked_fill_.
        images = images.masked_fill_(~is_there, fill) if fill else images.mul_(is_there)
    return images


def _take_rows(images: Tensor, rows: Tensor) -> Tensor:
    num_images, channels, height, width = images.shape
    planes = torch.arange(num_images * channels, device=images.device).view(num_images, channels, 1) * height
    index = (planes + rows[:, None, :]).view(-1)
    return images.reshape(-1, width).index_select(0, index).view(num_images, channels, -1, width)


def _take_columns(images: Tensor, columns: Tensor) -> Tensor:
    num_images, channels, height, width = images.shape
    index = columns[:, None, :].expand(num_images, channels * height, columns.shape[1])
    return images.reshape(num_images, -1, width).gather(2, index).view(num_images, channels, height, -1)
