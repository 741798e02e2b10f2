"""What gives samples for numbers, and samples of any form as fields by name."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlexp.errors import UserError


class ArrayRows:
    """An array that lies in a file."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def read(self, rows: list[int]) -> Any:
        return np.asarray(self.array[rows])


class Samples:
    """What gives one sample after the other."""

    def __init__(self, dataset: Any, collate: Callable[[list[Any]], Any] | None = None) -> None:
        self.dataset = dataset
        self.collate: Any = collate or getattr(dataset, "collate", stacked)
        if hasattr(dataset, "content"):
            self.content = dataset.content

    def __len__(self) -> int:
        return len(self.dataset)

    def read(self, rows: list[int]) -> Any:
        return self.collate([self.dataset[row] for row in rows])


def stacked(samples: Sequence[Any]) -> dict[str, Tensor]:
    """Returns the samples' fields, each one after the other; numbers in double precision become float32."""
    of_samples = [by_name(sample) for sample in samples]
    found = {}
    for name in of_samples[0]:
        field = torch.stack([as_tensor(sample[name]) for sample in of_samples])
        found[name] = field.float() if field.dtype == torch.float64 else field
    return found


def as_tensor(values: Any) -> Tensor:
    # Copied: an array may be a part of the data, and a model may change its input.
    return values if isinstance(values, Tensor) else torch.tensor(np.asarray(values))


def by_name(sample: Any) -> Mapping[str, Any]:
    if isinstance(sample, Mapping):
        return sample
    if not isinstance(sample, tuple | list):
        return {"": sample}
    if len(sample) != 2:
        raise UserError(f"a sample of {len(sample)} parts has to be a dict that names them; a pair is inputs, targets")
    return dict(zip(("inputs", "targets"), sample, strict=True))
