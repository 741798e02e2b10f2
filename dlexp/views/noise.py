"""Noise on the inputs that belongs to the samples: drawn once for each."""

from typing import Annotated, ClassVar

import torch
from torch import Tensor

from dlexp.ranges import Range
from dlexp.views.view import hold_to_images


class Noise:
    """Adds normal noise of standard deviation `std`, in units of the values; of images black to white is 1, and what
    leaves that is cut off.
    """

    draws: ClassVar[bool] = True
    has_black_and_white: ClassVar[bool] = True

    def __init__(self, *, std: Annotated[float, Range(ge=0)]) -> None:
        self.std = std

    def __call__(self, samples: Tensor, generator: torch.Generator) -> Tensor:
        """N×…, any shape."""
        noisy = samples + self.std * torch.randn(samples.shape, dtype=samples.dtype, generator=generator)
        return noisy.clamp(0, 1) if noisy.ndim == 4 else noisy


class SaltAndPepper:
    """Makes a share of the pixels white or black, with all their channels, each with even chances."""

    draws: ClassVar[bool] = True
    has_black_and_white: ClassVar[bool] = True

    def __init__(self, *, share: Annotated[float, Range(ge=0, le=1)]) -> None:
        self.share = share

    def __call__(self, samples: Tensor, generator: torch.Generator) -> Tensor:
        """N×C×H×W. Raises UserError for what is no image."""
        hold_to_images(samples)
        drawn = torch.rand((len(samples), 1, *samples.shape[2:]), generator=generator)
        return samples.masked_fill(drawn < self.share / 2, 0).masked_fill(drawn >= 1 - self.share / 2, 1)
