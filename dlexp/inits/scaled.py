"""First weights that keep the size of signals, each for its kind of activation.

Inputs and outputs of a convolution, transposed or not, are its channels times the places of its kernel, whatever its
stride.
"""

from functools import partial
from typing import Annotated

from torch import nn

from dlexp.inits.layers import fill
from dlexp.ranges import Choice


def xavier(model: nn.Module) -> None:
    """Begins uniform in ±√(6 / (inputs + outputs)), biases 0 (Glorot and Bengio 2010, section 4.2.1, equation 16)."""
    fill(model, nn.init.xavier_uniform_)


def he(model: nn.Module, *, mode: Annotated[str, Choice("fan_in", "fan_out")]) -> None:
    """Begins normal with variance 2 / inputs, biases 0 (He et al. 2015, arXiv:1502.01852, section 2.2).

    mode: fan_in keeps the size of signals, fan_out (2 / outputs) that of gradients.
    """
    fill(model, partial(nn.init.kaiming_normal_, mode=mode, nonlinearity="relu"))  # type: ignore[arg-type]
