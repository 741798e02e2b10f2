"""What a data set is once loaded: a training, a validation and a test split, as tensors or as what reads samples."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlexp.data.stream.rows import Rows, stored
from dlexp.data.stream.stored import Stored, read
from dlexp.errors import UserError

# Between the seeds of a generated training and test split, so that neighbouring seeds share neither.
TEST_SEED_STEP = 1_000_003


Column = Tensor | Stored
Given = Column | NDArray[Any] | Rows | Any
PerSample = Sequence[Any] | NDArray[Any] | Tensor


class Split:
    """Samples and what is asked about them: fields by name, each a tensor with a row a sample, or stored elsewhere.

    `Split(x, y)` has the fields `inputs` and `targets`; keywords add others (`Split(x, y, mask=m)`) or name all of them
    (`Split(image=x, text=t, targets=y)`). An array becomes a tensor; one that is mapped into memory, `Rows` and a
    map-style Dataset stay where they are, and what they read gives the fields that are not given otherwise. groups:
    what belongs together (a patient), a number or text a sample, so that no two splits share it. weights: how often a
    sample is drawn in training, beside the others. Neither is a field. Raises UserError where a field is no tensor or
    they differ in length.

    labels: the class numbers, int64 N, that a task without targets may colour by; None: there are none.
    """

    def __init__(
        self,
        inputs: Given | None = None,
        targets: Given | None = None,
        *,
        groups: PerSample | None = None,
        weights: PerSample | None = None,
        **others: Given,
    ) -> None:
        given = {"inputs": inputs, "targets": targets, **others}
        self.fields: dict[str, Column] = {}
        for name, each in given.items():
            if each is not None:
                own = _columns(name, each)
                self.fields |= {key: column for key, column in own.items() if key == name or given.get(key) is None}
        sizes = {name: len(column) for name, column in self.fields.items()}
        if len(set(sizes.values())) != 1:
            raise UserError(f"all fields of a split must have as many rows as samples, and it has {sizes or 'none'}")
        streams = {id(each.source): each for each in self.fields.values() if isinstance(each, Stored)}
        if any(not each.source.chooses for each in streams.values()):
            in_memory = any(isinstance(each, Tensor) for each in self.fields.values())
            if len(streams) > 1 or in_memory or groups is not None or weights is not None:
                raise UserError("a stream gives all fields of a split itself, and takes no groups or weights")
        self.labels: Tensor | None = None
        self.groups = None if groups is None else _groups(groups, len(self))
        self.weights = None if weights is None else _weights(weights, len(self))

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
        """The field `targets`, read now where it is stored. Raises KeyError where the data has none."""
        found = self.fields["targets"]
        return found if isinstance(found, Tensor) else found.whole()

    @property
    def classes(self) -> Tensor | None:
        """The targets on the CPU where they are class numbers, int64 N."""
        found = self.fields.get("targets")
        if not isinstance(found, Tensor) or found.ndim != 1 or found.is_floating_point():
            return None
        return found.cpu().long()

    def to(self, device: torch.device | str) -> "Split":
        """Returns the same samples on a device; files are read there, groups and weights stay on the CPU."""
        return self._with(lambda column: column.to(device), self.groups, self.weights)

    def take(self, rows: Tensor) -> "Split":
        """Returns the samples that an int64 index chooses; of files none is read."""
        groups = None if self.groups is None else self.groups[rows.cpu().numpy()]
        weights = None if self.weights is None else self.weights[rows.cpu()]
        return self._with(lambda column: column.index_select(0, rows.to(column.device)), groups, weights)

    def read(self, rows: Tensor) -> dict[str, Tensor]:
        """Returns the fields of the chosen samples as tensors, what is stored read now."""
        elsewhere = {name: column for name, column in self.fields.items() if isinstance(column, Stored)}
        found = read(elsewhere, rows.cpu()) if elsewhere else {}
        return {
            name: column[rows.to(column.device)] if isinstance(column, Tensor) else found[name]
            for name, column in self.fields.items()
        }

    def without_targets(self) -> "Split":
        """Returns the same samples for a task that wants no targets; class numbers stay as labels."""
        kept = {name: column for name, column in self.fields.items() if name != "targets"}
        found = Split(**kept, groups=self.groups, weights=self.weights)
        found.labels = self.classes
        return found

    def changed(self, **columns: Column) -> "Split":
        """Returns the same samples with other columns for these fields; all else that is known of them stays."""
        found = Split(**{**self.fields, **columns}, groups=self.groups, weights=self.weights)
        found.labels = self.labels
        return found

    def described(self, *, groups: PerSample | None = None, weights: PerSample | None = None) -> "Split":
        """Returns the same samples with these groups and weights; None keeps their own. Raises UserError as `Split`."""
        own = (self.groups if groups is None else groups, self.weights if weights is None else weights)
        return self._with(lambda column: column, *own)

    def _with(self, change: Callable[[Any], Any], groups: Any, weights: Any) -> "Split":
        fields = {name: change(column) for name, column in self.fields.items()}
        found = Split(**fields, groups=groups, weights=weights)
        found.labels = None if self.labels is None else change(self.labels)
        return found


def _columns(name: str, given: Any) -> dict[str, Column]:
    """Returns what is given for a field, by its name, or what it reads, by theirs; a number a sample is read now."""
    if isinstance(given, np.ndarray) and not isinstance(given, np.memmap) and given.dtype.kind in "biufc":
        given = torch.from_numpy(np.require(given, requirements=["C", "W"]))
    if isinstance(given, Stored) or isinstance(given, Tensor) and given.ndim:
        return {name: given}
    found = None if isinstance(given, Tensor) else stored(given)
    if found is None:
        told = "a single number" if isinstance(given, Tensor) else f"a {type(given).__name__}"
        raise UserError(f"the data's field {name} must be a tensor with a row a sample, not {told}")
    named = {key or name: column for key, column in found.items()}
    return {
        key: column.whole() if column.ndim == 1 and column.source.chooses else column for key, column in named.items()
    }


def _groups(given: PerSample, count: int) -> NDArray[Any]:
    found = np.asarray(given.cpu() if isinstance(given, Tensor) else given)
    if found.shape != (count,) or found.dtype.kind not in "iuUS":
        told = f"{found.dtype} {list(found.shape)}"
        raise UserError(f"groups must be a whole number or a text for each of {count} samples, not {told}")
    return found


def _weights(given: PerSample, count: int) -> Tensor:
    try:
        found = torch.as_tensor(given, dtype=torch.float64).cpu()
    except (TypeError, ValueError, RuntimeError):
        found = torch.zeros(())
    if found.shape != (count,) or not bool((found.isfinite() & (found >= 0)).all()):
        raise UserError(f"weights must be a number of at least 0 for each of {count} samples")
    return found


@dataclass(frozen=True)
class Splits:
    """A data set as its files give it; `val` is None unless it brings one of its own.

    feature_names: what the features of the inputs are called, in their order, in words and pictures. fills_missing: NaN
    among the inputs stands for a value that nobody knows, and becomes the feature's mean over the training samples.
    stratified: whether what is held out has its part of each class; published and generated sets were divided before,
    and the figures of their presets stand on it. divided_by: the settings that held something out. num_replaced: by
    split, samples whose class was replaced by another one (`data.label_noise`, `data.test_label_noise`).
    """

    train: Split
    test: Split | None
    val: Split | None = None
    feature_names: Sequence[str] | None = None
    fills_missing: bool = False
    stratified: bool = True
    divided_by: tuple[str, ...] = ()
    num_replaced: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.feature_names is not None and self.train.inputs.shape[1:2] != (len(self.feature_names),):
            raise UserError(
                f"the data has {len(self.feature_names)} feature_names, and {self.train.first} of the shape"
                f" {list(self.train.inputs.shape[1:])} a sample"
            )

    @property
    def named(self) -> dict[str, Split]:
        """The splits that there are, by name."""
        parts = {"train": self.train, "val": self.val, "test": self.test}
        return {name: split for name, split in parts.items() if split is not None}

    def each(self, change: Callable[[Split], Split]) -> "Splits":
        """Returns the same data set with every split that is there changed."""
        parts = {name: change(split) for name, split in self.named.items()}
        return replace(self, train=parts["train"], val=parts.get("val"), test=parts.get("test"))


def drawn_twice(draw: Callable[[torch.Generator], Split], seed: int) -> Splits:
    """Returns generated splits, the test split drawn anew, of the same size."""
    return drawn(lambda _, generator: draw(generator), 1, seed, test_size=1)


def drawn(draw: Callable[[int, torch.Generator], Split], count: int, seed: int, *, test_size: float) -> Splits:
    """Returns generated splits: `draw` makes `count` samples (or so many of each class) with a generator, and for the
    test split anew the part `test_size` of as many (0: there is none).
    """
    train = draw(count, torch.Generator().manual_seed(seed))
    if test_size == 0:
        return Splits(train=train, test=None)
    test = draw(max(1, round(test_size * count)), torch.Generator().manual_seed(seed + TEST_SEED_STEP))
    return Splits(train=train, test=test)
