"""Any classifier of torchvision by name, with or without its published weights."""

import functools
from typing import Annotated, Any

from torch import nn

from dlexp.errors import UserError
from dlexp.models import vision
from dlexp.models.auxiliary import Auxiliary
from dlexp.models.parts import fitting_tensors, image_size
from dlexp.ranges import Range


def torchvision(
    *,
    shape: list[int],
    num_outputs: Annotated[int, Range(ge=1)],
    name: str,
    weights: str | None,
    auxiliary: bool,
    auxiliary_weight: Annotated[float, Range(ge=0)],
) -> nn.Module:
    """Returns torchvision's model `name` from N×3×height×width to N×num_outputs; with `auxiliary` in training to an
    `Auxiliary` of these and of what its heads in the middle of the net say, whose losses count `auxiliary_weight` each.

    Published `weights` (DEFAULT or a name such as IMAGENET1K_V1) fill every layer whose shape they fit: the last layer
    starts new unless there are as many outputs as published classes. They expect inputs normalised with the mean and
    standard deviation of ImageNet: data.mean=[0.485,0.456,0.406] data.std=[0.229,0.224,0.225].

    Raises:
        UserError: samples are no colour images, there is no such model, no such weights or heads of it, or the weights
            can't be fetched.
    """
    channels, _, _ = image_size(shape, f"torchvision {name}")
    if channels != 3:
        raise UserError(
            f"model torchvision {name} takes images of 3 channels, but data has shape {list(shape)}"
            f"; use model=cnn or another model of our own, which take any number of channels"
        )
    model = vision.classifier(name, num_outputs, auxiliary)
    if auxiliary:
        model.register_forward_hook(functools.partial(_with_weights, auxiliary_weight))
    if weights is not None:
        published = vision.published_weights(name, weights)
        if next(model.parameters()).device.type != "meta":  # a look at shapes must not download
            model.load_state_dict(fitting_tensors(model, vision.fetch(published)), strict=False)
    return model


def _with_weights(weight: float, model: nn.Module, inputs: Any, outputs: Any) -> Any:
    """Returns what a forward hook of torch makes of a model's outputs: a tuple is what it gives in training alone."""
    if not isinstance(outputs, tuple):
        return outputs
    first, *others = outputs
    return Auxiliary(first, tuple(others), (weight,) * len(others))
