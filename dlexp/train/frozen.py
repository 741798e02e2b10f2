"""What of a model stays as it is while the rest is trained: parameters, and with them running statistics."""

import fnmatch
from collections.abc import Collection, Iterator, Sequence
from functools import partial

from torch import nn
from torch.optim import Optimizer

from dlexp.errors import UserError, listed


def matching(model: nn.Module, pattern: str) -> list[str]:
    """Returns the names of the parameters and buffers that match a pattern such as `features.*`."""
    return fnmatch.filter([*dict(model.named_parameters()), *dict(model.named_buffers())], pattern)


def to_freeze(model: nn.Module, patterns: Sequence[str]) -> set[str]:
    """Returns the names of the parameters and buffers that match any of the patterns.

    Raises:
        UserError: a pattern matches nothing, or everything would be frozen.
    """
    names = [name for name, _ in model.named_parameters()]
    found: set[str] = set()
    for pattern in patterns:
        matched = matching(model, pattern)
        if not matched:
            raise UserError(f"freeze={pattern} matches none of the parameters: {listed(names)}")
        found.update(matched)
    if not any(each.requires_grad and name not in found for name, each in model.named_parameters()):
        raise UserError(f"freeze={','.join(patterns)} leaves no parameter to train")
    return found


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


def rest_finished(optimizer: Optimizer) -> None:
    """Spares the gradients of groups whose part of the run is over: their learning rate stays 0."""
    for group in optimizer.param_groups:
        if group.get("until", 1.0) < 1 and group["lr"] == 0:
            for parameter in group["params"]:
                parameter.requires_grad_(False)


def trained_parameters(
    model: nn.Module, task: nn.Module, method: nn.Module | None = None, *, may_thaw: bool = False
) -> list[tuple[str, nn.Parameter]]:
    """Returns what the optimizer trains, by name: of the model, of a task or its criterion, and of a method that has
    parameters. Where frozen ones `may_thaw`, it has them too, and rests them while they have no gradient.
    """
    own = [(name if name.startswith("criterion.") else f"task.{name}", each) for name, each in task.named_parameters()]
    named = [*model.named_parameters(), *own, *(method.named_parameters(prefix="method") if method else [])]
    of_model = {id(each) for each in model.parameters()} if may_thaw else set()
    return [(name, each) for name, each in named if each.requires_grad or id(each) in of_model]


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
