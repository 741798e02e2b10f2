"""Mean and standard deviation of a split's samples, for each channel or feature."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from dlexp.console.long_step import progress
from dlexp.data.splits import Column
from dlexp.data.stream.image_files import ImageFiles
from dlexp.data.stream.kept_figures import remembered

CHUNK = 2048
FILES_CHUNK = 64
# A pass over files that takes longer is remembered: each job of a sweep and each resumed run would make it again.
WORTH_SECONDS = 10.0


def statistics(inputs: Column) -> tuple[list[float], list[float]]:
    """Returns mean and standard deviation (of the population) per channel or feature.

    In units of [0, 1] for uint8 images. Exact: uint8 is counted, floats are summed in float64, both in
    chunks, so the split never exists as floats. Of files that take long it is remembered. A channel that never
    changes gets std 1, which leaves it at 0.
    """
    if isinstance(inputs, ImageFiles):
        mean, var = _of_files(inputs)
    elif inputs.dtype == torch.uint8:
        mean, var = _of_bytes(inputs.shape[1], chunks(inputs))
    else:
        mean, var = _of_floats(inputs)
    std = torch.where(var > 0, var.clamp(min=0).sqrt(), torch.ones_like(var))
    return [float(value) for value in mean], [float(value) for value in std]


def chunks(tensor: Tensor) -> Iterator[Tensor]:
    """Yields views of a few thousand samples each."""
    return (tensor[first : first + CHUNK] for first in range(0, len(tensor), CHUNK))


def _of_files(files: ImageFiles) -> tuple[Tensor, Tensor]:
    def as_lists(rows: Iterable[Iterable[Any]]) -> list[list[float]]:
        return [[float(value) for value in row] for row in rows]

    def find() -> list[list[float]]:
        return as_lists(_of_bytes(files.shape[1], _reported(files)))

    what = f"mean and variance, {list(files.shape[1:])}"
    mean, var = remembered(files.paths, what, find, as_lists, WORTH_SECONDS)
    return torch.tensor(mean, dtype=torch.float64), torch.tensor(var, dtype=torch.float64)


def _reported(files: ImageFiles) -> Iterator[Tensor]:
    """Yields all images in chunks, and says how far it is: a pass over files takes minutes."""
    with progress("Mean and standard deviation of the training images", unit="images") as report:
        done = 0
        for chunk in files.stream(torch.split(torch.arange(len(files)), FILES_CHUNK)):
            yield chunk
            done += len(chunk)
            report(done, len(files))


def _of_bytes(channels: int, parts: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    counts = torch.zeros(channels, 256, dtype=torch.float64)
    for chunk in parts:
        for channel in range(channels):
            counts[channel] += torch.bincount(chunk[:, channel].reshape(-1), minlength=256).cpu()
    values = torch.arange(256, dtype=torch.float64) / 255
    weights = counts / counts.sum(1, keepdim=True)
    mean = weights @ values
    return mean, (weights * (values - mean[:, None]).square()).sum(1)


def _of_floats(inputs: Tensor) -> tuple[Tensor, Tensor]:
    over = [axis for axis in range(inputs.ndim) if axis != 1]
    count = inputs.numel() // inputs.shape[1]
    # MPS has no float64: the sums are made where there is one.
    sums = [chunk.cpu().double().sum(over) for chunk in chunks(inputs)]
    mean = torch.stack(sums).sum(0) / count
    shape = [1, -1] + [1] * (inputs.ndim - 2)
    squares = [(chunk.cpu().double() - mean.view(shape)).square().sum(over) for chunk in chunks(inputs)]
    return mean, torch.stack(squares).sum(0) / count
