"""VGG (Simonyan and Zisserman, arXiv 1409.1556, table 1) with the small heads that suit CIFAR's 32×32 images."""

from typing import Annotated

from torch import nn

from dlexp.errors import UserError
from dlexp.models.parts import POOLS, Activation, Pool, activation_of, image_size, initialised
from dlexp.ranges import Range

WIDTHS = (64, 128, 256, 512, 512)
CONVOLUTIONS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}  # columns A, B, D, E
HEADS = {512: (5, 1), 2048: (4, 2)}  # inputs of the last layer: pools before it, side of the last feature map


def vgg(
    *,
    shape: list[int],
    num_outputs: Annotated[int, Range(ge=1)],
    depth: Annotated[int, Range(ge=11, le=19)],
    head: Annotated[int, Range(ge=512, le=2048)],
    batch_norm: bool,
    dropout: Annotated[float, Range(ge=0, lt=1)],
    activation: Activation,
    pool: Pool,
) -> nn.Sequential:
    """Returns VGG-`depth` (11, 13, 16 or 19 layers in the paper's count) from N×channels×height×width to N×num_outputs.

    One linear layer replaces the paper's three fully connected ones. `head` is the number of its inputs: 512 after all
    five pools, 2048 without the last one. Pools round up, so 28×28 works; what is left of larger images is averaged.

    Raises:
        UserError: samples are no images or too small ones, or there is no such depth or head.
    """
    if depth not in CONVOLUTIONS:
        raise UserError(f"model.depth={depth} is not a VGG; there are {', '.join(map(str, CONVOLUTIONS))}")
    if head not in HEADS:
        raise UserError(f"model.head={head} is not possible; a VGG's last layer has 512 or 2048 inputs")
    num_pools, side = HEADS[head]
    smallest = 17 if head == 2048 else 1  # four pools that round up leave 2×2 of 17×17
    channels, height, width = image_size(shape, f"vgg{depth} with head={head}", smallest)
    layers: dict[str, nn.Module] = {}
    for stage, (maps, convolutions) in enumerate(zip(WIDTHS, CONVOLUTIONS[depth], strict=True), start=1):
        for number in range(1, convolutions + 1):
            layers[f"conv{stage}_{number}"] = nn.Conv2d(channels, maps, 3, padding=1, bias=not batch_norm)
            if batch_norm:
                layers[f"norm{stage}_{number}"] = nn.BatchNorm2d(maps)
            layers[f"{activation}{stage}_{number}"] = activation_of(activation)
            channels = maps
        if stage <= num_pools:
            layers[f"pool{stage}"] = POOLS[pool](2, ceil_mode=True)
            height, width = -(-height // 2), -(-width // 2)
    if (height, width) != (side, side):
        layers["mean"] = nn.AdaptiveAvgPool2d(side)
    layers["flatten"] = nn.Flatten()
    if dropout:
        layers["dropout"] = nn.Dropout(dropout)
    return initialised(layers, nn.Linear(head, num_outputs))
