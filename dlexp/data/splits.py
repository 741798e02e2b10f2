"""What a data set is once loaded: a training, a validation and a test split, as tensors or as files of images."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dlexp.console.long_step import progress
from dlexp.data.stream.image_files import ImageFiles
from dlexp.data.stream.kept_figures import remembered
from dlexp.errors import UserError

CHUNK = 2048
FILES_CHUNK = 64
# A pass over files that takes longer is remembered: each job of a sweep and each resumed run would make it again.
WORTH_SECONDS = 10.0
# Between the seeds of a generated training and test split, so that neighbouring seeds share neither.
TEST_SEED_STEP = 1_000_003


Column = Tensor | ImageFiles


class Split:
    """Samples and what is asked about them: fields by name, each a tensor with a row a sample, or files of images.

    `Split(x, y)` has the fields `inputs` and `targets`; keywords add others (`Split(x, y, mask=m)`) or name all of them
    (`Split(image=x, text=t, targets=y)`). Raises UserError where a field is no tensor or they differ in length.
    """

    def __init__(self, inputs: Column | None = None, targets: Tensor | None = None, **others: Column) -> None:
        given = {"inputs": inputs, "targets": targets, **others}
        self.fields: Mapping[str, Column] = {name: each for name, each in given.items() if each is not None}
        for name, column in self.fields.items():
            if not isinstance(column, Tensor | ImageFiles) or column.ndim == 0:
                raise UserError(f"the data's field {name} must be a tensor with a row a sample, not {_kind(column)}")
        sizes = {name: len(column) for name, column in self.fields.items()}
        if len(set(sizes.values())) != 1:
            raise UserError(f"all fields of a split must have as many rows as samples, and it has {sizes or 'none'}")

    def __len__(self) -> int:
        return len(next(iter(self.fields.values())))

    @property
    def first(self) -> str:
        """The name of the field that `data.shape` is about: the first that is not `targets`."""
        return next((name for name in self.fields if name != "targets"), "targets")

    @property
    def inputs(self) -> Column:
        """The first field that is not `targets`."""
        return self.fields[self.first]

    @property
    def targets(self) -> Tensor:
        """The field `targets`. Raises KeyError where the data has none."""
        found = self.fields["targets"]
        assert isinstance(found, Tensor)
        return found

    def to(self, device: torch.device | str) -> "Split":
        """Returns the same samples on a device; files are read there."""
        return self._with(lambda column: column.to(device))

    def take(self, rows: Tensor) -> "Split":
        """Returns the samples that an int64 index chooses; of files none is read."""
        return self._with(lambda column: column.index_select(0, rows.to(column.device)))

    def read(self, rows: Tensor | slice) -> dict[str, Tensor]:
        """Returns the fields of the chosen samples as tensors, files read now."""
        return {
            name: column[rows.to(column.device) if isinstance(rows, Tensor) else rows]
            for name, column in self.fields.items()
        }

    def _with(self, change: Callable[[Any], Any]) -> "Split":
        return Split(**{name: change(column) for name, column in self.fields.items()})


def _kind(column: Any) -> str:
    return "a single number" if isinstance(column, Tensor) else f"a {type(column).__name__}"


@dataclass(frozen=True)
class Splits:
    """A data set as its files give it; `val` is None unless it brings one of its own."""

    train: Split
    test: Split | None
    val: Split | None = None


def drawn_twice(draw: Callable[[torch.Generator], Split], seed: int) -> Splits:
    """Returns generated splits, the test split drawn anew, of the same size."""
    train, test = (draw(_generator(each)) for each in (seed, seed + TEST_SEED_STEP))
    return Splits(train=train, test=test)


def prepare(splits: Splits, *, val_size: float, split_seed: int, limit: int | None) -> Splits:
    """Splits validation samples off the training split and shortens all three to `limit` samples each.

    val_size: a fraction below 1 or a count from 1 on; 0 = no validation, also where the data set brings its
    own. A data set's own validation split is taken as it is. Choices depend on `split_seed` alone. Raises
    UserError if no training sample would remain.
    """
    train, val = splits.train, splits.val
    if val_size == 0:
        val = None
    elif val is None:
        count = _val_count(len(train), val_size)
        order = torch.randperm(len(train), generator=_generator(split_seed))
        # Sorted: batches are shuffled anyway, and one seed's samples keep the order of the file.
        val = train.take(order[:count].sort().values)
        train = train.take(order[count:].sort().values)
    return Splits(
        train=_shorten(train, limit, split_seed + 1),
        val=None if val is None else _shorten(val, limit, split_seed + 2),
        test=None if splits.test is None else _shorten(splits.test, limit, split_seed + 3),
    )


def some_of_each(split: Split, count: int, seed: int) -> Split:
    """Returns at most `count` samples of the whole split, read now where they are files; which ones depends on `seed`.

    Every class in turn gives one, until there are enough: data often lies sorted by class, and one class is learnt in a
    single step. Samples without classes are drawn at random.
    """
    order, targets = torch.randperm(len(split), generator=_generator(seed)), split.fields.get("targets")
    if isinstance(targets, Tensor) and targets.ndim == 1 and not targets.is_floating_point():
        targets = targets.cpu() - targets.min().cpu()  # what a task ignores may lie below 0
        by_class = targets[order].argsort(stable=True)
        counts = targets.bincount()
        first = (counts.cumsum(0) - counts).repeat_interleave(counts)
        turns = torch.empty_like(order)  # of each sample within its class, in the order drawn
        turns[by_class] = torch.arange(len(order)) - first
        order = order[turns.argsort(stable=True)]
    return Split(**split.read(order[:count]))


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


def _val_count(num_samples: int, val_size: float) -> int:
    count = round(num_samples * val_size) if val_size < 1 else int(val_size)
    count = max(count, 1)
    if count >= num_samples:
        raise UserError(
            f"data.val_size={val_size:g} would leave nothing of the {num_samples} training samples; "
            "give a fraction such as 0.1, a smaller count, or 0 for no validation."
        )
    return count


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _shorten(split: Split, limit: int | None, seed: int) -> Split:
    if limit is None or len(split) <= limit:
        return split
    return split.take(torch.randperm(len(split), generator=_generator(seed))[:limit].sort().values)


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
