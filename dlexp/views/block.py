"""A white block, and with that white rows."""

from typing import Annotated, ClassVar

import torch
from torch import Tensor

from dlexp.errors import UserError
from dlexp.ranges import Sizes
from dlexp.views.view import hold_to_images


class Block:
    """Covers the same rectangle of each image with white.

    place: row and column of its upper left corner, from 0 on. size: height and width in pixels; None: to the edge.
    """

    has_black_and_white: ClassVar[bool] = True

    def __init__(self, *, place: list[int], size: Annotated[list[int | None], Sizes()]) -> None:
        if len(place) != 2 or len(size) != 2 or min(place) < 0:
            raise ValueError(f"place={place} size={size} must be a row and a column from 0 on, a height and a width")
        self.place, self.size = place, size

    def __call__(self, samples: Tensor, generator: torch.Generator) -> Tensor:
        """N×C×H×W. Raises UserError for what is no image, and where the block is not within it."""
        hold_to_images(samples)
        sides = samples.shape[2:]
        ends = [
            side if size is None else first + size
            for first, size, side in zip(self.place, self.size, sides, strict=True)
        ]
        if any(first >= side or end > side for first, end, side in zip(self.place, ends, sides, strict=True)):
            raise UserError(
                f"a block at place {self.place} of size {self.size} is not within images of {sides[0]}×{sides[1]}"
            )
        (top, left), (bottom, right) = self.place, ends
        changed = samples.clone()
        changed[:, :, top:bottom, left:right] = 1
        return changed
