"""Samples that come one after the other, and where a pass over them is."""

import copy
import io
from collections.abc import Iterator
from itertools import islice
from typing import Any
from weakref import WeakValueDictionary

import torch

from dlexp.data.stream.samples import stacked
from dlexp.errors import UserError


class Stream:
    """Samples that come one after the other, `length` of them an epoch, in which they begin anew.

    dataset: gives them when it is iterated over. A method `collate(samples)` of it makes a dict of a batch of them. If
    it, or its iterator, has `state_dict` and `load_state_dict`, a resume goes on from there; else it begins the epoch
    anew and passes over what was trained on.
    """

    def __init__(self, dataset: Any, length: int) -> None:
        self.dataset = dataset
        self.length, self.collate = length, getattr(dataset, "collate", stacked)
        if hasattr(dataset, "content"):
            self.content = dataset.content
        self._beginning = copy.deepcopy(self.dataset.state_dict()) if _keeps_state(dataset) else None

    def __len__(self) -> int:
        return self.length

    def begin(self, position: Any) -> "Pass":
        """Returns what reads the next samples each time, from their beginning or from a position within."""
        return Pass(self, self._beginning if position is None else position)


class Pass:
    """One pass over a stream. It begins when it is first read, so that it is seeded as that batch is.

    Of a dataset that keeps its state itself only the pass that began last can go on: an older one raises UserError.
    """

    def __init__(self, stream: Stream, position: Any) -> None:
        self._stream, self._from = stream, position
        self._samples: Iterator[Any] | None = None

    def __call__(self, rows: list[int]) -> Any:
        if self._samples is None:
            self._samples = self._begun()
        self._hold_to_own_state()
        found = list(islice(self._samples, len(rows)))
        self._hold_to_own_state()  # what another source reads of it has a lock of its own
        if len(found) < len(rows):
            name = type(self._stream.dataset).__name__
            raise UserError(f"{name} ended before it had given its {self._stream.length} samples")
        return self._stream.collate(found)

    def position(self) -> Any:
        """Returns where it is, None where nobody tells."""
        teller: Any = next((each for each in (self._stream.dataset, self._samples) if _keeps_state(each)), None)
        return None if teller is None else copy.deepcopy(teller.state_dict())

    def _begun(self) -> Iterator[Any]:
        dataset = self._stream.dataset
        if _keeps_state(dataset):
            _last_begun[id(dataset)] = self
            dataset.load_state_dict(copy.deepcopy(self._from))
            return iter(dataset)
        samples: Any = iter(dataset)
        if self._from is not None:
            samples.load_state_dict(copy.deepcopy(self._from))
        return samples  # type: ignore[no-any-return]

    def _hold_to_own_state(self) -> None:
        dataset = self._stream.dataset
        if _keeps_state(dataset) and _last_begun.get(id(dataset)) is not self:
            raise UserError(
                f"{type(dataset).__name__} keeps where it is itself, and was begun anew before a pass over it ended:"
                " an iterator with state_dict and load_state_dict of its own, or a dataset of its own for each split,"
                " lets several read it"
            )


# By the dataset's id, which is nobody else's while the pass is there.
_last_begun: WeakValueDictionary[int, Pass] = WeakValueDictionary()


def _keeps_state(given: Any) -> bool:
    return hasattr(given, "state_dict") and hasattr(given, "load_state_dict")


def as_saved(position: Any) -> Any:
    """Returns it as it comes back from a file of a run. Raises what pickle and torch raise where it can't."""
    file = io.BytesIO()
    torch.save(position, file)
    file.seek(0)
    return torch.load(file, weights_only=True)
