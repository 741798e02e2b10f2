"""Samples that a person's own object reads: a file of arrays, a database, a map-style Dataset of torch."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    default_collate,
)

from dlexp.data.stream.readers import leave_signals_to_others
from dlexp.data.stream.stored import Stored
from dlexp.errors import UserError
from dlexp.machine import generators

log = logging.getLogger(__name__)

# Batches that are read ahead of the one that is trained on.
AHEAD = 2


class Rows(Protocol):
    """Samples that are not in memory. A method `content() -> str`, if there is one, tells what they are, in a few
    characters; else all of them are read once to hash them.
    """

    def __len__(self) -> int: ...

    def read(self, rows: list[int]) -> Any:
        """Returns these samples: an array or tensor n×…, or a dict of such by the names of fields.

        Called in a thread of its own, one call at a time. Of samples of unequal length it pads those of a batch.
        """
        ...


class Stream:
    """Samples that come one after the other, `length` of them an epoch, in which they begin anew.

    dataset: gives them when it is iterated over. A method `collate(samples)` of it makes a dict of a batch of them.
    """

    def __init__(self, dataset: Iterable[Any], length: int) -> None:
        self.dataset, self.length, self.collate = dataset, length, getattr(dataset, "collate", _stacked)
        if hasattr(dataset, "content"):
            self.content = dataset.content

    def __len__(self) -> int:
        return self.length

    def begin(self) -> Callable[[list[int]], Any]:
        """Returns what reads the next samples each time, as many as it is given rows."""

        def one_by_one() -> Iterator[Any]:  # so that it begins with the first batch, seeded as that
            yield from self.dataset

        samples = one_by_one()

        def read(rows: list[int]) -> Any:
            found = list(islice(samples, len(rows)))
            if len(found) < len(rows):
                raise UserError(f"{type(self.dataset).__name__} ended before it had given its {self.length} samples")
            return self.collate(found)

        return read


def stored(given: Any) -> dict[str, Stored] | None:
    """Returns the fields of an object that reads samples, "" where it is one without a name; None where it is none.

    given: `Rows`, a `Stream` or what is iterated over and has a length, an array that is mapped into memory, or what
    has a length and gives a sample for a number: a field, a pair of inputs and targets, or a dict of fields. Its method
    `collate(samples)`, if there is one, makes a dict of a batch of them. Of a DataLoader of torch the dataset and its
    way to collate are taken: order and batches are dlexp's.
    """
    rows = _rows_of(given)
    if rows is None:
        return None
    if not len(rows):
        raise UserError(f"{type(given).__name__} holds no samples")
    source = _Source(rows, type(given).__name__)
    return {
        name: Stored(source, name, [len(rows), *field.shape[1:]], field.dtype) for name, field in source.first.items()
    }


def _rows_of(given: Any) -> Any:
    if isinstance(given, DataLoader):
        return _loaded(given)
    if isinstance(given, np.memmap):
        return _Array(given)
    if isinstance(given, Stream) or hasattr(given, "read") and hasattr(given, "__len__"):
        return given
    if isinstance(given, list | tuple | str | bytes | Mapping | np.ndarray):
        return None
    if hasattr(given, "__iter__") and not _is_map(given):
        if not hasattr(given, "__len__"):
            name = type(given).__name__
            raise UserError(
                f"{name} is iterated over and has no length: Split(Stream(…, length=1000)), with Stream of"
                " dlexp.data.stream.rows, says how many of its samples are an epoch"
            )
        return Stream(given, len(given))
    return _Samples(given) if _is_map(given) and hasattr(given, "__len__") else None


def _is_map(given: Any) -> bool:
    # A torch IterableDataset has __getitem__ too, which only raises.
    return hasattr(given, "__getitem__") and not isinstance(given, IterableDataset)


class _Source:
    """What reads in a thread of its own, ahead of the training.

    An object that draws from the default generators is read in the training's thread, seeded for each batch, since they
    are those of all threads.
    """

    def __init__(self, rows: Any, kind: str) -> None:
        self._rows, self._kind, self._lock = rows, kind, threading.Lock()
        tell = getattr(rows, "content", None)
        self.content = None if tell is None else str(tell())
        self.largest = len(rows)  # samples of unequal length are padded to one, so they are read as one
        self.chooses = not isinstance(rows, Stream)
        with generators.kept():
            generators.seed(0)
            untouched = generators.next_numbers()
            generators.seed(0)
            self.first = self._read(self._begun(), [0])
            self._draws = generators.next_numbers() != untouched
        if self._draws:
            log.info(f"{kind} draws random numbers when it is read: it is not read ahead of the training")

    def stream(self, batches: Sequence[Tensor], seed_of: Callable[[int], int]) -> Iterator[Mapping[str, Tensor]]:
        begun = self._begun()
        if self._draws:
            for number, rows in enumerate(batches):
                with generators.kept():
                    generators.seed(seed_of(number))
                    fields = self._read(begun, rows.tolist())
                yield fields
            return
        todo, ahead = iter(batches), deque[Future[dict[str, Tensor]]]()
        with ThreadPoolExecutor(1, "rows", initializer=leave_signals_to_others) as thread:
            try:
                while True:
                    while len(ahead) <= AHEAD and (following := next(todo, None)) is not None:
                        ahead.append(thread.submit(self._read, begun, following.tolist()))
                    if not ahead:
                        return
                    yield ahead.popleft().result()
            finally:
                for each in ahead:
                    each.cancel()

    def _begun(self) -> Callable[[list[int]], Any]:
        return self._rows.read if self.chooses else self._rows.begin()  # type: ignore[no-any-return]

    def _read(self, begun: Callable[[list[int]], Any], rows: list[int]) -> dict[str, Tensor]:
        with self._lock:
            found = begun(rows)
        fields = {name: _tensor(field) for name, field in _by_name(found).items()}
        for name, field in fields.items():
            if field.ndim == 0 or len(field) != len(rows):
                what = f"{name} of " if name else ""
                raise UserError(f"{self._kind} was asked for {len(rows)} rows, and {what}what it read has the shape"
                                f" {list(field.shape)}")  # fmt: skip
        return fields


class _Array:
    """An array that lies in a file."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def read(self, rows: list[int]) -> Any:
        return np.asarray(self.array[rows])


