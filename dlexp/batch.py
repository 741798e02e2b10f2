"""A batch, and tensors in whatever a model returns: alone, or in tuples, lists and dicts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

Batch = Mapping[str, Tensor]
"""Fields by name, a row a sample, on the run's device: `inputs` and `targets`, or the data's own names."""
IGNORED = -100
"""The class number of what counts neither in the loss nor in a metric; torch's own."""


def num_rows(batch: Batch) -> int:
    """Returns how many samples a batch has."""
    return next(iter(batch.values())).shape[0]  # a tensor's `len` takes four times as long


def first_of(batch: Batch) -> Tensor:
    """Returns the first field of a batch that is not its targets."""
    return next(field for name, field in batch.items() if name != "targets")


def added(totals: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns totals by name with those of another batch added."""
    return {name: totals[name] + value if name in totals else value for name, value in found.items()}


def mapped(function: Callable[[Tensor], Tensor], tree: Any) -> Any:
    """Returns the same tree with another tensor for each; what is no tensor stays as it is."""
    if isinstance(tree, Tensor):
        return function(tree)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):  # a NamedTuple
        return type(tree)(*(mapped(function, each) for each in tree))
    if isinstance(tree, tuple | list):
        return type(tree)(mapped(function, each) for each in tree)
    if isinstance(tree, Mapping):
        return {name: mapped(function, each) for name, each in tree.items()}
    return tree


def joined(trees: Sequence[Any]) -> Any:
    """Returns one tree whose tensors are those of several alike, one after the other."""
    first = trees[0]
    if isinstance(first, Tensor):
        return torch.cat(list(trees))
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*map(joined, zip(*trees, strict=True)))
    if isinstance(first, tuple | list):
        return type(first)(joined(each) for each in zip(*trees, strict=True))
    if isinstance(first, Mapping):
        return {name: joined([tree[name] for tree in trees]) for name in first}
    return first
