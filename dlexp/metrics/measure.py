"""What an option of the group `metric` is: sums over batches, and the one number that they come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dlexp.batch import IGNORED, Batch
from dlexp.machine.device import sum_dtype
from dlexp.metric import Metric

Sums = Mapping[str, Tensor]


class Measure:
    """A metric of one's own inherits from this, and owes `facts`, `sums` and `conclude`.

    The outputs are the model's, and `batch["targets"]` the answers that the task holds against them: class numbers
    (int64) N×… for logits N×classes×…, of which `IGNORED` counts nowhere; values (float) or labels (bool) of
    the outputs' shape.
    """

    facts: Metric
    of: Sequence[str] = ("classes", "values", "labels")
    """Which kinds of answers it measures; of others the rehearsal says so."""

    of_probabilities: bool = False
    """Whether it measures the softmax of the logits; scores whose softmax is no probability are refused then."""

    def prepared(self, targets: Tensor) -> Measure:
        """Returns the measure for a training whose data has such targets: of some samples, the same for a resume."""
        return self

    def sums(self, outputs: Any, batch: Batch) -> dict[str, Tensor]:
        """Returns sums over a batch, of any fixed shapes, on its device; counts as int64. Never waits for the device.

        While training with augmentation that mixes, targets of classes are probabilities N×classes (float).
        """
        raise NotImplementedError

    def conclude(self, sums: Sums, count: int) -> float:
        """Returns the metric of `count` samples from their sums, which lie on the CPU."""
        raise NotImplementedError


def classes_of(targets: Tensor) -> Tensor:
    """Returns class numbers; of probabilities N×classes, as mixing makes them, the likeliest."""
    return targets.argmax(dim=1) if targets.is_floating_point() else targets


def is_kept(targets: Tensor) -> Tensor:
    """Returns which class numbers count, as bools."""
    return targets != IGNORED


def counted(numbers: Tensor, kept: Tensor, size: int) -> Tensor:
    """Returns how often each number below `size` stands among those that are kept (int64)."""
    places = torch.where(kept, numbers, size).flatten()
    counts = torch.zeros(size + 1, dtype=torch.int64, device=numbers.device)
    return counts.scatter_add_(0, places, torch.ones_like(places))[:size]


def exact(values: Tensor) -> Tensor:
    """Returns values in the type of long sums."""
    return values.to(sum_dtype(values.device))


def ratio(part: Tensor, whole: Tensor) -> Tensor:
    """Returns part / whole as float64, 0 where the whole is 0."""
    return part.double() / torch.where(whole == 0, 1, whole)
