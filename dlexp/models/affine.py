"""Models that are y = Wx + b, whatever layers they are written with."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

MOST_FEATURES = 16  # whose weights a person reads


def affine_layer(model: nn.Module) -> nn.Linear | None:
    """Returns the one linear layer of features that a model is nothing but; None for all others.

    An activation, a square or a second layer around it would show on random points N×features.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    if len(layers) != 1:
        return None
    layer = copy.deepcopy(layers[0]).cpu().double()
    generator = torch.Generator().manual_seed(0)
    points = 100 * torch.randn(64, layer.in_features, dtype=torch.float64, generator=generator)
    with torch.no_grad():
        outputs, expected = copy.deepcopy(model).cpu().double().eval()(points), layer(points)
    return layers[0] if outputs.shape == expected.shape and torch.allclose(outputs, expected) else None


def line_of(model: nn.Module, mean: Sequence[float] = (), std: Sequence[float] = ()) -> tuple[Tensor, Tensor] | None:
    """Returns W (outputs×features) and b (outputs) of a model that is y = Wx + b of up to 16 features, else None.

    float64, on the CPU. With the `mean` and `std` its features were normalised by, they are those of the features as
    they came.
    """
    layer = affine_layer(model)
    if layer is None or layer.in_features > MOST_FEATURES:
        return None
    weight = layer.weight.detach().cpu().double()
    bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach().cpu().double()
    if std:
        weight = weight / torch.tensor(std, dtype=torch.float64)
    if mean:
        bias = bias - weight @ torch.tensor(mean, dtype=torch.float64)
    return weight, bias
