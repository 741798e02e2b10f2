"""Mean, standard deviation and extremes of a split's samples, for each channel or feature."""

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dlexp.data.splits import Column
from dlexp.data.stream.image_files import ImageFiles
from dlexp.data.stream.kept_figures import remembered
from dlexp.data.stream.stored import CHUNK as STORED_CHUNK

CHUNK = 2048
# A pass over files that takes longer is remembered: each job of a sweep and each resumed run would make it again.
WORTH_SECONDS = 10.0


class Figures(NamedTuple):
    """One number per channel or feature. std: of the population, 1 where nothing changes. low, high: extremes."""

    mean: list[float]
    std: list[float]
    low: list[float]
    high: list[float]


def statistics(inputs: Column) -> Figures:
    """Returns the figures of all samples, in their own values, but mean and std of uint8 in units of [0, 1].

    Exact: uint8 is counted, floats are summed in float64, both in chunks, so the split never exists as floats. Of files
    that take long they are remembered. A channel that never changes gets std 1, which leaves it at 0.
    """
    mean, var, low, high = _of_files(inputs) if isinstance(inputs, ImageFiles) else _computed(inputs)
    std = torch.where(var > 0, var.clamp(min=0).sqrt(), torch.ones_like(var))
    return Figures(*([float(value) for value in each] for each in (mean, std, low, high)))


def chunks(column: Column, label: str = "Mean and standard deviation of the training samples") -> Iterator[Tensor]:
    """Returns all samples, some after the other: views of a few thousand of a tensor, what is stored is read.

    Of images that are floats so few at a time as of stored ones, that sums are the same to the bit.

    label: what a pass over what is stored is called, since it may take minutes.
    """
    if isinstance(column, Tensor):
        size = STORED_CHUNK if column.ndim == 4 and column.is_floating_point() else CHUNK
        return (column[first : first + size] for first in range(0, len(column), size))
    return column.chunks(label)


def _computed(inputs: Column) -> tuple[Tensor, ...]:
    return _of_bytes(inputs) if inputs.dtype == torch.uint8 else _of_floats(inputs)


def _of_files(files: ImageFiles) -> tuple[Tensor, ...]:
    def as_lists(rows: Iterable[Iterable[Any]]) -> list[list[float]]:
        return [[float(value) for value in row] for row in rows]

    what = f"mean, variance and extremes, {list(files.shape[1:])} on {list(files.source.background)}"
    found = remembered(files.paths, what, lambda: as_lists(_computed(files)), as_lists, WORTH_SECONDS)
    return tuple(torch.tensor(found, dtype=torch.float64))


def _of_bytes(images: Column) -> tuple[Tensor, ...]:
    counts = torch.zeros(images.shape[1], 256, dtype=torch.float64)
    for chunk in chunks(images):
        for channel in range(len(counts)):
            counts[channel] += torch.bincount(chunk[:, channel].reshape(-1), minlength=256).cpu()
    values = torch.arange(256, dtype=torch.float64) / 255
    weights = counts / counts.sum(1, keepdim=True)
    mean = weights @ values
    occurs = (counts > 0).to(torch.int64)
    low, high = occurs.argmax(dim=1), 255 - occurs.flip(1).argmax(dim=1)
    return mean, (weights * (values - mean[:, None]).square()).sum(1), low, high


def _of_floats(inputs: Column) -> tuple[Tensor, ...]:
    over = [axis for axis in range(inputs.ndim) if axis != 1]
    count = math.prod(inputs.shape) // inputs.shape[1]
    sums, lows, highs = [], [], []
    for chunk in chunks(inputs):
        values = chunk.cpu().double()  # MPS has no float64: the sums are made where there is one
        sums.append(values.sum(over))
        lows.append(values.amin(over))
        highs.append(values.amax(over))
    mean = torch.stack(sums).sum(0) / count
    shape = [1, -1] + [1] * (inputs.ndim - 2)
    squares = [(chunk.cpu().double() - mean.view(shape)).square().sum(over) for chunk in chunks(inputs)]
    var = torch.stack(squares).sum(0) / count
    return mean, var, torch.stack(lows).amin(0), torch.stack(highs).amax(0)
