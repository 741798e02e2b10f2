"""What of a model stays as it is while the rest is trained: parameters, and with them running statistics."""

import fnmatch
from collections.abc import Collection, Iterator
from functools import partial

from torch import nn


def matching(model: nn.Module, pattern: str) -> list[str]:
    """Returns the names of the parameters and buffers that match a pattern such as `features.*`."""
    return fnmatch.filter([*dict(model.named_parameters()), *dict(model.named_buffers())], pattern)


def frozen_names(model: nn.Module) -> set[str]:
    """Returns the names of what stays as it is."""
    resting = {name for module, names in _with_buffers(model) if _rests(module) for name in names}
    return resting | {name for name, each in model.named_parameters() if not each.requires_grad}


def set_frozen(model: nn.Module, names: Collection[str]) -> None:
    """Takes these parameters out of the training, and all others into it.

    A layer with a buffer among them, such as the running mean of a batch norm, stays in evaluation mode; layers within
    it do not.
    """
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in names)
    for module, own in _with_buffers(model):
        if own.isdisjoint(names):
            vars(module).pop("train", None)
        elif not _rests(module):
            module.training = False
            # Whoever sets the mode of the whole model passes here.
            module.train = partial(_train_within, module)  # type: ignore[method-assign]


def _with_buffers(model: nn.Module) -> Iterator[tuple[nn.Module, set[str]]]:
    for prefix, module in model.named_modules():
        names = {f"{prefix}.{name}".removeprefix(".") for name, _ in module.named_buffers(recurse=False)}
        if names:
            yield module, names


def _train_within(module: nn.Module, mode: bool = True) -> nn.Module:
    type(module).train(module, mode)
    module.training = False
    return module


def _rests(module: nn.Module) -> bool:
    return "train" in vars(module)