class _Samples:
    """What gives one sample after the other."""

    def __init__(self, dataset: Any, collate: Callable[[list[Any]], Any] | None = None) -> None:
        self.dataset = dataset
        self.collate: Any = collate or getattr(dataset, "collate", _stacked)
        if hasattr(dataset, "content"):
            self.content = dataset.content

    def __len__(self) -> int:
        return len(self.dataset)

    def read(self, rows: list[int]) -> Any:
        return self.collate([self.dataset[row] for row in rows])


def _loaded(loader: DataLoader[Any]) -> "_Samples | Stream":
    """Returns the samples of a DataLoader, whatever its order and batches.

    Raises:
        UserError: how it chooses samples can't be taken over.
    """
    own = None if loader.collate_fn is default_collate else loader.collate_fn
    if isinstance(loader.dataset, IterableDataset):
        found = _rows_of(loader.dataset)
        found.collate = own or found.collate
        return found  # type: ignore[no-any-return]
    chooses = loader.sampler if type(loader.batch_sampler) is BatchSampler else loader.batch_sampler
    if type(chooses) not in (SequentialSampler, RandomSampler) or getattr(chooses, "replacement", False):
        raise UserError(
            f"dlexp chooses the samples of a DataLoader itself, and this one has a {type(chooses).__name__}:"
            " Split(dataset, weights=…) draws samples by weights, groups=… keeps them together"
        )
    return _Samples(loader.dataset, own)


def _stacked(samples: Sequence[Any]) -> dict[str, Tensor]:
    """Returns the samples' fields, each one after the other; numbers in double precision become float32."""
    of_samples = [_by_name(sample) for sample in samples]
    found = {}
    for name in of_samples[0]:
        field = torch.stack([_tensor(sample[name]) for sample in of_samples])
        found[name] = field.float() if field.dtype == torch.float64 else field
    return found


def _tensor(values: Any) -> Tensor:
    # Copied: an array may be a part of the data, and a model may change its input.
    return values if isinstance(values, Tensor) else torch.tensor(np.asarray(values))


def _by_name(sample: Any) -> Mapping[str, Any]:
    if isinstance(sample, Mapping):
        return sample
    if not isinstance(sample, tuple | list):
        return {"": sample}
    if len(sample) != 2:
        raise UserError(f"a sample of {len(sample)} parts has to be a dict that names them; a pair is inputs, targets")
    return dict(zip(("inputs", "targets"), sample, strict=True))
