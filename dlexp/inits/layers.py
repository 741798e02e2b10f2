"""First weights by one rule for all layers: an option of the group init is called with the model when it is built."""

from collections.abc import Callable
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from dlexp.errors import UserError
from dlexp.ranges import Choice, Range

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def own(model: nn.Module) -> None:
    """The null object: the model begins as it does by itself."""


def pytorch(model: nn.Module) -> None:
    """Begins as torch's own layers do: weights and biases uniform in ±1/√inputs (torch.nn.Linear, torch.nn.Conv2d)."""
    for layer in _layers(model):
        reset: Any = getattr(layer, "reset_parameters", None) or layer._reset_parameters
        reset()


def xavier(model: nn.Module) -> None:
    """Begins uniform in ±√(6 / (inputs + outputs)), biases 0 (Glorot and Bengio 2010, section 4.2.1, equation 16)."""
    _fill(model, nn.init.xavier_uniform_)


def he(model: nn.Module, *, mode: Annotated[str, Choice("fan_in", "fan_out")]) -> None:
    """Begins normal with variance 2 / inputs, biases 0 (He et al. 2015, arXiv:1502.01852, section 2.2).

    mode: fan_in keeps the size of signals, fan_out (2 / outputs) that of gradients.
    """
    _fill(model, lambda weight: nn.init.kaiming_normal_(weight, mode=mode, nonlinearity="relu"))


def normal(model: nn.Module, *, std: Annotated[float, Range(ge=0)]) -> None:
    """Begins normal with mean 0 and this standard deviation in every layer, biases 0."""
    _fill(model, lambda weight: nn.init.normal_(weight, std=std))


def zeros(model: nn.Module) -> None:
    """Begins with weights and biases 0: units of one layer stay alike for ever, which is what this is there to show."""
    _fill(model, nn.init.zeros_)


def identity(model: nn.Module) -> None:
    """Has each convolution begin by passing on as many of its channels as it can (Jordan, arXiv:2404.00498, section
    3.3); what it has more of, and all other layers, begin as torch's own do.
    """
    pytorch(model)
    for layer in _layers(model):
        if isinstance(layer, CONVOLUTIONS) and not layer.transposed and layer.groups == 1:
            with torch.no_grad():
                nn.init.dirac_(layer.weight[: layer.in_channels])


def _layers(model: nn.Module) -> list[nn.Module]:
    """Returns the linear and convolutional layers, and those of attention.

    Raises:
        UserError: there is none.
    """
    found = [each for each in model.modules() if isinstance(each, (nn.Linear, *CONVOLUTIONS, nn.MultiheadAttention))]
    if not found:
        raise UserError("init is about linear and convolutional layers, and this model has none; init=own leaves it")
    return found


@torch.no_grad()
def _fill(model: nn.Module, fill: Callable[[Tensor], Any]) -> None:
    for layer in _layers(model):
        for parameter in layer.parameters(recurse=False):
            if parameter.ndim > 1:
                fill(parameter)
            else:
                nn.init.zeros_(parameter)
