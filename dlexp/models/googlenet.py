"""GoogLeNet (Szegedy et al. 2015, arXiv 1409.4842, table 1) with batch norm, and a stem for small or large images."""

from typing import Annotated, Any, NamedTuple

import torch
from torch import Tensor, nn

from dlexp.models.auxiliary import Auxiliary
from dlexp.models.parts import POOLS, Activation, Pool, activation_of, image_size, initialise, sequence
from dlexp.ranges import Choice, Range

STEM = 192  # channels
# Of each inception: 1×1; 3×3 behind its reduction; 5×5 behind its reduction; the projection of the pool.
INCEPTIONS = {
    "3a": (64, (96, 128), (16, 32), 32),
    "3b": (128, (128, 192), (32, 96), 64),
    "4a": (192, (96, 208), (16, 48), 64),
    "4b": (160, (112, 224), (24, 64), 64),
    "4c": (128, (128, 256), (24, 64), 64),
    "4d": (112, (144, 288), (32, 64), 64),
    "4e": (256, (160, 320), (32, 128), 128),
    "5a": (256, (160, 320), (32, 128), 128),
    "5b": (384, (192, 384), (48, 128), 128),
}
POOLED = ("4a", "5a")  # behind a pool that halves the image
HEADS = ("4a", "4d")  # an auxiliary head looks at what comes out of them


class Kind(NamedTuple):
    """What all convolutions and pools of a net have in common."""

    activation: str
    pool: str
    batch_norm: bool


class Inception(nn.Module):
    """Four branches side by side, 1×1, 3×3, 5×5, and a pool with a 1×1, whose channels are put together: N×channels×H×W
    to N×maps×H×W (figure 2b).
    """

    def __init__(
        self, channels: int, one: int, three: tuple[int, int], five: tuple[int, int], pool: int, kind: Kind
    ) -> None:
        super().__init__()
        self.one = _convolution(channels, one, 1, kind)
        self.three = nn.Sequential(_convolution(channels, three[0], 1, kind), _convolution(*three, 3, kind))
        self.five = nn.Sequential(_convolution(channels, five[0], 1, kind), _convolution(*five, 5, kind))
        self.pool = nn.Sequential(POOLS[kind.pool](3, stride=1, padding=1), _convolution(channels, pool, 1, kind))
        self.maps = one + three[1] + five[1] + pool

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], dim=1)


class GoogLeNet(nn.Module):
    """Takes images N×channels×height×width and returns N×num_outputs; with `auxiliary` in training an `Auxiliary`.

    The small stem is one 3×3 convolution that keeps the image's size (CIFAR), the large one the paper's, without its
    local normalisation; the 5×5 convolutions stay. `auxiliary` adds the paper's two heads (section 5), whose losses
    count `auxiliary_weight` each (0.3 there) and which evaluation leaves out. batch_norm: behind each convolution (the
    paper has none). dropout: before the last layer.

    Raises UserError where samples are no images, or too small ones for the heads.
    """

    def __init__(
        self,
        *,
        shape: list[int],
        num_outputs: Annotated[int, Range(ge=1)],
        stem: Annotated[str, Choice("small", "large")],
        activation: Activation,
        pool: Pool,
        batch_norm: bool,
        dropout: Annotated[float, Range(ge=0, lt=1)],
        auxiliary: bool,
        auxiliary_weight: Annotated[float, Range(ge=0)],
    ) -> None:
        super().__init__()
        kind = Kind(activation, pool, batch_norm)
        reduction = {"small": 2, "large": 16}[stem]  # of the image, where the heads look at it
        smallest = 4 * reduction + 1 if auxiliary else 1
        channels, *sides = image_size(shape, f"googlenet with auxiliary={str(auxiliary).lower()}", smallest)
        self.stem = (_small_stem if stem == "small" else _large_stem)(channels, kind)
        self.inceptions, self.heads = nn.ModuleDict(), nn.ModuleDict()
        self.weight = auxiliary_weight
        channels = STEM
        for name, sizes in INCEPTIONS.items():
            self.inceptions[name] = inception = Inception(channels, *sizes, kind)
            channels = inception.maps
            if auxiliary and name in HEADS:
                height, width = ((-(-side // reduction) - 5) // 3 + 1 for side in sides)
                self.heads[name] = _head(channels, height * width, num_outputs, kind)
        self.pool = POOLS[kind.pool](3, stride=2, padding=1)
        self.mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(channels, num_outputs)
        last: list[Any] = [head[-1] for head in self.heads.values() if isinstance(head, nn.Sequential)]
        initialise(self, self.output, *last)

    def forward(self, x: Tensor) -> Any:
        x, others = self.stem(x), []
        for name, inception in self.inceptions.items():
            x = inception(self.pool(x) if name in POOLED else x)
            if self.training and name in self.heads:
                others.append(self.heads[name](x))
        outputs = self.output(self.dropout(self.mean(x)))
        return Auxiliary(outputs, tuple(others), (self.weight,) * len(others)) if others else outputs


def _convolution(channels: int, maps: int, kernel: int, kind: Kind, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(channels, maps, kernel, stride=stride, padding=kernel // 2, bias=not kind.batch_norm)
    norm = {"norm": nn.BatchNorm2d(maps)} if kind.batch_norm else {}
    return sequence({"conv": conv, **norm, "activation": activation_of(kind.activation)})


def _small_stem(channels: int, kind: Kind) -> nn.Sequential:
    return sequence({"conv1": _convolution(channels, STEM, 3, kind)})


def _large_stem(channels: int, kind: Kind) -> nn.Sequential:
    return sequence(
        {
            "conv1": _convolution(channels, 64, 7, kind, stride=2),
            "pool1": POOLS[kind.pool](3, stride=2, padding=1),
            "conv2": _convolution(64, 64, 1, kind),
            "conv3": _convolution(64, STEM, 3, kind),
            "pool3": POOLS[kind.pool](3, stride=2, padding=1),
        }
    )


def _head(channels: int, places: int, num_outputs: int, kind: Kind) -> nn.Sequential:
    return sequence(
        {
            "pool": nn.AvgPool2d(5, stride=3),
            "conv": _convolution(channels, 128, 1, kind),
            "flatten": nn.Flatten(),
            "linear": nn.Linear(128 * places, 1024),
            "activation": activation_of(kind.activation),
            "dropout": nn.Dropout(0.7),
            "output": nn.Linear(1024, num_outputs),
        }
    )
