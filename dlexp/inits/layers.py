"""What all kinds of first weights share: which layers they are for, and one rule for each of them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dlexp.errors import UserError

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)


def layers_of(model: nn.Module) -> list[nn.Module]:
    """Returns the linear and convolutional layers, and behind them those of attention, which have linear ones inside.

    Raises:
        UserError: there is none.
    """
    found = [each for each in model.modules() if isinstance(each, (nn.Linear, *CONVOLUTIONS, nn.MultiheadAttention))]
    if not found:
        raise UserError("init is about linear and convolutional layers, and this model has none; init=own leaves it")
    return sorted(found, key=lambda each: isinstance(each, nn.MultiheadAttention))


@torch.no_grad()
def fill(model: nn.Module, rule: Callable[[Tensor], Any]) -> None:
    """Has a rule fill the weights of each of these layers, outputs × inputs × kernel; biases become 0."""
    for layer in layers_of(model):
        for parameter in layer.parameters(recurse=False):
            if parameter.ndim == 1:
                nn.init.zeros_(parameter)
            elif isinstance(layer, TRANSPOSED):  # torch keeps theirs as inputs × outputs of a group × kernel
                for group in parameter.chunk(layer.groups):
                    rule(group.transpose(0, 1))
            else:
                rule(parameter)
