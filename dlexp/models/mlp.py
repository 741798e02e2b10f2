"""Multi-layer perceptron for data of any shape."""

from typing import Annotated

from torch import nn

from dlexp.models.parts import ACTIVATIONS, MOST_LAYERS, WIDEST, Activation, num_features, sequence
from dlexp.ranges import Range


def mlp(
    *,
    shape: list[int],
    num_outputs: Annotated[int, Range(ge=1)],
    depth: Annotated[int, Range(ge=0, le=MOST_LAYERS)],
    width: Annotated[int, Range(ge=1, le=WIDEST)],
    activation: Activation,
    dropout: Annotated[float, Range(ge=0, lt=1)],
    batch_norm: bool,
) -> nn.Sequential:
    """Returns `depth` hidden layers of `width` units and a linear output, from N×shape to N×num_outputs.

    The first weights are torch's own for linear layers, uniform in ±1/√inputs: the ones that textbook comparisons of
    activations and depths start from, vanishing gradients of deep sigmoid networks included.
    """
    layers: dict[str, nn.Module] = {"flatten": nn.Flatten()}
    inputs = num_features(shape)
    for number in range(1, depth + 1):
        layers[f"linear{number}"] = nn.Linear(inputs, width, bias=not batch_norm)
        if batch_norm:
            layers[f"norm{number}"] = nn.BatchNorm1d(width)
        layers[f"activation{number}"] = ACTIVATIONS[activation]()
        if dropout:
            layers[f"dropout{number}"] = nn.Dropout(dropout)
        inputs = width
    layers["output"] = nn.Linear(inputs, num_outputs)
    return sequence(layers)
