"""Images that are small in the first epochs: most of what a network learns first is seen in fewer pixels, for less."""

from itertools import accumulate
from typing import Annotated

import torch.nn.functional as F
from torch import Tensor

from dlexp.augment.operation import Draw
from dlexp.augment.rearrange import shape_of_images
from dlexp.errors import UserError
from dlexp.ranges import Range


class Growing:
    """Scales images down in the first epochs of a run (progressive resizing; Tan & Le 2021, arXiv:2104.00298, uses it
    with more augmentation as images grow).

    sizes: the sides in pixels, one stage after the other. parts: what part of the run's epochs each of them takes; from
    there on images have their own size. epochs: those of the run. Evaluation sees images as they are.
    """

    def __init__(self, *, sizes: list[int], parts: list[float], epochs: Annotated[int, Range(ge=1)]) -> None:
        if len(sizes) != len(parts) or min(sizes, default=1) < 1 or min(parts, default=1) <= 0 or sum(parts) > 1:
            raise UserError(
                f"augment.growing.sizes={sizes} and augment.growing.parts={parts} must be as many sizes as parts of the"
                " run; together the parts are at most 1"
            )
        if sorted(sizes) != list(sizes):
            raise UserError(f"augment.growing.sizes={sizes} must grow")
        self.largest = max(sizes, default=0)
        self.stages = [(round(end * epochs), size) for end, size in zip(accumulate(parts), sizes, strict=True)]

    def __call__(self, images: Tensor, draw: Draw) -> Tensor:
        """N×C×H×W, any dtype; returns them smaller. Raises UserError if the data are no images, or smaller already."""
        *_, height, width = shape_of_images(images.shape, "growing")
        if self.largest > min(height, width):
            raise UserError(
                f"augment.growing.sizes ends with {self.largest}, larger than the images, which are {height}×{width}"
            )
        size = next((size for end, size in self.stages if draw.epoch < end), None)
        if size is None:
            return images
        target = (round(height * size / min(height, width)), round(width * size / min(height, width)))
        smaller = F.interpolate(images.float(), target, mode="bilinear", antialias=True)
        return smaller if images.is_floating_point() else smaller.round_().to(images.dtype)
