"""First weights as torch's own layers have them, whatever a model makes of them, and the identity on top."""

from typing import Any

import torch
from torch import nn

from dlexp.inits.layers import CONVOLUTIONS, layers_of


def pytorch(model: nn.Module) -> None:
    """Begins as torch's own layers do: weights and biases uniform in ±1/√inputs (torch.nn.Linear, torch.nn.Conv2d), of
    attention the projection of the inputs as `xavier` has it (torch.nn.MultiheadAttention).
    """
    for layer in layers_of(model):
        if not isinstance(layer, nn.MultiheadAttention):
            reset: Any = layer.reset_parameters
            reset()
            continue
        for parameter in (*layer.parameters(recurse=False), layer.out_proj.bias):  # its own function for it is private
            if parameter is not None:
                (nn.init.xavier_uniform_ if parameter.ndim > 1 else nn.init.zeros_)(parameter)


@torch.no_grad()
def identity(model: nn.Module) -> None:
    """Has each convolution begin by passing on as many of its channels as it can (Jordan, arXiv:2404.00498, section
    3.3); what it has more of, and all other layers, begin as torch's own do.
    """
    pytorch(model)
    for layer in layers_of(model):
        if isinstance(layer, CONVOLUTIONS) and not layer.transposed and layer.groups == 1:
            nn.init.dirac_(layer.weight[: layer.in_channels])
