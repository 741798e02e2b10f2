"""A convolutional net so small that it has as many weights as a narrow multi-layer perceptron."""

from typing import Annotated

from torch import nn

from dlexp.errors import UserError
from dlexp.models.parts import POOLS, WIDEST, Activation, Pool, activation_of, image_size, sequence
from dlexp.ranges import Range


def tiny_cnn(
    *,
    shape: list[int],
    num_outputs: Annotated[int, Range(ge=1)],
    maps: list[int],
    kernel: Annotated[int, Range(ge=1)],
    hidden: Annotated[int, Range(ge=1, le=WIDEST)],
    activation: Activation,
    pool: Pool,
    batch_norm: bool,
    dropout: Annotated[float, Range(ge=0, lt=1)],
) -> nn.Sequential:
    """Returns a stage per entry of `maps`, a hidden and a linear layer, N×channels×height×width to N×num_outputs.

    A stage has a convolution kernel×kernel without border, activation and pooling of 2×2. batch_norm: before each
    activation, the hidden layer's too. dropout: before the last layer. The first weights are torch's own, uniform in
    ±1/√inputs.

    Raises:
        UserError: samples are no images or too small ones, or `maps` is empty or has one that is none.
    """
    if not maps or not all(1 <= count <= WIDEST for count in maps):
        raise UserError(f"model.maps={list(maps)} must list the maps of at least one stage, each ≥ 1 and ≤ {WIDEST}")
    smallest = 1
    for _ in maps:
        smallest = 2 * smallest + kernel - 1
    channels, *sides = image_size(shape, "tiny_cnn", smallest)
    layers: dict[str, nn.Module] = {}
    for number, count in enumerate(maps, start=1):
        layers[f"conv{number}"] = nn.Conv2d(channels, count, kernel, bias=not batch_norm)
        if batch_norm:
            layers[f"norm{number}"] = nn.BatchNorm2d(count)
        layers[f"{activation}{number}"] = activation_of(activation)
        layers[f"pool{number}"] = POOLS[pool](2)
        channels, sides = count, [(side - kernel + 1) // 2 for side in sides]
    values = channels * sides[0] * sides[1]
    layers |= {"flatten": nn.Flatten(), "hidden": nn.Linear(values, hidden, bias=not batch_norm)}
    if batch_norm:
        layers["norm_hidden"] = nn.BatchNorm1d(hidden)
    layers[f"{activation}_hidden"] = activation_of(activation)
    if dropout:
        layers["dropout"] = nn.Dropout(dropout)
    return sequence({**layers, "output": nn.Linear(hidden, num_outputs)})
