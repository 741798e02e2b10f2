"""First weights that are alike in all layers, whatever their size."""

from typing import Annotated

from torch import nn

from dlexp.inits.layers import fill
from dlexp.ranges import Range


def normal(model: nn.Module, *, std: Annotated[float, Range(ge=0)]) -> None:
    """Begins normal with mean 0 and this standard deviation in every layer, biases 0."""
    fill(model, lambda weight: nn.init.normal_(weight, std=std))


def zeros(model: nn.Module) -> None:
    """Begins with weights and biases 0: units of one layer stay alike for ever, which is what this is there to show."""
    fill(model, nn.init.zeros_)
