"""Colour jitter: brightness, contrast and saturation of whole batches of bytes, each image by its own factors."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from dlexp.augment.colours import brightness, contrast, saturation, want_bytes
from dlexp.augment.operation import Draw
from dlexp.ranges import Range


@dataclass(frozen=True, kw_only=True)
class ColorJitter:
    """Changes brightness, then contrast, then saturation by factors drawn evenly from 1 - x to 1 + x (Krizhevsky et
    al. 2012, §4.1, vary intensities; the factors are torchvision's ColorJitter's, whose order is drawn too).

    brightness, contrast, saturation: x; 0 leaves that one out.
    """

    brightness: Annotated[float, Range(ge=0, le=1)]
    contrast: Annotated[float, Range(ge=0, le=1)]
    saturation: Annotated[float, Range(ge=0, le=1)]

    keeps_place: ClassVar[bool] = True

    def __call__(self, images: Tensor, draw: Draw) -> Tensor:
        """uint8 N×C×H×W. Raises UserError for anything else."""
        want_bytes(images, "color_jitter")
        changes = ((brightness, self.brightness), (contrast, self.contrast), (saturation, self.saturation))
        for change, most in changes:
            if most:
                signed = 2 * torch.rand(len(images), generator=draw.generator, device=images.device) - 1
                images = change(images, 1 + most * signed)
        return images
