"""A small convolutional network for small images: strong for its cost, about 10 million multiply-adds at 32×32."""

from typing import Annotated

from torch import nn

from dlexp.errors import UserError
from dlexp.models.parts import MOST_LAYERS, POOLS, WIDEST, Activation, Pool, activation_of, image_size, initialised
from dlexp.ranges import Range


def cnn(
    *,
    shape: list[int],
    num_outputs: Annotated[int, Range(ge=1)],
    widths: list[int],
    convolutions: Annotated[int, Range(ge=1, le=MOST_LAYERS)],
    kernel: Annotated[int, Range(ge=1)],
    activation: Activation,
    pool: Pool,
    batch_norm: bool,
    dropout: Annotated[float, Range(ge=0, lt=1)],
) -> nn.Sequential:
    """Returns one stage per entry of `widths`, from N×channels×height×width to N×num_outputs.

    A stage has `convolutions` times convolution, batch norm and activation; pooling halves the image between stages.
    The mean of each channel, dropout and a linear layer follow, so any size from 2^(stages - 1) pixels works. kernel:
    side of the filters, odd, so that the image keeps its size.

    Raises:
        UserError: samples are no images or too small ones, `kernel` is even, or `widths` is empty or has one that is
            none.
    """
    if kernel % 2 == 0:
        raise UserError(f"model.kernel={kernel} must be odd: the image keeps its size from one convolution to the next")
    if not widths or not all(1 <= width <= WIDEST for width in widths):
        raise UserError(
            f"model.widths={list(widths)} must list the channels of at least one stage, each ≥ 1 and ≤ {WIDEST}"
        )
    channels, _, _ = image_size(shape, "cnn", smallest=2 ** (len(widths) - 1))
    layers: dict[str, nn.Module] = {}
    for stage, width in enumerate(widths, start=1):
        if stage > 1:
            layers[f"pool{stage - 1}"] = POOLS[pool](2)
        for number in range(1, convolutions + 1):
            layers[f"conv{stage}_{number}"] = nn.Conv2d(
                channels, width, kernel, padding=kernel // 2, bias=not batch_norm
            )
            if batch_norm:
                layers[f"norm{stage}_{number}"] = nn.BatchNorm2d(width)
            layers[f"{activation}{stage}_{number}"] = activation_of(activation)
            channels = width
    layers |= {"mean": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
    if dropout:
        layers["dropout"] = nn.Dropout(dropout)
    return initialised(layers, nn.Linear(channels, num_outputs))
