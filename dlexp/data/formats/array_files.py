"""Tables of numbers: NPZ and CSV files as plain arrays, and what they say about themselves. No torch here."""

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlexp.data.formats import answers
from dlexp.data.formats.csv_file import read_csv
from dlexp.data.formats.inputs import channels_first, in_one_type, narrowed
from dlexp.data.formats.npz_file import Samples, read_npz, without_gaps
from dlexp.data.formats.reading import Reading
from dlexp.errors import UserError

# Settings that say how a CSV is read, and nothing of an NPZ.
OF_A_CSV = Reading._fields[: Reading._fields.index("missing")]
TEXTS = (".csv", ".tsv", ".txt")


@dataclass(frozen=True)
class Table:
    """What a file holds: samples by split, or only {"all": samples}; class_names is None for targets="values".

    feature_names: of a CSV. said: what was found by looking, for a person to see. warnings: likely mistakes.
    """

    splits: dict[str, Samples]
    class_names: list[str] | None
    feature_names: list[str] | None = None
    said: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def shape(self) -> list[int]:
        """One sample's shape."""
        return list(next(iter(self.splits.values())).x.shape[1:])

    @property
    def answer(self) -> list[int]:
        """The shape of the values that a sample is asked for; [] where there are classes."""
        return [] if self.class_names is not None else list(next(iter(self.splits.values())).y.shape[1:])

    @property
    def num_outputs(self) -> int:
        """Classes, or values a sample is asked for."""
        return math.prod(self.answer) if self.class_names is None else len(self.class_names)


def read_table(file: str | None, reading: Reading) -> Table:
    """Reads an NPZ with x and y (or x_train, y_train, x_test, y_test, …) or a CSV with a header.

    An NPZ may hold groups and weights beside them (or groups_train, …). Of targets "classes" are numbers or words,
    "mask" one for each pixel, "labels" N×labels, "values" numbers, "none" classes if there are such. The last file read
    is kept until it changes. Raises UserError for everything a file can lack.
    """
    if file is None:
        raise UserError("data=arrays needs a file: data.file=FILE.npz with x and y, or data.file=FILE.csv.")
    path = Path(file).expanduser()
    try:
        stamp = path.stat()
    except OSError as error:
        raise UserError(f"data.file={file} cannot be read: {error.strerror or error}.") from error
    return _read(path, reading, (stamp.st_mtime_ns, stamp.st_size))


@lru_cache(maxsize=1)
def _read(path: Path, reading: Reading, stamp: tuple[int, int]) -> Table:
    ending = path.suffix.lower()
    if ending not in (".npz", *TEXTS):
        raise UserError(f"data.file={path} must end in .npz or .csv (.tsv, .txt); spreadsheets can be saved as CSV.")
    if ending in TEXTS:
        csv = read_csv(path, reading)
        table = _understood({"all": Samples(csv.x, csv.y, csv.groups)}, path, reading)
        said = [_what(csv.label, table), *csv.said]
        return replace(
            table, feature_names=csv.feature_names, said=["; ".join(said)], warnings=[*csv.warnings, *table.warnings]
        )
    for key in OF_A_CSV:
        if getattr(reading, key) not in (None, ()):
            raise UserError(
                f"data.{key} is about the columns of a CSV, and {path} is an NPZ, which holds arrays x and y (and"
                " groups, weights)."
            )
    raw = read_npz(path, wants_label=reading.targets != "none")
    for name, each in raw.items():
        if len(each.x) != len(each.y) or len(each.x) == 0:
            raise UserError(f"{path}: the {name} split has {len(each.x)} samples and {len(each.y)} answers.")
        for key in ("groups", "weights"):
            if (own := getattr(each, key)) is not None and own.shape != (len(each.x),):
                raise UserError(f"{path}: the {name} split has {len(each.x)} samples and {key} {list(own.shape)}.")
        weights = np.zeros(0) if each.weights is None else each.weights
        if weights.dtype.kind not in "buif" or not (np.isfinite(weights) & (weights >= 0)).all():
            raise UserError(f"{path}: the weights of the {name} split must be numbers of at least 0.")
    kept = {name: without_gaps(each, reading.missing, f"{path} ({name})") for name, each in raw.items()}
    table = _understood({name: samples for name, (samples, _) in kept.items()}, path, reading)
    labels = [_what("y", table)] if reading.targets == "classes" else []
    return replace(table, said=[*labels, *(line for _, said in kept.values() for line in said)])


