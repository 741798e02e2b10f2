"""What the group `augment` may do to a batch, and what it decides from."""

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor


class Draw(NamedTuple):
    """What an operation decides from: the same for the same (seed, epoch, step), wherever a run was resumed.

    generator: for random numbers, on the batch's device. epoch: from 0. samples: int64 N on the batch's device, which
    samples of the split these are. seed: the run's, for what should not change from epoch to epoch.
    """

    generator: torch.Generator
    epoch: int
    samples: Tensor
    seed: int


class Operation(Protocol):
    """Changes a batch before normalisation, every sample by its own random draw.

    One that moves no pixel may say so with an attribute `keeps_place = True`: it then goes with masks too.
    """

    def __call__(self, images: Tensor, draw: Draw) -> Tensor:
        """Takes and returns N×C×H×W of one dtype, 0 being black; of bytes it may return floats in [0, 1]."""
        ...


@runtime_checkable
class Mixing(Protocol):
    """Changes a batch after normalisation, inputs and targets together; comes after all operations."""

    def mix(self, inputs: Tensor, targets: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Takes float32 N×shape and int64 N or float32 N×…; returns the like, or class probabilities as targets.

        Neither may be changed in place.
        """
        ...
