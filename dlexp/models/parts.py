"""What several model families share: activations by name, the look at the data's shape, first weights."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated

from torch import Tensor, nn

from dlexp.errors import UserError
from dlexp.ranges import Choice

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "identity": nn.Identity,
}
# The mean is of what lies in the map: zeros beyond its border would make a corner of GoogLeNet's 0.44 times as bright.
POOLS: dict[str, Callable[..., nn.Module]] = {
    "max": nn.MaxPool2d,
    "average": partial(nn.AvgPool2d, count_include_pad=False),
}
# Far beyond what anyone trains: what is typed with a few zeros too many must not take all memory while it is checked.
MOST_LAYERS, WIDEST = 1_000, 1_000_000
Activation = Annotated[str, Choice(*ACTIVATIONS)]
Pool = Annotated[str, Choice(*POOLS)]


def widths_of(width: int | list[int], depth: int) -> list[int]:
    """Returns the units of each of `depth` layers: of all the same number, or a list of theirs.

    Raises:
        UserError: the list is not as long as there are layers, or has one below 1 or far too large.
    """
    widths = list(width) if isinstance(width, list) else [width] * depth
    if len(widths) != depth or not all(1 <= units <= WIDEST for units in widths):
        wanted = f"the units of each of model.depth={depth} layers, from 1 to {WIDEST:,}"
        raise UserError(f"model.width={widths} must list {wanted}")
    return widths


def activation_of(name: str) -> nn.Module:
    """Returns an activation by name, ReLU in place: what it is made of is not needed again."""
    return nn.ReLU(inplace=True) if name == "relu" else ACTIVATIONS[name]()


def sequence(layers: Mapping[str, nn.Module]) -> nn.Sequential:
    """Returns the layers one after another, under their names."""
    return nn.Sequential(OrderedDict(layers))


def image_size(shape: list[int], name: str, smallest: int = 1) -> tuple[int, int, int]:
    """Returns channels, height and width of images.

    Raises:
        UserError: samples are no images, or a side is shorter than `smallest` pixels.
    """
    if len(shape) != 3:
        raise UserError(
            f"model {name} needs images (channels × height × width), but data has shape {list(shape)}; use model=mlp"
        )
    channels, height, width = shape
    if min(height, width) < smallest:
        raise UserError(
            f"model {name} needs images of at least {smallest}×{smallest} pixels, but data has shape {list(shape)}"
            f"; use a smaller model, such as model=mlp, or larger images"
        )
    return channels, height, width


def fitting_tensors(model: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns those of the tensors whose name and shape the model has."""
    own = model.state_dict()
    return {name: value for name, value in tensors.items() if name in own and own[name].shape == value.shape}


def renamed(model: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Returns, by the model's names, those of tensors that it has with a part before or without it, such as
    `linear2.weight` by `residual2.linear2.weight`.
    """
    own = model.state_dict()
    left = {name: value for name, value in tensors.items() if name not in own}
    return {
        name: other
        for name, value in own.items()
        if name not in tensors
        for other in left
        if left[other].shape == value.shape and (name.endswith(f".{other}") or other.endswith(f".{name}"))
    }


def initialised(layers: Mapping[str, nn.Module], output: nn.Linear) -> nn.Sequential:
    """Returns layers and `output` one after another, with first weights for ReLU (see `initialise`)."""
    model = sequence({**layers, "output": output})
    initialise(model, output)
    return model


def initialise(model: nn.Module, *outputs: nn.Linear) -> None:
    """Gives a model first weights that keep the size of signals through a deep ReLU network, from torch's default
    generator.

    Convolutions and hidden linear layers after He et al., arXiv 1502.01852 (convolutions keep the size of gradients,
    fan-out); the last layers, `outputs`, start small, so that the first loss is close to that of a guess, ln(classes).
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
            nn.init.zeros_(module.bias)
    for output in outputs:
        nn.init.normal_(output.weight, std=0.01)
