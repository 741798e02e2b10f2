"""Samples mixed in pairs, inputs and targets alike: mixup, cutmix, and either of both.

Each sample is mixed with the one before it in the batch. The order is a new random one every epoch, so the partner is
random too, and no sample meets itself. Class numbers become probabilities, N×classes.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from dlexp.augment.operation import Draw
from dlexp.augment.rearrange import shape_of_images
from dlexp.errors import UserError
from dlexp.ranges import Choice, Range


@dataclass(frozen=True, kw_only=True)
class Mixup:
    """Weighs two samples with weights of Beta(alpha, alpha) and 1 minus that (Zhang et al. 2018, arXiv:1710.09412, §2).

    The weight is each sample's own. probability: the part of the samples that is mixed. num_classes: of targets that
    are class numbers; values are weighed as they are.
    """

    alpha: Annotated[float, Range(gt=0)]
    probability: Annotated[float, Range(ge=0, le=1)]
    num_classes: Annotated[int, Range(ge=1)]

    def mix(self, inputs: Tensor, targets: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Inputs float32 N×any shape; targets int64 N, or float32 N×outputs (values or probabilities)."""
        weights = symmetric_beta(self.alpha, len(inputs), draw)
        weights = torch.where(_coins(self.probability, draw), weights, 1.0)
        return _mixed(inputs, targets, weights.view(-1, *[1] * (inputs.ndim - 1)), self.num_classes)


@dataclass(frozen=True, kw_only=True)
class CutMix:
    """Pastes a rectangle of one image into another, and weighs their classes by area (Yun et al. 2019, §3.1).

    arXiv:1905.04899. The rectangle has the image's proportions, an area of 1 - Beta(alpha, alpha) before the edge cuts
    it, and a centre anywhere; it is each sample's own. probability: the part of the samples that is mixed. targets:
    what the task asks for; a value has no parts that could be pasted, so "values" raise UserError.
    """

    alpha: Annotated[float, Range(gt=0)]
    probability: Annotated[float, Range(ge=0, le=1)]
    num_classes: Annotated[int, Range(ge=1)]
    targets: Annotated[str, Choice("classes", "values")]

    def __post_init__(self) -> None:
        _want_classes("cutmix", self.targets)

    def mix(self, inputs: Tensor, targets: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Inputs float32 N×C×H×W, targets int64 N or probabilities N×classes. Raises UserError for other inputs."""
        num_images, _, height, width = shape_of_images(inputs.shape, "cutmix")
        shares = symmetric_beta(self.alpha, num_images, draw)
        shares = torch.where(_coins(self.probability, draw), shares, 1.0)
        return _mixed(inputs, targets, _outside_rectangles(shares, height, width, draw), self.num_classes)


@dataclass(frozen=True, kw_only=True)
class MixupOrCutMix:
    """Mixes some samples of a batch as Mixup does and the others as CutMix does.

    probability: the part of the samples that is mixed; cutmix_share: the part of those that CutMix mixes.
    """

    mixup_alpha: Annotated[float, Range(gt=0)]
    cutmix_alpha: Annotated[float, Range(gt=0)]
    probability: Annotated[float, Range(ge=0, le=1)]
    cutmix_share: Annotated[float, Range(ge=0, le=1)]
    num_classes: Annotated[int, Range(ge=1)]
    targets: Annotated[str, Choice("classes", "values")]

    def __post_init__(self) -> None:
        _want_classes("mixup_cutmix", self.targets)

    def mix(self, inputs: Tensor, targets: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Inputs float32 N×C×H×W, targets int64 N or probabilities N×classes. Raises UserError for other inputs."""
        num_images, _, height, width = shape_of_images(inputs.shape, "mixup_cutmix")
        whole = symmetric_beta(self.mixup_alpha, num_images, draw)
        parts = symmetric_beta(self.cutmix_alpha, num_images, draw)
        is_mixed, is_cut = _coins(self.probability, draw), _coins(self.cutmix_share, draw)
        outside = _outside_rectangles(torch.where(is_mixed & is_cut, parts, 1.0), height, width, draw)
        weights = outside * torch.where(is_mixed & ~is_cut, whole, 1.0).view(-1, 1, 1, 1)
        return _mixed(inputs, targets, weights, self.num_classes)


def symmetric_beta(alpha: float, count: int, draw: Draw) -> Tensor:
    """Returns `count` numbers of Beta(alpha, alpha), float32, each from two uniform ones.

    A value t of Student's distribution with 2 alpha degrees of freedom is made by Bailey's polar method (Mathematics of
    Computation 62, 1994), and (1 + t / sqrt(2 alpha + t²)) / 2 follows the Beta distribution. torch.distributions
    would do, but draws from the global generator.
    """
    radii, angles = torch.rand((2, count), generator=draw.generator, device=draw.samples.device)
    cosines = torch.cos(2 * math.pi * angles)
    inner = (1 - radii) ** (1 / alpha)  # 1 - radii is above 0
    numbers = 0.5 + 0.5 * cosines * torch.sqrt((1 - inner) / (inner + (1 - inner) * cosines**2))
    return numbers.clamp_(0, 1)  # rounding may lead out by 6e-8


def as_probabilities(targets: Tensor, num_classes: int) -> Tensor:
    """Returns class numbers N as float32 N×num_classes, anything else as it is."""
    if targets.is_floating_point():
        return targets
    # torch's one_hot looks at the values, for which a device would have to be waited for.
    return torch.zeros(len(targets), num_classes, device=targets.device).scatter_(1, targets[:, None], 1.0)


def _mixed(inputs: Tensor, targets: Tensor, weights: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Weighs every sample against the one before it. weights: what stays of each, N×1×… as far as they differ."""
    answers = as_probabilities(targets, num_classes)
    kept = weights.flatten(1).mean(dim=1).view(-1, *[1] * (answers.ndim - 1))
    return torch.lerp(inputs.roll(1, 0), inputs, weights), torch.lerp(answers.roll(1, 0), answers, kept)


def _coins(probability: float, draw: Draw) -> Tensor:
    return torch.rand(len(draw.samples), generator=draw.generator, device=draw.samples.device) < probability


def _outside_rectangles(shares: Tensor, height: int, width: int, draw: Draw) -> Tensor:
    """Returns 1 outside and 0 inside of a rectangle an image, N×1×H×W; it covers 1 - share unless the edge cuts it."""
    centres = torch.rand((2, len(shares)), generator=draw.generator, device=shares.device)
    sides = torch.sqrt(1 - shares)
    rows, columns = (
        _within(centre * length, sides * length, length)
        for centre, length in zip(centres, (height, width), strict=True)
    )
    return 1 - rows[:, None, :, None] * columns[:, None, None, :]


def _within(centres: Tensor, sides: Tensor, length: int) -> Tensor:
    """Returns 1 for those of `length` pixels whose middle (0.5, 1.5, …) is within half a side of the centre, else 0."""
    middles = torch.arange(length, device=centres.device) + 0.5
    return ((middles - centres[:, None]).abs() < sides[:, None] / 2).to(torch.float32)


def _want_classes(name: str, targets: str) -> None:
    if targets != "classes":
        raise UserError(
            f"augment={name} pastes parts of images and weighs their classes by area, which no value has; "
            "with task=regression take augment=mixup."
        )
