"""Multi-layer perceptron for data of any shape."""

import math
from typing import Annotated

from torch import nn

from dlexp.errors import UserError
from dlexp.models.parts import ACTIVATIONS, MOST_LAYERS, WIDEST, Activation, sequence
from dlexp.ranges import Range


def mlp(
    *,
    shape: list[int],
    num_outputs: Annotated[int, Range(ge=1)],
    depth: Annotated[int, Range(ge=0, le=MOST_LAYERS)],
    width: Annotated[int, Range(ge=1, le=WIDEST)] | list[int],
    activation: Activation,
    dropout: Annotated[float, Range(ge=0, lt=1)],
    batch_norm: bool,
) -> nn.Sequential:
    """Returns `depth` hidden layers of `width` units (a list: of each) and a linear output, N×shape to N×num_outputs.

    The first weights are torch's own for linear layers, uniform in ±1/√inputs: the ones that textbook comparisons of
    activations and depths start from, vanishing gradients of deep sigmoid networks included.

    Raises:
        UserError: a list of widths is not as long as there are layers, or has one below 1.
    """
    widths = width if isinstance(width, list) else [width] * depth
    if len(widths) != depth or not all(1 <= units <= WIDEST for units in widths):
        wanted = f"the units of each of model.depth={depth} layers, from 1 to {WIDEST:,}"
        raise UserError(f"model.width={list(widths)} must list {wanted}")
    layers: dict[str, nn.Module] = {"flatten": nn.Flatten()}
    inputs = math.prod(shape)
    for number, units in enumerate(widths, start=1):
        layers[f"linear{number}"] = nn.Linear(inputs, units, bias=not batch_norm)
        if batch_norm:
            layers[f"norm{number}"] = nn.BatchNorm1d(units)
        layers[f"activation{number}"] = ACTIVATIONS[activation]()
        if dropout:
            layers[f"dropout{number}"] = nn.Dropout(dropout)
        inputs = units
    layers["output"] = nn.Linear(inputs, num_outputs)
    return sequence(layers)