def _what(label: str, table: Table) -> str:
    """Returns what a table was taken for: label: y, 3 classes; 4 features (or 1×28×28 values)."""
    asked = "" if table.class_names is None else f", {len(table.class_names)} classes"
    sizes, unit = "×".join(map(str, table.shape)), "feature" if len(table.shape) == 1 else "value"
    return f"label: {label}{asked}; {sizes} {unit}{'s' * (table.shape != [1])}"


def _understood(raw: dict[str, Samples], path: Path, reading: Reading) -> Table:
    inputs = in_one_type({name: each.x for name, each in raw.items()}, str(path))
    inputs = narrowed({name: _inputs(x, reading.layout, f"{path} ({name})") for name, x in inputs.items()})
    found = {name: each._replace(x=inputs[name]) for name, each in raw.items()}
    if len({each.x.shape[1:] for each in found.values()}) > 1:
        raise UserError(f"{path}: samples differ in shape: { {name: each.x.shape for name, each in found.items()} }.")
    if reading.targets == "none":
        return Table(*answers.for_colours(found, path))
    if reading.targets == "values":
        found = {name: each._replace(y=answers.values(each.y, path)) for name, each in found.items()}
        y = found["train" if "train" in found else "all"].y
        same = (
            "all answers are the same number, so there is nothing to learn: data.label_column=NAME says which they are"
        )
        return Table(found, None, warnings=[same] if len(y) > 1 and (y == y[0]).all() else [])
    if reading.targets == "labels":
        found = {name: each._replace(y=answers.zeros_and_ones(each.y, path)) for name, each in found.items()}
        num_labels = next(iter(found.values())).y.shape[1]
        return Table(found, [f"label {number}" for number in range(num_labels)])
    if reading.targets == "mask":
        answers.hold_to_pixels(found, path)
    found, names = answers.numbered(found, reading.targets, path)
    return Table(found, names, warnings=_doubts_of_classes(names, found, reading.targets))


def _doubts_of_classes(names: list[str], samples: dict[str, Samples], targets: str) -> list[str]:
    count = len(samples["train" if "train" in samples else "all"].y)
    if targets != "classes" or len(names) < 3 or 2 * len(names) <= count:
        return []
    return [
        f"there are {len(names)} classes in {count} samples, about one a sample: data.label_column=NAME takes another"
        " column of a CSV for the label, task=regression criterion=mse learns numbers"
    ]


def _inputs(x: NDArray[Any], layout: str | None, where: str) -> NDArray[Any]:
    """Returns uint8 N×C×H×W for images of bytes, whole numbers as they are where they may be ids, floats else."""
    if x.dtype.kind not in "buif":
        raise UserError(f"{where}: x is of type {x.dtype}; it must be numbers.")
    if x.ndim == 1:
        x = x[:, None]
    if layout == "series" and x.ndim != 3:
        raise UserError(f"{where}: data.layout=series wants x as N×channels×length, and it has {x.ndim} axes.")
    if layout == "images" and x.ndim not in (3, 4):
        raise UserError(f"{where}: data.layout=images wants x as N×H×W or N×C×H×W, and it has {x.ndim} axes.")
    if layout in ("channels_first", "channels_last") and x.ndim != 4:
        raise UserError(f"{where}: data.layout={layout} wants x of four axes, and it has {x.ndim}.")
    if x.ndim == 3 and layout is None and x.dtype != np.uint8:
        raise UserError(
            f"{where}: x of three axes, {list(x.shape)}, may be series (N×channels×length, normalised by channel)"
            " or grey images (N×H×W): data.layout=series or data.layout=images says which."
        )
    if x.ndim == 3 and layout != "series":
        x = x[:, None]
    elif x.ndim == 4:
        x = channels_first(x, layout, where)
    if x.dtype.kind in "iu" and x.dtype != np.uint8 and x.ndim < 4:
        return np.ascontiguousarray(x)
    if x.dtype != np.uint8 or x.ndim != 4:
        with np.errstate(over="ignore"):  # what is too large becomes infinite and is refused below
            narrow = x.astype(np.float32)
        bad = int(np.isinf(narrow).sum())  # what is missing was refused before, or waits to be filled
        x = narrow if np.can_cast(x.dtype, np.float32) else x.astype(np.float64)
        if bad:
            raise UserError(f"{where}: {bad} inputs are infinite or beyond 3.4e+38; mend or remove them first.")
    return np.ascontiguousarray(x)
