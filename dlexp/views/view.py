"""What the group `view` may do to samples, and what it says of itself."""

from typing import Protocol

import torch
from torch import Tensor

from dlexp.errors import UserError

# ITU-R BT.601, as Pillow weighs them.
RED, GREEN, BLUE = 0.299, 0.587, 0.114


class View(Protocol):
    """Changes samples before normalisation and augmentation, each by itself.

    What it says of itself as attributes of the class, where it is so: `draws = True`: it draws at random, so it is for
    the samples of a data set alone and a loaded model leaves it out; `moves = True`: pixels change their places;
    `keeps_colours = True`: mean and deviation of each channel stay as they are; `has_black_and_white = True`: samples
    of three axes must be images, or have a `data.range`, since 0 and 1 are the ends of their values to it.
    """

    def __call__(self, samples: Tensor, generator: torch.Generator) -> Tensor:
        """Takes images, float32 N×C×H×W from 0 (black) to 1 (white), or samples N×… that are none, in their own values
        and type; returns the changed ones, and leaves what it was given as it is. generator: on the CPU.
        """
        ...


def hold_to_images(samples: Tensor) -> None:
    """Raises UserError for samples that are no images of one or three channels."""
    if samples.ndim != 4 or samples.shape[1] not in (1, 3):
        shape = list(samples.shape[1:])
        raise UserError(f"this view changes images, [1, height, width] or [3, height, width], and not samples {shape}")


def brightness(images: Tensor) -> Tensor:
    """Returns N×1×H×W, how bright images N×1×H×W or N×3×H×W are to the eye."""
    if images.shape[1] == 1:
        return images
    weights = images.new_tensor([RED, GREEN, BLUE]).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True)
