"""A dense autoencoder: data of any shape through a few numbers and back (Hinton and Salakhutdinov 2006)."""

import math
from functools import partial
from typing import Annotated

from torch import Tensor, nn

from dlexp.models.mlp import mlp
from dlexp.models.parts import MOST_LAYERS, WIDEST, Activation
from dlexp.ranges import Range


class Autoencoder(nn.Module):
    """Takes samples N×shape and returns as many of them; `encode` makes their codes N×code, `decode` samples of codes.

    Both are a `dlexp.models.mlp.mlp` of `depth` hidden layers, `width` units each or a list of theirs from the inputs
    on; the decoder has them in reverse. Codes and outputs are linear (Science 313, page 505). Raises UserError as that.
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
        back = width[::-1] if isinstance(width, list) else width
        made = partial(mlp, depth=depth, activation=activation, dropout=0.0, batch_norm=False)
        self.encode = made(shape=shape, num_outputs=code, width=width)
        self.decode = made(shape=[code], num_outputs=math.prod(shape), width=back)
        self.decode.append(nn.Unflatten(1, tuple(shape)))

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.decode(self.encode(inputs))
        return outputs
