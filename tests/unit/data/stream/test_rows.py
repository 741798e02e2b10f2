"""Samples that a person's own object reads: the same batches as from memory, read ahead, whatever is asked of them."""

import multiprocessing
import os
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import batches_of, divided
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler, WeightedRandomSampler

from dlexp.data.fingerprint import of_splits
from dlexp.data.partition import some_of_each
from dlexp.data.splits import Split, Splits
from dlexp.data.statistics import statistics
from dlexp.data.stream.rows import AHEAD, Stream
from dlexp.errors import UnreadableError, UserError

X = torch.randn(100, 2, 5, generator=torch.Generator().manual_seed(0))
Y = torch.arange(100) % 3


class Numbers:
    """Rows of an array, with a note of what was read by which thread."""

    def __init__(self, values: Tensor = X) -> None:
        self.values, self.read_rows, self.threads = values, list[list[int]](), set[str]()

    def __len__(self) -> int:
        return len(self.values)

    def read(self, rows: list[int]) -> Any:
        self.read_rows.append(rows)
        self.threads.add(threading.current_thread().name)
        return self.values[rows].numpy()


class Pairs(Dataset[Any]):
    def __len__(self) -> int:
        return 100

    def __getitem__(self, index: int) -> Any:
        return X[index].numpy(), int(Y[index])


class Named(Pairs):
    def __getitem__(self, index: int) -> Any:
        return {"inputs": X[index], "extra": X[index, 0], "targets": Y[index]}


class Noisy(Pairs):
    """Draws from all three generators."""

    def __getitem__(self, index: int) -> Any:
        return X[index] + torch.rand(1) + np.random.rand() + random.random(), int(Y[index])


class Padded:
    """Samples of 1 to 7 rows of three numbers, padded with a mask."""

    def __len__(self) -> int:
        return 100

    def read(self, rows: list[int]) -> dict[str, Tensor]:
        lengths = torch.tensor([1 + row % 7 for row in rows])
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        return {
            "inputs": (mask[:, :, None] * (1.0 + torch.tensor(rows)[:, None, None])).expand(-1, -1, 3),
            "mask": mask,
        }


def mapped(folder: Path) -> np.memmap[Any, Any]:
    np.save(folder / "x.npy", X.numpy())
    found: Any = np.load(folder / "x.npy", mmap_mode="r")
    return found  # type: ignore[no-any-return]


SETTINGS: Any = {"batch_size": 8, "seed": 0, "augment": [], "shuffle": True, "channels_last": False}


def batches(split: Split, **changes: Any) -> Iterator[dict[str, Tensor]]:
    settings = SETTINGS | changes
    start, epoch = settings.pop("start", 0), settings.pop("epoch", 1)
    return batches_of(split, mean=[0.5, 0.1], std=[2.0, 1.0], **settings).epoch(epoch, start)


def same(one: Iterator[dict[str, Tensor]], other: Iterator[dict[str, Tensor]]) -> bool:
    both = zip(one, other, strict=True)
    return all(a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a) for a, b in both)


@pytest.mark.parametrize("kind", ["rows", "memmap", "array", "pairs"])
def test_batches_are_those_of_tensors(kind: str, tmp_path: Path) -> None:
    inputs = {"rows": Numbers(), "memmap": mapped(tmp_path), "array": X.numpy(), "pairs": Pairs()}[kind]
    split, memory = Split(inputs, None if kind == "pairs" else Y.numpy()), Split(X, Y)
    assert isinstance(split.inputs, Tensor) == (kind == "array") and torch.equal(split.targets, Y)
    assert split.inputs.shape == X.shape and split.inputs.dtype == torch.float32
    for changes in ({}, {"start": 7}, {"shuffle": False}, {"batch_size": 1000}):
        assert same(batches(split, **changes), batches(memory, **changes))
    parts = [divided(Splits(each, each), val_size=0.2, limit=50) for each in (split, memory)]
    for name in ("train", "val", "test"):
        one, other = (getattr(part, name) for part in parts)
        assert same(batches(one), batches(other)) and len(one) == len(other)
    assert torch.allclose(torch.tensor(statistics(split.inputs)), torch.tensor(statistics(X)))
    assert torch.equal(some_of_each(split, 10, 0).inputs, some_of_each(memory, 10, 0).inputs)


