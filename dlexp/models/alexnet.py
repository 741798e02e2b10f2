"""AlexNet (Krizhevsky et al. 2012, in the one-column widths of arXiv 1404.5997), with a stem that fits the image."""

from typing import Annotated

from torch import nn

from dlexp.models.parts import POOLS, WIDEST, Activation, Pool, activation_of, image_size, initialised
from dlexp.ranges import Range

WIDTHS = (64, 192, 384, 256, 256)
POOLED = (1, 2, 5)  # the convolutions that a pool follows
LARGE = 128  # from this many pixels a side on, the stem has the paper's stride of 4


def alexnet(
    *,
    shape: list[int],
    num_outputs: Annotated[int, Range(ge=1)],
    hidden: Annotated[int, Range(ge=1, le=WIDEST)],
    dropout: Annotated[float, Range(ge=0, lt=1)],
    batch_norm: bool,
    local_norm: bool,
    activation: Activation,
    pool: Pool,
) -> nn.Sequential:
    """Returns five convolutions and two hidden layers of `hidden` units, from N×channels×height×width to N×num_outputs.

    Images below 128 pixels get a 5×5 stem without stride and a 3×3 second convolution (the paper's 11×11 with stride 4
    would leave 2×2 positions of a CIFAR image); pools are the paper's overlapping 3×3 with stride 2. local_norm: the
    paper's local response normalisation behind the first two activations (section 3.3).

    Raises:
        UserError: samples are no images.
    """
    channels, height, width = image_size(shape, "alexnet")
    large = min(height, width) >= LARGE
    kernels = (11, 5, 3, 3, 3) if large else (5, 3, 3, 3, 3)
    layers: dict[str, nn.Module] = {}
    for number, (kernel, maps) in enumerate(zip(kernels, WIDTHS, strict=True), start=1):
        stride = 4 if large and number == 1 else 1
        layers[f"conv{number}"] = nn.Conv2d(
            channels, maps, kernel, stride=stride, padding=kernel // 2, bias=not batch_norm
        )
        if batch_norm:
            layers[f"norm{number}"] = nn.BatchNorm2d(maps)
        layers[f"{activation}{number}"] = activation_of(activation)
        if local_norm and number in (1, 2):  # torch divides alpha by the size, the paper does not
            layers[f"local_norm{number}"] = nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2.0)
        height, width = -(-height // stride), -(-width // stride)
        if number in POOLED:
            layers[f"pool{number}"] = POOLS[pool](3, stride=2, padding=1)
            height, width = -(-height // 2), -(-width // 2)
        channels = maps
    layers["flatten"] = nn.Flatten()
    inputs = channels * height * width
    for number in (6, 7):
        if dropout:
            layers[f"dropout{number}"] = nn.Dropout(dropout)
        layers[f"linear{number}"] = nn.Linear(inputs, hidden)
        layers[f"{activation}{number}"] = activation_of(activation)
        inputs = hidden
    return initialised(layers, nn.Linear(hidden, num_outputs))
