"""What models share that are trained layer by layer: of several layers the top one learns, those below stay."""

import math

import torch
from torch import Tensor, nn

from dlexp.errors import UserError
from dlexp.models.parts import widths_of


class Stack(nn.Module):
    """Takes samples N×shape and returns as many of them, as logits; `encode` makes codes of them, `decode` goes back.

    Layers are called `linear1`, `linear2`, … as those of model=mlp are, so that this takes their weights. A class says
    in `down` how a layer goes back. The layers below the top one are not trained (Hinton et al. 2006, Neural
    Computation 18, section 5).

    depth: layers. width: units of each, or a list of theirs. Raises UserError where a list has another length.
    """

    def __init__(self, shape: list[int], depth: int, width: int | list[int]) -> None:
        super().__init__()
        self.shape, self.sizes, self.depth = list(shape), [math.prod(shape), *widths_of(width, depth)], depth
        for number in range(1, depth + 1):
            self.add_module(f"linear{number}", nn.Linear(self.sizes[number - 1], self.sizes[number]))

    def train_top(self) -> None:
        """Takes all layers but the top one out of the training."""
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name.partition(".")[0].endswith(f"{self.depth}"))

    def init_from_data(self, samples: Tensor) -> None:
        """Raises UserError where a run that begins from no other has layers below the top one: nobody trains them."""
        if self.depth > 1:
            raise UserError(
                f"of model.depth={self.depth} layers only the top one is trained, and the others would stay as they are"
                f" drawn: init_from=RUN begins from a run of model.depth={self.depth - 1}"
            )

    def layer(self, number: int) -> nn.Linear:
        """Returns a layer, from 1 on."""
        found: nn.Linear = getattr(self, f"linear{number}")
        return found

    def up(self, values: Tensor, number: int) -> Tensor:
        """Returns what a layer makes of N×inputs: between 0 and 1."""
        return torch.sigmoid(self.layer(number)(values))

    def down(self, values: Tensor, number: int) -> Tensor:
        """Returns the logits of a layer's inputs, N×inputs, for its N×units."""
        raise NotImplementedError

    def below(self, inputs: Tensor) -> Tensor:
        """Returns the inputs of the top layer for samples N×shape."""
        values = inputs.flatten(1)
        for number in range(1, self.depth):
            values = self.up(values, number)
        return values

    def encode(self, inputs: Tensor) -> Tensor:
        """Returns the codes, N×units of the top layer, for samples N×shape."""
        return self.up(self.below(inputs), self.depth)

    def decode(self, codes: Tensor) -> Tensor:
        """Returns logits N×shape for codes."""
        return self.decoded_from(codes, self.depth)

    def decoded_from(self, values: Tensor, number: int) -> Tensor:
        """Returns logits N×shape for the units of a layer; of layer 0 they are the logits of these values."""
        logits = values.logit(eps=1e-6) if number == 0 else values
        for each in range(number, 0, -1):
            logits = self.down(values, each)
            values = torch.sigmoid(logits)
        return logits.reshape(-1, *self.shape)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.decode(self.encode(inputs))


def as_they_are(channels: int) -> str:
    """Returns the words with which inputs are not normalised."""
    zeros, ones = (",".join([each] * channels) for each in ("0.0", "1.0"))
    return f"'data.mean=[{zeros}]' 'data.std=[{ones}]'"