def test_a_column_of_parquet(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"x": X.flatten(1).tolist(), "y": Y.tolist()}), tmp_path / "table.parquet")

    class Table:
        def __init__(self) -> None:
            self.table = parquet.read_table(tmp_path / "table.parquet", memory_map=True)

        def __len__(self) -> int:
            return int(self.table.num_rows)

        def read(self, rows: list[int]) -> dict[str, Any]:
            chosen = self.table.take(rows)
            x = np.stack(chosen["x"].to_numpy()).astype(np.float32).reshape(len(rows), 2, 5)
            return {"inputs": x, "targets": chosen["y"].to_numpy()}

    assert same(batches(Split(Table())), batches(Split(X, Y)))


def test_several_fields_of_one_object_are_read_once() -> None:
    split = Split(Named())
    assert list(split.fields) == ["inputs", "extra", "targets"] and isinstance(split.targets, Tensor)
    (whole,) = batches(split, shuffle=False, batch_size=100)
    assert torch.equal(whole["extra"], X[:, 0]) and torch.equal(whole["targets"], Y)
    given = Split(Named(), targets=Y + 1)
    assert torch.equal(given.targets, Y + 1), "what is given goes before what is read"


def test_reading_is_ahead_and_in_another_thread() -> None:
    rows = Numbers()
    stream = batches(Split(rows, Y))
    rows.read_rows.clear()
    rows.threads.clear()
    next(stream)
    while len(rows.read_rows) < 1 + AHEAD:  # it is on its way
        pass
    assert len(rows.read_rows) == 1 + AHEAD and threading.current_thread().name not in rows.threads
    del stream
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("rows")]


class Borrowing(Noisy):
    """As torchvision's FakeData: it seeds the generator of all, and puts it back."""

    def read(self, rows: list[int]) -> Any:
        before = torch.get_rng_state()
        torch.manual_seed(rows[0])
        found = torch.randn(len(rows), 2)
        torch.set_rng_state(before)
        return found


def test_what_borrows_a_generator_is_read_where_nobody_else_draws(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "dlexp")
    before = torch.manual_seed
    Split(Borrowing())
    assert "Borrowing draws random numbers when it is read: it is not read ahead" in caplog.text
    assert torch.manual_seed is before


def test_what_draws_at_random_repeats_and_leaves_the_generators_alone() -> None:
    split = Split(Noisy())
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = [batch["inputs"].clone() for batch in batches(split)]
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(7), random.random(), np.random.rand()
    again = [batch["inputs"] for batch in batches(split, start=5)]
    assert all(torch.equal(*pair) for pair in zip(first[5:], again, strict=True))
    later = [batch["inputs"] for batch in batches(split, epoch=2)]
    assert not torch.equal(first[0].mean(), later[0].mean())


def test_samples_of_unequal_length_are_padded_by_what_reads_them() -> None:
    split = Split(Padded(), Y)
    batch = split.read(torch.tensor([3, 0, 5]))
    assert batch["inputs"].shape == (3, 6, 3) and batch["mask"].sum(1).tolist() == [4, 1, 6]


