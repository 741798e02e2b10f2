"""A dense autoencoder: data of any shape through a few numbers and back (Hinton and Salakhutdinov 2006)."""

import itertools
import math
from collections.abc import Sequence
from typing import Annotated

from torch import Tensor, nn

from dlexp.models.parts import ACTIVATIONS, MOST_LAYERS, WIDEST, Activation, sequence, widths_of
from dlexp.ranges import Range


class Autoencoder(nn.Module):
    """Takes samples N×shape and returns as many of them; `encode` makes their codes N×code, `decode` samples of codes.

    depth: hidden layers on either side. width: units of each, or a list of theirs from the inputs on; the decoder has
    them in reverse. batch_norm: before each activation. dropout: after each hidden layer. Codes and outputs are linear
    (Science 313, page 505). First weights are torch's own for linear layers. Raises UserError where a list of widths is
    not as long as there are layers, or has one below 1.
    """

    def __init__(
        self,
        *,
        shape: list[int],
        code: Annotated[int, Range(ge=1, le=WIDEST)],
        depth: Annotated[int, Range(ge=0, le=MOST_LAYERS)],
        width: Annotated[int, Range(ge=1, le=WIDEST)] | list[int],
        activation: Activation,
        batch_norm: bool,
        dropout: Annotated[float, Range(ge=0, lt=1)],
    ) -> None:
        super().__init__()
        sizes = [math.prod(shape), *widths_of(width, depth), code]
        there, back = (_dense(each, activation, batch_norm, dropout) for each in (sizes, sizes[::-1]))
        self.encode = sequence({"flatten": nn.Flatten(), **there})
        self.decode = sequence({**back, "unflatten": nn.Unflatten(1, tuple(shape))})

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.decode(self.encode(inputs))
        return outputs


def _dense(sizes: Sequence[int], activation: str, batch_norm: bool, dropout: float) -> dict[str, nn.Module]:
    """Returns linear layers from each size to the next, with what comes in between."""
    layers: dict[str, nn.Module] = {}
    for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes[:-1]), start=1):
        layers[f"linear{number}"] = nn.Linear(inputs, outputs, bias=not batch_norm)
        if batch_norm:
            layers[f"norm{number}"] = nn.BatchNorm1d(outputs)
        layers[f"activation{number}"] = ACTIVATIONS[activation]()
        if dropout:
            layers[f"dropout{number}"] = nn.Dropout(dropout)
    return {**layers, "output": nn.Linear(sizes[-2], sizes[-1])}
