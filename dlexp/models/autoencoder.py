"""A dense autoencoder: data of any shape through a few numbers and back (Hinton and Salakhutdinov 2006)."""

import itertools
import math
from collections.abc import Sequence
from typing import Annotated

from torch import Tensor, nn

from dlexp.errors import UserError
from dlexp.models.parts import ACTIVATIONS, MOST_LAYERS, WIDEST, Activation, sequence
from dlexp.ranges import Range


class Autoencoder(nn.Module):
    """Takes samples N×shape and returns as many of them; `encode` makes their codes N×code, `decode` samples of codes.

    depth: hidden layers on either side. width: units of each, or a list of theirs from the inputs on; the decoder has
    them in reverse. Codes and outputs are linear (Science 313, page 505). First weights are torch's own for linear
    layers. Raises UserError where a list of widths is not as long as there are layers, or has one below 1.
    """

    def __init__(
        self,
        *,
        shape: list[int],
        code: Annotated[int, Range(ge=1, le=WIDEST)],
        depth: Annotated[int, Range(ge=0, le=MOST_LAYERS)],
        width: Annotated[int, Range(ge=1, le=WIDEST)] | list[int],
        activation: Activation,
    ) -> None:
        super().__init__()
        widths = width if isinstance(width, list) else [width] * depth
        if len(widths) != depth or not all(1 <= units <= WIDEST for units in widths):
            wanted = f"the units of each of model.depth={depth} layers, from 1 to {WIDEST:,}"
            raise UserError(f"model.width={list(widths)} must list {wanted}")
        sizes = [math.prod(shape), *widths, code]
        self.encode = sequence({"flatten": nn.Flatten(), **_dense(sizes, activation)})
        self.decode = sequence({**_dense(sizes[::-1], activation), "unflatten": nn.Unflatten(1, tuple(shape))})

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.decode(self.encode(inputs))
        return outputs


def _dense(sizes: Sequence[int], activation: str) -> dict[str, nn.Module]:
    """Returns linear layers from each size to the next, with activations in between."""
    layers: dict[str, nn.Module] = {}
    for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes[:-1]), start=1):
        layers[f"linear{number}"] = nn.Linear(inputs, outputs)
        layers[f"activation{number}"] = ACTIVATIONS[activation]()
    return {**layers, "output": nn.Linear(sizes[-2], sizes[-1])}