def test_the_content_is_told_or_read() -> None:
    def content(inputs: Any) -> str:
        return of_splits(Splits(Split(inputs, Y), None)).fingerprint

    assert content(Numbers()) == content(Numbers()) != content(Numbers(X + 1))
    told = Numbers()
    told.content = lambda: "version 1"  # type: ignore[attr-defined]
    found = content(told)
    assert max(map(len, told.read_rows)) == 1, "only the first sample was looked at"
    told.content = lambda: "version 2"  # type: ignore[attr-defined]
    assert content(told) != found


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([1, 2, 3], "field inputs must be a tensor with a row a sample, not a list"),
        (np.array(["a", "b"]), "field inputs must be a tensor with a row a sample, not a ndarray"),
        (Numbers(X[:0]), "Numbers holds no samples"),
        (
            type("Short", (Numbers,), {"read": lambda self, rows: X[:3]})(),
            r"Short was asked for 1 rows, .* \[3, 2, 5\]",
        ),
        (
            type("Three", (Pairs,), {"__getitem__": lambda self, row: (1, 2, 3)})(),
            "a sample of 3 parts has to be a dict",
        ),
    ],
)
def test_what_can_not_be_read_is_a_sentence(given: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        Split(given)


class Flow(IterableDataset[Any]):
    """Samples one after the other, shuffled by a default generator where `shuffled` says so."""

    def __init__(self, count: int = 100, shuffled: bool = False) -> None:
        self.count, self.shuffled = count, shuffled

    def __iter__(self) -> Iterator[Any]:
        order = torch.randperm(self.count) if self.shuffled else torch.arange(self.count)
        return ((X[row], int(Y[row])) for row in order.tolist())


class Sized(Flow):
    def __len__(self) -> int:
        return self.count


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_stream_begins_anew_each_epoch_and_is_entered_anywhere(shuffled: bool) -> None:
    split = Split(Stream(Flow(shuffled=shuffled), length=100))
    assert len(split) == 100 and list(split.fields) == ["inputs", "targets"] and split.classes is None
    whole = [{name: field.clone() for name, field in batch.items()} for batch in batches(split)]
    assert len(whole) == 12 and (torch.cat([b["targets"] for b in whole]).tolist() == Y[:96].tolist()) is not shuffled
    torch.rand(5)
    assert same(iter(whole[7:]), batches(split, start=7))
    assert same(iter(whole), batches(split, epoch=2)) is not shuffled
    assert same(batches(Split(Sized(shuffled=shuffled))), iter(whole)), "its own length"
    assert torch.equal(split.targets, split.targets)


def test_what_a_stream_can_not_do_is_a_sentence() -> None:
    with pytest.raises(UserError, match=r"Flow is iterated over and has no length: Split\(Stream\(…, length=1000\)\)"):
        Split(Flow())
    stream = Split(Sized())
    for settings in ({}, {"limit": 5}, {"folds": 2, "fold": 0}):
        with pytest.raises(UserError, match=r"a stream of samples can't be divided.*data\.val_size=0"):
            divided(Splits(stream, None), **{"val_size": 0.1 if not settings else 0, **settings})
    assert divided(Splits(stream, stream, val=stream)).train is stream
    for others in ({"targets": Y}, {"groups": Y}, {"weights": Y}):
        with pytest.raises(UserError, match="gives all fields of a split itself, and takes no groups or weights"):
            Split(Sized(), **others)
    with pytest.raises(UserError, match="Flow ended before it had given its 200 samples"):
        list(batches(Split(Stream(Flow(), length=200))))


def test_a_dataloader_is_its_dataset_and_its_way_to_collate() -> None:
    def doubled(samples: list[Any]) -> dict[str, Any]:
        return {"inputs": torch.stack([2 * torch.as_tensor(x) for x, _ in samples]), "targets": [y for _, y in samples]}

    plain = Split(DataLoader(Pairs(), batch_size=3, shuffle=True, num_workers=2))
    assert same(batches(plain), batches(Split(X, Y)))
    for dataset in (Pairs(), Sized()):
        split = Split(DataLoader(dataset, collate_fn=doubled))
        assert same(batches(split, shuffle=False), batches(Split(2 * X, Y), shuffle=False))
    for sampler in ([3, 1, 2], WeightedRandomSampler([1.0] * 100, 50), RandomSampler(Pairs(), num_samples=7)):
        told = rf"this one has a {type(sampler).__name__} of {len(sampler)}: Split\(dataset, weights=.*Subset"
        with pytest.raises(UserError, match=told):
            Split(DataLoader(Pairs(), sampler=sampler))
    with pytest.raises(UserError, match=r"a DataLoader with batch_size=None .* read\(rows\)"):
        Split(DataLoader(Pairs(), batch_size=None))


@pytest.mark.parametrize("kind", [Pairs, Noisy])
def test_the_workers_of_a_dataloader_read_the_same_samples(kind: type[Pairs]) -> None:
    """From within an epoch too, and with what is drawn while reading."""
    split, plain = Split(DataLoader(kind(), num_workers=2)), Split(kind())
    before = torch.get_rng_state()
    assert same(batches(split, start=3), batches(plain, start=3))
    assert torch.equal(torch.get_rng_state(), before)
    partly = batches(split)
    next(partly)
    workers = multiprocessing.active_children()
    assert len(workers) == 2
    del partly
    assert not multiprocessing.active_children(), "an epoch that is left ends them"


def test_only_workers_read_where_there_are_some() -> None:
    """What a dataset opens for its first sample in the training's process, all of them would share."""

    class Elsewhere(Pairs):
        def __getitem__(self, index: int) -> Any:
            assert torch.utils.data.get_worker_info() is not None
            return super().__getitem__(index)

    split = Split(DataLoader(Elsewhere(), num_workers=2))
    for settings in ({"batch_size": 100}, {"start": 12}, {}):  # one batch, none, many
        assert same(batches(split, **settings), batches(Split(X, Y), **settings))
    assert torch.equal(split.read(torch.tensor([3]))["inputs"], X[3:4])


def test_a_worker_is_begun_with_the_dataset_itself() -> None:
    class Scaled(Pairs):
        scale = 1

        def __getitem__(self, index: int) -> Any:
            return self.scale * X[index], int(Y[index])

    def begin(number: int) -> None:
        found: Any = torch.utils.data.get_worker_info()
        assert isinstance(found.dataset, Scaled)
        found.dataset.scale = 2

    split = Split(DataLoader(Scaled(), num_workers=2, worker_init_fn=begin))
    assert same(batches(split), batches(Split(2 * X, Y)))


def test_what_a_dataset_raises_in_a_worker() -> None:
    class Damaged(Pairs):
        def __getitem__(self, index: int) -> Any:
            if index == 33:
                raise error
            return super().__getitem__(index)

    for kind, sentence in ((UserError, "^sample 33 is damaged$"), (OSError, "Caught OSError in DataLoader worker")):
        error = kind("sample 33 is damaged")
        with pytest.raises(kind, match=sentence) as raised:
            Split(DataLoader(Damaged(), num_workers=1))  # reads all classes
        assert raised.traceback and not multiprocessing.active_children(), "it ends though the traceback keeps it"


def test_a_worker_that_dies_is_a_sentence() -> None:
    class Dying(Pairs):
        def __getitem__(self, index: int) -> Any:
            if torch.utils.data.get_worker_info() is not None:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().__getitem__(index)

    with pytest.raises(UnreadableError, match="a process that reads samples ended: DataLoader worker"):
        list(batches(Split(DataLoader(Dying(), num_workers=1), targets=Y)))


class Counted(Flow):
    """Tells where it is: itself, or its iterator; with `lost` it tells what does not lead back."""

    def __init__(self, lost: bool = False) -> None:
        super().__init__()
        self.at, self.lost, self.given = 0, lost, 0

    def __iter__(self) -> Iterator[Any]:
        while self.at < self.count:
            self.at += 1
            self.given += 1
            yield X[self.at - 1] + torch.rand(1), int(Y[self.at - 1])

    def state_dict(self) -> dict[str, int]:
        return {"at": 0 if self.lost else self.at}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.at = state["at"]


class Pointed(Flow):
    """Its iterator tells where it is."""

    given = 0

    def __iter__(self) -> Iterator[Any]:
        return Pointer(self)


class Pointer(Counted):
    def __init__(self, flow: Pointed) -> None:
        super().__init__()
        self.flow = flow

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self.at == self.count:
            raise StopIteration
        self.at += 1
        self.flow.given += 1
        return X[self.at - 1] + torch.rand(1), int(Y[self.at - 1])


@pytest.mark.parametrize("flow", [Counted(), Pointed(), Counted(lost=True)])
def test_a_stream_that_tells_where_it_is_is_entered_there(flow: Any) -> None:
    split, is_lost = Split(Stream(flow, length=100)), getattr(flow, "lost", False)
    passing = batches_of(split, mean=[0.0, 0.0], std=[1.0, 1.0], **SETTINGS)
    whole, positions = [], []
    for batch in passing.epoch(1):
        whole.append({name: field.clone() for name, field in batch.items()})
        positions.append(passing.position)
    assert all((position is None) is is_lost for position in positions)
    again = batches_of(split, mean=[0.0, 0.0], std=[1.0, 1.0], **SETTINGS)
    flow.given = 0
    assert same(iter(whole[7:]), again.epoch(1, 7, positions[6]))
    assert flow.given == (96 if is_lost else 40), "nothing is read that was trained on"
    assert same(iter(whole), again.epoch(1)), "the next epoch begins at the beginning"


def test_a_stream_that_is_begun_within_a_pass_over_it() -> None:
    for flow in (Counted(), Pointed()):
        split = Split(Stream(flow, length=100))
        whole = [{name: field.clone() for name, field in batch.items()} for batch in batches(split)]
        partly = batches(split)
        next(partly)
        for other in (split, Split(Stream(flow, length=50))):
            next(batches(other))
        if isinstance(flow, Counted):
            with pytest.raises(UserError, match="Counted keeps where it is itself, and was begun anew"):
                list(partly)
            assert same(iter(whole), batches(split)), "the next pass is right"
        else:
            assert same(iter(whole[1:]), partly)


def test_what_gives_other_samples_each_time_is_told(caplog: pytest.LogCaptureFixture) -> None:
    class Own(Pairs):
        generator = torch.Generator().manual_seed(0)

        def __getitem__(self, index: int) -> Any:
            return X[index] + torch.rand(1, generator=self.generator), int(Y[index])

    own: Any = Split(Own(), Y).inputs
    assert not own.source.repeats and "Own gives another sample when it is read again" in caplog.text
    noisy: Any = Split(Noisy(), Y).inputs
    assert noisy.source.repeats
