"""Multi-layer perceptron for data of any shape."""

import math
from collections import OrderedDict
from itertools import pairwise
from typing import Annotated

from torch import Tensor, nn

from dlexp.errors import UserError
from dlexp.models.parts import ACTIVATIONS, MOST_LAYERS, WIDEST, Activation, sequence, widths_of
from dlexp.ranges import Range


class Residual(nn.Sequential):
    """Layers whose result N×units is added to their input, which has the same shape (He et al., arXiv 1512.03385)."""

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)  # type: ignore[no-any-return, no-untyped-call]


def mlp(
    *,
    shape: list[int],
    num_outputs: Annotated[int, Range(ge=1)],
    depth: Annotated[int, Range(ge=0, le=MOST_LAYERS)],
    width: Annotated[int, Range(ge=1, le=WIDEST)] | list[int],
    activation: Activation,
    dropout: Annotated[float, Range(ge=0, lt=1)],
    batch_norm: bool,
    residual: bool,
) -> nn.Sequential:
    """Returns `depth` hidden layers of `width` units (a list: of each) and a linear output, N×shape to N×num_outputs.

    The first weights are torch's own for linear layers, uniform in ±1/√inputs: the ones that textbook comparisons of
    activations and depths start from, vanishing gradients of deep sigmoid networks included.

    residual: what a hidden layer makes is added to its input where both are as wide (He et al., arXiv 1512.03385).

    Raises:
        UserError: a list of widths is not as long as there are layers, or has one below 1; `residual` finds no layer
            as wide as the one before.
    """
    widths = widths_of(width, depth)
    layers: dict[str, nn.Module] = {"flatten": nn.Flatten()}
    inputs = math.prod(shape)
    if residual and not any(one == other for one, other in pairwise(widths)):
        raise UserError("model.residual=true needs two hidden layers in a row of one width, as model.depth=2 has them")
    for number, units in enumerate(widths, start=1):
        hidden: dict[str, nn.Module] = {f"linear{number}": nn.Linear(inputs, units, bias=not batch_norm)}
        if batch_norm:
            hidden[f"norm{number}"] = nn.BatchNorm1d(units)
        hidden[f"activation{number}"] = ACTIVATIONS[activation]()
        if dropout:
            hidden[f"dropout{number}"] = nn.Dropout(dropout)
        adds = residual and number > 1 and inputs == units
        layers |= {f"residual{number}": Residual(OrderedDict(hidden))} if adds else hidden
        inputs = units
    layers["output"] = nn.Linear(inputs, num_outputs)
    return sequence(layers)
