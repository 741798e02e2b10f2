"""Images of another size: the same picture in more pixels or fewer."""

from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from dlexp.ranges import Range
from dlexp.views.view import hold_to_images


class Resized:
    """Scales each image to `height` and `width`, in pixels: bicubic, smoothed first where it shrinks."""

    has_black_and_white: ClassVar[bool] = True

    def __init__(self, *, height: Annotated[int, Range(ge=1)], width: Annotated[int, Range(ge=1)]) -> None:
        self.size = [height, width]

    def __call__(self, samples: Tensor, generator: torch.Generator) -> Tensor:
        """N×C×H×W → N×C×height×width. Raises UserError for what is no image."""
        hold_to_images(samples)
        return F.interpolate(samples, self.size, mode="bicubic", antialias=True).clamp_(0, 1)
