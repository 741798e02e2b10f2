"""Stratified samples: each part has its share of every class."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlexp.data.splits import Split


def stratified(classes: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Returns which samples are held out, bool N: `count` of them, of each class in proportion to its size.

    Seats are dealt so by Sainte-Laguë: the k-th sample of a class of n stands at (k - 1/2) / n, and the first ones are
    taken. Before all of that comes one of each class that has two, and after all the last one of each, so that a class
    is in both parts if it can be, and in the part that is left else.
    """
    order = torch.randperm(len(classes), generator=generator)
    before, sizes = turns(classes[order])
    places = (before + 0.5) / sizes - ((before == 0) & (sizes > 1)).double() + (before == sizes - 1).double()
    chosen = order[places.argsort(stable=True)[:count]]
    return torch.zeros(len(classes), dtype=torch.bool).index_fill(0, chosen, True)


def turns(classes: Tensor) -> tuple[Tensor, Tensor]:
    """Returns for each sample how many of its class stand before it, and how many there are."""
    by_class, counts = classes.argsort(stable=True), classes.bincount()
    first = (counts.cumsum(0) - counts).repeat_interleave(counts)
    found = torch.empty_like(classes)
    found[by_class] = torch.arange(len(classes)) - first
    return found, counts[classes]


def class_numbers(split: Split) -> Tensor | None:
    """Returns the classes numbered from 0, int64 N: of those that a task ignores some lie below 0, or far off."""
    return None if split.classes is None else numbered(split.classes.numpy())


def numbered(values: NDArray[Any]) -> Tensor:
    """Returns for each value the number that it has among all different ones, sorted, from 0 on (int64)."""
    return torch.from_numpy(np.unique(values, return_inverse=True)[1].astype(np.int64))


def generator(seed: int) -> torch.Generator:
    """Returns a generator on the CPU."""
    return torch.Generator().manual_seed(seed)
