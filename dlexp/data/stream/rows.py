"""Samples that a person's own object reads: a file of arrays, a database, a map-style Dataset of torch."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from dlexp.data.stream.loaders import LoadedSamples, collate_of
from dlexp.data.stream.readers import leave_signals_to_others
from dlexp.data.stream.samples import ArrayRows, Samples, as_tensor, by_name
from dlexp.data.stream.stored import Stored
from dlexp.data.stream.streams import Pass, Stream, as_saved
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


def stored(given: Any) -> dict[str, Stored] | None:
    """Returns the fields of an object that reads samples, "" where it is one without a name; None where it is none.

    given: `Rows`, a `Stream` or what is iterated over and has a length, an array that is mapped into memory, or what
    has a length and gives a sample for a number: a field, a pair of inputs and targets, or a dict of fields. Its method
    `collate(samples)`, if there is one, makes a dict of a batch of them. Of a DataLoader of torch the dataset, its way
    to collate and its worker processes are taken (a stream has none): order and batches are dlexp's.
    """
    rows = _rows_of(given)
    if rows is None:
        return None
    if not len(rows):
        raise UserError(f"{type(given).__name__} holds no samples")
    source = _Source(rows, type(rows.dataset if isinstance(rows, Samples | Stream) else given).__name__)
    return {
        name: Stored(source, name, [len(rows), *field.shape[1:]], field.dtype) for name, field in source.first.items()
    }


def _rows_of(given: Any) -> Any:
    if isinstance(given, DataLoader):
        if not isinstance(given.dataset, IterableDataset):
            return LoadedSamples(given)
        found = _rows_of(given.dataset)
        found.collate = collate_of(given) or found.collate
        return found
    if isinstance(given, np.memmap):
        return ArrayRows(given)
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
    return Samples(given) if _is_map(given) and hasattr(given, "__len__") else None


def _is_map(given: Any) -> bool:
    # A torch IterableDataset has __getitem__ too, which only raises.
    return hasattr(given, "__getitem__") and not isinstance(given, IterableDataset)


class _Source:
    """What reads in a thread of its own, ahead of the training, or in the worker processes of a DataLoader.

    An object that draws from the default generators is read in the training's thread, seeded for each batch, since they
    are those of all threads.
    """

    def __init__(self, rows: Any, kind: str) -> None:
        self._rows, self._kind, self._lock = rows, kind, threading.Lock()
        tell = getattr(rows, "content", None)
        self.content = None if tell is None else str(tell())
        self.largest = len(rows)  # samples of unequal length are padded to one, so they are read as one
        self.chooses = not isinstance(rows, Stream)
        self.position: Any = None
        self._tells = True
        # Where there are workers, only they read: what a dataset opens for its first sample here they would all share.
        self._num_workers = rows.num_workers if isinstance(rows, LoadedSamples) else 0
        with generators.kept():
            if self._num_workers:
                self._draws = False
                self.first, again = self._read_elsewhere([[0], [0]], [0, 0], num_workers=1)
            else:
                self.first, self._draws = self._first_sample()
                again, _ = self._first_sample()
            self.repeats = _are_same(self.first, again)
            self._tells = self._leads_back()
        if not self._tells:
            self.position = None
        if self._draws:
            log.info(f"{kind} draws random numbers when it is read: it is not read ahead of the training")
        if not self.repeats:
            log.warning(
                f"warning: {kind} gives another sample when it is read again, so a resume will be refused; what it"
                " draws at random has to come from the default generators"
            )

    def stream(
        self, batches: Sequence[Tensor], seed_of: Callable[[int], int], position: Any = None
    ) -> Iterator[Mapping[str, Tensor]]:
        if self._num_workers and batches:
            seeds = [seed_of(number) for number in range(len(batches))]
            yield from self._read_elsewhere([rows.tolist() for rows in batches], seeds, self._num_workers)
            return
        begun = self._begun(position)
        if self._draws:
            for number, rows in enumerate(batches):
                with generators.kept():
                    generators.seed(seed_of(number))
                    fields, self.position = self._read(begun, rows.tolist())
                yield fields
            return
        todo, ahead = iter(batches), deque[Future[tuple[dict[str, Tensor], Any]]]()
        with ThreadPoolExecutor(1, "rows", initializer=leave_signals_to_others) as thread:
            try:
                while True:
                    while len(ahead) <= AHEAD and (following := next(todo, None)) is not None:
                        ahead.append(thread.submit(self._read, begun, following.tolist()))
                    if not ahead:
                        return
                    fields, self.position = ahead.popleft().result()
                    yield fields
            finally:
                for each in ahead:
                    each.cancel()

    def _read_elsewhere(
        self, batches: Sequence[list[int]], seeds: Sequence[int], num_workers: int
    ) -> Iterator[dict[str, Tensor]]:
        with closing(self._rows.read_elsewhere(batches, seeds, min(num_workers, len(batches)))) as found:
            for rows, fields in zip(batches, found, strict=True):
                yield self._checked(fields, len(rows))

    def _begun(self, position: Any = None) -> Callable[[list[int]], Any]:
        return self._rows.read if self.chooses else self._rows.begin(position)  # type: ignore[no-any-return]

    def _read(self, begun: Callable[[list[int]], Any], rows: list[int]) -> tuple[dict[str, Tensor], Any]:
        """Returns the fields of the samples, and where a stream that tells it is after them."""
        with self._lock:
            found = begun(rows)
            position = begun.position() if self._tells and isinstance(begun, Pass) else None
        return self._checked({name: as_tensor(field) for name, field in by_name(found).items()}, len(rows)), position

    def _checked(self, fields: dict[str, Tensor], count: int) -> dict[str, Tensor]:
        for name, field in fields.items():
            if field.ndim == 0 or len(field) != count:
                what = f"{name} of " if name else ""
                raise UserError(f"{self._kind} was asked for {count} rows, and {what}what it read has the shape"
                                f" {list(field.shape)}")  # fmt: skip
        return fields

    def _first_sample(self) -> tuple[dict[str, Tensor], bool]:
        """Returns its fields, and whether the default generators were drawn from, or borrowed."""
        generators.seed(0)
        untouched = generators.next_numbers()
        generators.seed(0)
        with generators.told_of_setting() as told:
            fields, self.position = self._read(self._begun(), [0])
        return fields, bool(told) or generators.next_numbers() != untouched

    def _leads_back(self) -> bool:
        """Returns whether the position after the first sample, as a file of the run holds it, leads to the second."""
        if self.position is None or len(self._rows) < 2:
            return False
        begun = self._begun()
        _, position = self._read(begun, [0])
        try:
            saved = as_saved(position)
        except Exception as error:  # of the person's objects, of pickle, or of torch about what it would not load
            reason = f"can't be saved ({' '.join(str(error).split())[:100]})"
        else:
            generators.seed(1)
            following, _ = self._read(begun, [1])
            generators.seed(1)
            again, _ = self._read(self._begun(saved), [1])
            if _are_same(following, again):
                return True
            reason = "does not lead back to where it was"
        log.info(f"the state_dict of {self._kind} {reason}: a resume passes over what was trained on")
        return False


def _are_same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Returns whether samples are the same to the bit."""

    def content(fields: Mapping[str, Tensor]) -> list[Any]:
        values = [each.contiguous().flatten().view(torch.uint8).tolist() for each in fields.values()]
        return [[(name, each.shape, each.dtype) for name, each in fields.items()], values]

    return content(one) == content(other)
