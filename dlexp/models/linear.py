"""One linear layer: softmax regression on classes, linear regression on numbers."""

import math
from typing import Annotated

from torch import nn

from dlexp.models.parts import sequence
from dlexp.ranges import Range


def linear(*, shape: list[int], num_outputs: Annotated[int, Range(ge=1)], bias: bool) -> nn.Sequential:
    """Returns y = Wx + b from N×shape to N×num_outputs; the weights lie in `model.output`."""
    return sequence({"flatten": nn.Flatten(), "output": nn.Linear(math.prod(shape), num_outputs, bias=bias)})
