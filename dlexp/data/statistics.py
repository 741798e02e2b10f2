"""Mean and standard deviation of a split's samples, for each channel or feature."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from dlexp.data.splits import Column
from dlexp.data.stream.image_files import ImageFiles
from dlexp.data.stream.kept_figures import remembered

CHUNK = 2048
# A pass over files that takes longer is remembered: each job of a sweep and each resumed run would make it again.
WORTH_SECONDS = 10.0


def statistics(inputs: Column) -> tuple[list[float], list[float]]:
    """Returns mean and standard deviation (of the population) per channel or feature.

    In units of [0, 1] for uint8 images. Exact: uint8 is counted, floats are summed in float64, both in
    chunks, so the split never exists as floats. Of files that take long it is remembered. A channel that never
    changes gets std 1, which leaves it at 0.
    """
    mean, var = _of_files(inputs) if isinstance(inputs, ImageFiles) else _computed(inputs)
    std = torch.where(var > 0, var.clamp(min=0).sqrt(), torch.ones_like(var))
    return [float(value) for value in mean], [float(value) for value in std]


def chunks(column: Column, label: str = "Mean and standard deviation of the training samples") -> Iterator[Tensor]:
    """Returns all samples, some after the other: views of a few thousand of a tensor, what is stored is read.

    label: what a pass over what is stored is called, since it may take minutes.
    """
    if isinstance(column, Tensor):
        return (column[first : first + CHUNK] for first in range(0, len(column), CHUNK))
    return column.chunks(label)


def _computed(inputs: Column) -> tuple[Tensor, Tensor]:
    return _of_bytes(inputs) if inputs.dtype == torch.uint8 else _of_floats(inputs)


def _of_files(files: ImageFiles) -> tuple[Tensor, Tensor]:
    def as_lists(rows: Iterable[Iterable[Any]]) -> list[list[float]]:
        return [[float(value) for value in row] for row in rows]

    what = f"mean and variance, {list(files.shape[1:])} on {list(files.source.background)}"
    mean, var = remembered(files.paths, what, lambda: as_lists(_computed(files)), as_lists, WORTH_SECONDS)
    return torch.tensor(mean, dtype=torch.float64), torch.tensor(var, dtype=torch.float64)


def _of_bytes(images: Column) -> tuple[Tensor, Tensor]:
    counts = torch.zeros(images.shape[1], 256, dtype=torch.float64)
    for chunk in chunks(images):
        for channel in range(len(counts)):
            counts[channel] += torch.bincount(chunk[:, channel].reshape(-1), minlength=256).cpu()
    values = torch.arange(256, dtype=torch.float64) / 255
    weights = counts / counts.sum(1, keepdim=True)
    mean = weights @ values
    return mean, (weights * (values - mean[:, None]).square()).sum(1)


def _of_floats(inputs: Column) -> tuple[Tensor, Tensor]:
    over = [axis for axis in range(inputs.ndim) if axis != 1]
    count = math.prod(inputs.shape) // inputs.shape[1]
    # MPS has no float64: the sums are made where there is one.
    sums = [chunk.cpu().double().sum(over) for chunk in chunks(inputs)]
    mean = torch.stack(sums).sum(0) / count
    shape = [1, -1] + [1] * (inputs.ndim - 2)
    squares = [(chunk.cpu().double() - mean.view(shape)).square().sum(over) for chunk in chunks(inputs)]
    return mean, torch.stack(squares).sum(0) / count
