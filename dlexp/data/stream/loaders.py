"""A DataLoader of torch that a person gives: its dataset, its way to collate, and its worker processes."""

import warnings
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    SequentialSampler,
    default_collate,
    get_worker_info,
)

from dlexp.data.stream.readers import leave_signals_to_others
from dlexp.data.stream.samples import Samples, as_tensor, by_name
from dlexp.errors import UnreadableError, UserError
from dlexp.machine import generators
from dlexp.machine.torch_private import end_workers


class LoadedSamples(Samples):
    """The samples of a DataLoader with a map-style dataset, read by as many processes as it has workers.

    Raises:
        UserError: how it chooses samples, or makes batches of them, can't be taken over.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        chooses = loader.sampler if type(loader.batch_sampler) is BatchSampler else loader.batch_sampler
        if chooses is None:
            raise UserError(
                "a DataLoader with batch_size=None has batches for samples: an object with a length and a method"
                " read(rows) gives as many samples as are asked for"
            )
        is_usual = type(chooses) in (SequentialSampler, RandomSampler) and not getattr(chooses, "replacement", False)
        if not is_usual or len(chooses) != len(loader.dataset):  # type: ignore[arg-type]
            kind = type(chooses).__name__
            raise UserError(
                f"dlexp chooses the samples of a DataLoader itself, and this one has a {kind} of {len(chooses)}:"  # type: ignore[arg-type]
                " Split(dataset, weights=…) draws samples by weights, groups=… keeps them together, and"
                " torch.utils.data.Subset(dataset, rows) is some of them"
            )
        super().__init__(loader.dataset, collate_of(loader))
        self._loader, self.num_workers = loader, loader.num_workers

    def read_elsewhere(
        self, batches: Sequence[list[int]], seeds: Sequence[int], num_workers: int
    ) -> Generator[Any, None, None]:
        """Yields the fields of each batch, read ahead by worker processes.

        seeds: of what reading a batch draws from the default generators, so that it is the same in whatever process.

        Raises:
            UserError: what the dataset raises of them, as its own sentence.
            UnreadableError: a process ended.
        """
        own = self._loader
        with warnings.catch_warnings():  # of more workers than cores torch has warned where the person made theirs
            warnings.simplefilter("ignore")
            loader: DataLoader[Any] = DataLoader(
                _Seeded(self.dataset, self.collate),  # type: ignore[arg-type]
                batch_size=None,
                sampler=list(zip(seeds, batches, strict=True)),
                num_workers=num_workers,
                prefetch_factor=own.prefetch_factor,
                worker_init_fn=partial(_begin_work, own.worker_init_fn),
                multiprocessing_context=own.multiprocessing_context,
                generator=torch.Generator(),  # else it draws from the training's
            )
            found = iter(loader)
        try:
            for fields in found:
                if isinstance(fields, UserError):
                    raise fields
                yield fields
        except RuntimeError as error:
            if not str(error).startswith("DataLoader worker"):
                raise
            raise UnreadableError(f"a process that reads samples ended: {error}") from error
        finally:
            end_workers(found)


class _Seeded:
    """Gives a batch for a seed and rows: what a worker process does."""

    def __init__(self, dataset: Any, collate: Callable[[list[Any]], Any]) -> None:
        self.dataset, self.collate = dataset, collate

    def __getitem__(self, asked: tuple[int, list[int]]) -> dict[str, Tensor] | UserError:
        seed, rows = asked
        generators.seed(seed)
        try:
            found = self.collate([self.dataset[row] for row in rows])
            return {name: as_tensor(field) for name, field in by_name(found).items()}
        except UserError as error:
            return error  # raised here it would come with torch's traceback for its sentence


def collate_of(loader: DataLoader[Any]) -> Callable[[list[Any]], Any] | None:
    """Returns a DataLoader's own way to collate; None where it is torch's usual one."""
    return None if loader.collate_fn is default_collate else loader.collate_fn


def _begin_work(own: Callable[[int], None] | None, number: int) -> None:
    leave_signals_to_others()  # what stops a run is the training's to hear
    info: Any = get_worker_info()
    object.__setattr__(info, "dataset", info.dataset.dataset)  # frozen; a person's functions look for their own there
    if own is not None:
        own(number)
