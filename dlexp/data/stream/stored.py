"""Samples that lie elsewhere until a batch needs them: what stands in a split where a tensor doesn't fit."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from dlexp.console.long_step import progress
from dlexp.errors import UserError

# Samples of a chunk of all.
CHUNK = 64
# Seconds from which on it is said that a pass over all of them is done.
WORTH_SAYING = 1.0


class Source(Protocol):
    """Where samples lie, each with fields by name.

    content: what tells it from another one, where that is known. largest: samples read as one where no batch size is
    given. chooses: whether any samples can be asked for; else they come one after the other. repeats: whether a sample
    that is read again is the same. position: where it is after what it gave last, None where it can't go on from there.
    """

    content: str | None
    largest: int
    chooses: bool
    repeats: bool
    position: Any

    def stream(
        self, batches: Sequence[Tensor], seed_of: Callable[[int], int], position: Any = None
    ) -> Iterator[Mapping[str, Tensor]]:
        """Yields the fields of the samples of each index on the CPU, read ahead; they may be overwritten by the next.

        seed_of: gives for the number of a batch the seed of what reading it draws at random. position: what was before
        the first of them, of a source that has one.
        """
        ...


class Stored:
    """A field of N samples of a source, with as much of a tensor's interface as a split needs.

    Choosing samples and a device reads nothing; `stream` reads batch after batch ahead of its user, and indexing reads
    at once. What is chosen from one source shares it.
    """

    def __init__(self, source: Source, name: str, shape: Sequence[int], dtype: torch.dtype) -> None:
        self.source, self.name, self.dtype = source, name, dtype
        self.sample_shape = list(shape[1:])
        self.index = torch.arange(shape[0])
        self.device = torch.device("cpu")
        self.hold: Callable[[Tensor], None] | None = None  # raises UserError for what is read, on the CPU yet

    def __len__(self) -> int:
        return len(self.index)

    @property
    def shape(self) -> torch.Size:
        """That of all samples, where they have one; else with the sizes of the first sample."""
        return torch.Size([len(self), *self.sample_shape])

    @property
    def ndim(self) -> int:
        """Axes, the samples' included."""
        return 1 + len(self.sample_shape)

    def to(self, device: torch.device | str) -> "Stored":
        """Returns the same samples, to be delivered on a device."""
        return self._like(self.index, torch.device(device))

    def cpu(self) -> "Stored":
        """Returns the same samples, to be delivered on the CPU."""
        return self.to("cpu")

    def index_select(self, dim: int, index: Tensor) -> "Stored":
        """Returns the samples that an int64 index chooses, none of them read. dim: 0. Raises UserError for a stream."""
        assert dim == 0
        if not self.source.chooses:
            raise UserError(
                "a stream of samples can't be divided, shortened or made folds of: it wants data.val_size=0 or a"
                " validation split of its own, and no data.limit, data.train_limit or data.folds"
            )
        return self._like(self.index[index.cpu()], self.device)

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """Returns the chosen samples, read now, as a tensor on the device."""
        chosen = torch.arange(len(self))[rows.cpu() if isinstance(rows, Tensor) else rows]
        return read({self.name: self}, chosen)[self.name]

    def stream(self, batches: Sequence[Tensor]) -> Iterator[Tensor]:
        """Yields the samples of each index (int64, on the CPU) on the device, read ahead.

        On the CPU they are overwritten when the next ones are asked for.

        Raises:
            UnreadableError: a file can't be read (names it), or the processes that read die.
        """
        return (batch[self.name] for batch in streamed({self.name: self}, batches))

    def chunks(self, label: str) -> Iterator[Tensor]:
        """Yields all samples, some after the other, and says how far it is: it may take minutes."""
        started, done = time.monotonic(), 0
        with progress(label, unit="samples") as report:
            for chunk in self.stream(torch.split(torch.arange(len(self)), CHUNK)):
                yield chunk
                done += len(chunk)
                if done < len(self) or time.monotonic() - started > WORTH_SAYING:
                    report(done, len(self))

    def whole(self) -> Tensor:
        """Returns all samples, read now."""
        return torch.cat([chunk.clone() for chunk in self.chunks(f"Reading the {self.name}")])

    def _like(self, index: Tensor, device: torch.device) -> "Stored":
        other: Stored = object.__new__(type(self))
        vars(other).update(vars(self) | {"index": index, "device": device})
        return other


def streamed(
    columns: Mapping[str, Stored],
    batches: Sequence[Tensor],
    seed_of: Callable[[int], int] = lambda number: number,
    position: Any = None,
) -> Iterator[dict[str, Tensor]]:
    """Yields as `Stored.stream` does, of several fields; those of one source are read together, once."""
    of_source: dict[int, dict[str, Stored]] = {}
    for name, column in columns.items():
        of_source.setdefault(id(column.source), {})[name] = column
    streams = [_streamed(own, batches, seed_of, position) for own in of_source.values()]
    for parts in zip(*streams, strict=True):
        yield {name: field for part in parts for name, field in part.items()}


def read(columns: Mapping[str, Stored], rows: Tensor) -> dict[str, Tensor]:
    """Returns the fields of the chosen samples (int64, on the CPU), read now."""
    if not len(rows):
        return {
            name: torch.empty(0, *each.sample_shape, dtype=each.dtype, device=each.device)
            for name, each in columns.items()
        }
    # Cloned: on the CPU a chunk may be shared memory, which the next one overwrites.
    batches = torch.split(rows, min(column.source.largest for column in columns.values()))
    parts = [{name: field.clone() for name, field in part.items()} for part in streamed(columns, batches)]
    return parts[0] if len(parts) == 1 else {name: torch.cat([part[name] for part in parts]) for name in columns}


def _streamed(
    columns: Mapping[str, Stored], batches: Sequence[Tensor], seed_of: Callable[[int], int], position: Any
) -> Iterator[dict[str, Tensor]]:
    first = next(iter(columns.values()))
    for fields in first.source.stream([first.index[rows] for rows in batches], seed_of, position):
        for column in columns.values():
            if column.hold is not None:
                column.hold(fields[column.name])
        yield {name: _delivered(fields[column.name], column.device) for name, column in columns.items()}


def _delivered(field: Tensor, device: torch.device) -> Tensor:
    # Only page-locked memory is copied while the host goes on.
    return field.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else field.to(device)
