"""What the hand-written contenders share: data as ready tensors, and the machine set as dlexp sets it."""

import json
import os
import time

import torch
from torch import Tensor, nn

from dlexp.data.cifar10 import cifar10
from dlexp.data.mnist import mnist
from dlexp.machine import device

MEAN = {"mnist": [0.1307], "cifar10": [0.4914, 0.4822, 0.4465]}
STD = {"mnist": [0.3081], "cifar10": [0.2470, 0.2435, 0.2616]}


def prepare(threads: int, allocator: bool = True) -> None:
    """Sets the number of threads, and glibc's allocator to keep large blocks."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    if allocator:
        device.keep_freed_memory()


def tensors(name: str, limit: int | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Returns normalised training inputs, targets, test inputs, targets; at most `limit` of each."""
    load = {"mnist": mnist, "cifar10": cifar10}[name]
    splits = load(root=os.environ["DLEXP_DATA"], download=False, url=None)
    assert splits.test is not None
    mean, std = (torch.tensor(values[name]).view(1, -1, 1, 1) for values in (MEAN, STD))
    (x, y), (x_test, y_test) = ((split.inputs[:limit], split.targets[:limit]) for split in (splits.train, splits.test))
    return (x / 255 - mean) / std, y, (x_test / 255 - mean) / std, y_test


def augmented(images: Tensor) -> Tensor:
    """Shifts each image by up to 4 pixels (mirrored edge) and flips half of them."""
    count, _, height, width = images.shape
    images = torch.nn.functional.pad(images, [4] * 4, "reflect")
    images = torch.where(torch.rand(count, 1, 1, 1) < 0.5, images.flip(3), images).permute(0, 2, 3, 1)
    top, left = torch.randint(9, (2, count, 1))
    rows, columns = (top + torch.arange(height))[:, :, None], (left + torch.arange(width))[:, None]
    return images[torch.arange(count)[:, None, None], rows, columns].permute(0, 3, 1, 2)


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor, precision: str = "float32") -> float:
    """Returns the share of right answers, 500 images at once."""
    model.eval()
    with torch.autocast("cpu", getattr(torch, precision), enabled=precision != "float32"):
        answers = torch.cat([model(images).argmax(1) for images in x.split(500)])
    return (answers == y).float().mean().item()


class Clock:
    """Seconds of each epoch."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.start()

    def start(self) -> None:
        self._started = time.perf_counter()

    def stop(self) -> None:
        self.seconds.append(time.perf_counter() - self._started)


def report(clock: Clock, count: int, **facts: float) -> None:
    """Prints one line: `rate`, which is `count` an epoch over the median epoch after the first, and other facts."""
    later = sorted(clock.seconds[1:] or clock.seconds)
    print(json.dumps({"rate": count / later[len(later) // 2], "seconds": sum(clock.seconds), **facts}))
