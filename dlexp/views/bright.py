"""Bright pixels marked."""

from typing import Annotated, ClassVar

import torch
from torch import Tensor

from dlexp.ranges import Colour, Range
from dlexp.views.view import brightness, hold_to_images


class Bright:
    """Gives one colour to all pixels brighter than `above`, from 0 (black) to 1 (white). colour: each from 0 to 255."""

    has_black_and_white: ClassVar[bool] = True

    def __init__(self, *, above: Annotated[float, Range(ge=0, le=1)], colour: Annotated[list[int], Colour()]) -> None:
        self.above, self.colour = above, colour

    def __call__(self, samples: Tensor, generator: torch.Generator) -> Tensor:
        """N×1×H×W or N×3×H×W → N×3×H×W. Raises UserError for what is no image."""
        hold_to_images(samples)
        colour = samples.new_tensor(self.colour).view(1, 3, 1, 1) / 255
        return torch.where(brightness(samples) > self.above, colour, samples.expand(-1, 3, -1, -1))
