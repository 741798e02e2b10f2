"""Residual networks (He et al., arXiv 1512.03385, table 1) of basic blocks, with a stem for small or large images."""

from typing import Annotated, Any

import torch
from torch import nn

from dlexp.errors import UserError
from dlexp.models.parts import Activation, activation_of, image_size, initialised, sequence
from dlexp.ranges import Choice, Range

WIDTHS = (64, 128, 256, 512)
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


class BasicBlock(nn.Module):
    """Two 3×3 convolutions whose result is added to the input, from N×channels×H×W to N×maps×⌈H/stride⌉×⌈W/stride⌉
    (section 3.3, option B): where these differ a 1×1 convolution fits the input.
    """

    def __init__(self, channels: int, maps: int, stride: int, activation: str, batch_norm: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, maps, 3, stride=stride, padding=1, bias=not batch_norm)
        self.norm1 = _norm(maps, batch_norm)
        self.activation1 = activation_of(activation)
        self.conv2 = nn.Conv2d(maps, maps, 3, padding=1, bias=not batch_norm)
        self.norm2 = _norm(maps, batch_norm)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != maps:
            projection = nn.Conv2d(channels, maps, 1, stride=stride, bias=not batch_norm)
            self.shortcut = sequence({"conv": projection, "norm": _norm(maps, batch_norm)})
        self.activation2 = activation_of(activation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.activation1(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return self.activation2(y + self.shortcut(x))  # type: ignore[no-any-return]


def resnet(
    *,
    shape: list[int],
    num_outputs: Annotated[int, Range(ge=1)],
    depth: Annotated[int, Range(ge=18, le=34)],
    stem: Annotated[str, Choice("small", "large")],
    zero_init: bool,
    activation: Activation,
    batch_norm: bool,
    dropout: Annotated[float, Range(ge=0, lt=1)],
) -> nn.Sequential:
    """Returns ResNet-18 or ResNet-34 from N×channels×height×width to N×num_outputs.

    The small stem is one 3×3 convolution that keeps the image's size (CIFAR); the large one is the paper's 7×7 with
    stride 2 and a pool. With `zero_init` every block starts as the identity: its last batch norm gives 0 (arXiv
    1706.02677, section 5.1), without batch norm its last convolution (arXiv 1901.09321, section 2).

    Raises:
        UserError: samples are no images, or there is no such depth.
    """
    if depth not in BLOCKS:
        raise UserError(f"model.depth={depth} is not possible; there are {', '.join(map(str, BLOCKS))}")
    channels, _, _ = image_size(shape, f"resnet{depth}")
    kernel, stride = (3, 1) if stem == "small" else (7, 2)
    layers: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(channels, WIDTHS[0], kernel, stride=stride, padding=kernel // 2, bias=not batch_norm),
        "norm1": _norm(WIDTHS[0], batch_norm),
        "activation1": activation_of(activation),
    }
    if stem == "large":
        layers["pool1"] = nn.MaxPool2d(3, stride=2, padding=1)
    channels = WIDTHS[0]
    for stage, (maps, num_blocks) in enumerate(zip(WIDTHS, BLOCKS[depth], strict=True), start=1):
        blocks: dict[str, nn.Module] = {}
        for number in range(1, num_blocks + 1):
            stride = 2 if stage > 1 and number == 1 else 1
            blocks[f"block{number}"] = BasicBlock(channels, maps, stride, activation, batch_norm)
            channels = maps
        layers[f"stage{stage}"] = sequence(blocks)
    layers |= {"mean": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
    if dropout:
        layers["dropout"] = nn.Dropout(dropout)
    model = initialised(layers, nn.Linear(channels, num_outputs))
    for module in model.modules():
        if zero_init and isinstance(module, BasicBlock):
            last: Any = module.norm2 if batch_norm else module.conv2
            nn.init.zeros_(last.weight)
    return model


def _norm(maps: int, batch_norm: bool) -> nn.Module:
    return nn.BatchNorm2d(maps) if batch_norm else nn.Identity()
