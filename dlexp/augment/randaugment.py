"""RandAugment and TrivialAugment: operations drawn from one set, each image its own, on whole batches of bytes.

The operations are dealt like cards: a batch is put in a random order and cut into parts of equal size (give or take
one), one an operation. So an image gets any of them with equal probability, each runs on its part of the batch
alone, and the sizes are known without waiting for the device.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from torch import Tensor

from dlexp.augment.colours import (
    autocontrast,
    brightness,
    contrast,
    equalize,
    posterize,
    saturation,
    sharpness,
    solarize,
    want_bytes,
)
from dlexp.augment.operation import Draw
from dlexp.augment.warp import Motion, warped
from dlexp.ranges import Choice, Range

LEVELS = 30


class Extremes(NamedTuple):
    """What the operations do at full strength.

    shear: tangent. shift: pixels, of an image's side. angle: degrees. blend: how far a factor of colour, contrast,
    brightness or sharpness is from 1. bits: how many of 8 posterizing drops.
    """

    shear: float
    shift: Callable[[int], float]
    angle: float
    blend: float
    bits: int


# As in torchvision's classes, which follow the authors' code; TrivialAugment's is the space they call wide.
RANDAUGMENT = Extremes(shear=0.3, shift=lambda side: side * 150 / 331, angle=30, blend=0.9, bits=4)
TRIVIALAUGMENT = Extremes(shear=0.99, shift=lambda side: 32, angle=135, blend=0.99, bits=6)

# By a number an image, -1 to 1: its strength, and the side it goes to where there are two.
COLOURS: tuple[Callable[[Tensor, Tensor, Extremes], Tensor], ...] = (
    lambda images, strengths, most: images,
    lambda images, strengths, most: brightness(images, 1 + most.blend * strengths),
    lambda images, strengths, most: saturation(images, 1 + most.blend * strengths),
    lambda images, strengths, most: contrast(images, 1 + most.blend * strengths),
    lambda images, strengths, most: sharpness(images, 1 + most.blend * strengths),
    lambda images, strengths, most: posterize(images, 8 - torch.round(most.bits * strengths.abs())),
    lambda images, strengths, most: solarize(images, 255 * (1 - strengths.abs())),
    lambda images, strengths, most: autocontrast(images),
    lambda images, strengths, most: equalize(images),
)
NUM_MOTIONS = len(Motion._fields)
NUM_OPERATIONS = NUM_MOTIONS + len(COLOURS)


@dataclass(frozen=True, kw_only=True)
class RandAugment:
    """Several operations one after the other, all of one strength (Cubuk et al. 2019, arXiv:1909.13719, §3.1).

    num_ops: how many each image gets. magnitude: their strength, from 0 to 30. interpolation, fill: how turned, sheared
    and shifted images are made, and the value that comes in from outside.
    """

    num_ops: Annotated[int, Range(ge=1)]
    magnitude: Annotated[int, Range(ge=0, le=LEVELS)]
    interpolation: Annotated[str, Choice("nearest", "bilinear")]
    fill: Annotated[int, Range(ge=0, le=255)]

    def __call__(self, images: Tensor, draw: Draw) -> Tensor:
        """uint8 N×C×H×W. Raises UserError for anything else."""
        want_bytes(images, "randaugment")
        strengths = torch.full((len(images),), self.magnitude / LEVELS, device=images.device)
        for turn in range(self.num_ops):
            images = dealt(images, strengths, RANDAUGMENT, turn, draw, self.interpolation, self.fill)
        return images


@dataclass(frozen=True, kw_only=True)
class TrivialAugment:
    """One operation an image, its strength drawn evenly from 0 to 30 (Müller & Hutter 2021, arXiv:2103.10158, §3)."""

    interpolation: Annotated[str, Choice("nearest", "bilinear")]
    fill: Annotated[int, Range(ge=0, le=255)]

    def __call__(self, images: Tensor, draw: Draw) -> Tensor:
        """uint8 N×C×H×W. Raises UserError for anything else."""
        want_bytes(images, "trivialaugment")
        levels = torch.randint(LEVELS + 1, (len(images),), generator=draw.generator, device=images.device)
        return dealt(images, levels / LEVELS, TRIVIALAUGMENT, 0, draw, self.interpolation, self.fill)


def dealt(
    images: Tensor, strengths: Tensor, most: Extremes, turn: int, draw: Draw, interpolation: str, fill: int
) -> Tensor:
    """Returns uint8 images N×C×H×W, each changed by one operation. strengths: N, 0 to 1. turn: how many came before."""
    num_images, device = len(images), images.device
    signs = torch.randint(2, (num_images,), generator=draw.generator, device=device) * 2 - 1
    order = torch.randperm(num_images, generator=draw.generator, device=device)
    cards, strengths = images.index_select(0, order), (strengths * signs).index_select(0, order)
    sizes = hand_sizes(num_images, first=draw.generator.initial_seed() + turn)
    num_moved = sum(sizes[:NUM_MOTIONS])
    motion = _motion(strengths[:num_moved], sizes[:NUM_MOTIONS], most, *images.shape[2:])
    hands = [warped(cards[:num_moved], motion, interpolation=interpolation, fill=fill)]
    start = num_moved
    for recolour, size in zip(COLOURS, sizes[NUM_MOTIONS:], strict=True):
        if size:
            hands.append(recolour(cards[start : start + size], strengths[start : start + size], most))
        start += size
    # argsort gives the way back; index_copy_ would take 15 times as long for bytes.
    return torch.cat(hands).index_select(0, order.argsort())


def hand_sizes(num_images: int, first: int) -> list[int]:
    """Returns how many images each operation gets; which ones get one more goes in turns, beginning with `first`."""
    ends = [num_images * i // NUM_OPERATIONS for i in range(NUM_OPERATIONS + 1)]
    sizes = [end - start for start, end in zip(ends, ends[1:], strict=False)]
    first %= NUM_OPERATIONS
    return sizes[first:] + sizes[:first]


def _motion(strengths: Tensor, sizes: list[int], most: Extremes, height: int, width: int) -> Motion:
    """Returns shears for the first images, then shifts, then turns: `sizes` says how many of each."""
    scales = (most.shear, most.shear, most.shift(width), most.shift(height), most.angle)
    motion = torch.zeros(NUM_MOTIONS, len(strengths), device=strengths.device)
    start = 0
    for row, size, scale in zip(motion, sizes, scales, strict=True):
        row[start : start + size] = strengths[start : start + size] * scale
        start += size
    motion[2:4].trunc_()  # whole pixels
    return Motion(*motion)
