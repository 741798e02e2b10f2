"""One fixed order of pixels."""

import math
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from dlexp.ranges import Range


class Permutation:
    """Puts the pixels of each image, with all their channels, in another order, of other samples the features.

    It is the same for all samples, splits and runs of one `seed`; a fully connected net does not notice it, and a
    convolution loses what neighbours tell (Goodfellow et al. 2013, arXiv:1312.6211, section 4.1, as a task of its own).
    """

    moves: ClassVar[bool] = True
    keeps_colours: ClassVar[bool] = True

    def __init__(self, *, seed: Annotated[int, Range(ge=0)]) -> None:
        self.seed = seed

    def __call__(self, samples: Tensor, generator: torch.Generator) -> Tensor:
        """N×C×… with the C values of a place together, or N×features."""
        first = 2 if samples.ndim > 2 else 1
        places = math.prod(samples.shape[first:])
        order = torch.randperm(places, generator=torch.Generator().manual_seed(self.seed)).to(samples.device)
        return samples.flatten(first).index_select(first, order).view_as(samples)
