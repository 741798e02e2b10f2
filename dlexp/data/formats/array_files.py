"""Tables of numbers: NPZ and CSV files as plain arrays, and what they say about themselves. No torch here."""

import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlexp.data.formats.csv_file import is_number, read_csv
from dlexp.data.formats.inputs import channels_first, in_one_type, narrowed
from dlexp.errors import UserError

# The splits of an NPZ, whose arrays are x_train and so on; x alone is the whole.
SPLITS = ("all", "train", "val", "test")


class Samples(NamedTuple):
    """x: uint8 N×C×H×W, whole numbers that may be ids as they are, else floats N×…, float64 where float32 does not tell
    them apart; y: int64 N (classes) or N×H×W (masks), or float32 N×outputs (values, or labels of 0 and 1).
    Groups and weights as in `Split`.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    groups: NDArray[Any] | None = None
    weights: NDArray[Any] | None = None


@dataclass(frozen=True)
class Table:
    """What a file holds: samples by split, or only {"all": samples}; class_names is None for targets="values"."""

    splits: dict[str, Samples]
    class_names: list[str] | None

    @property
    def shape(self) -> list[int]:
        """One sample's shape."""
        return list(next(iter(self.splits.values())).x.shape[1:])

    @property
    def num_outputs(self) -> int:
        """Classes, or values a sample is asked for."""
        if self.class_names is not None:
            return len(self.class_names)
        return int(next(iter(self.splits.values())).y.shape[1])


def read_table(
    file: str | None, label_column: str | None, group_column: str | None, layout: str | None, targets: str
) -> Table:
    """Reads an NPZ with x and y (or x_train, y_train, x_test, y_test, …) or a CSV with a header.

    An NPZ may hold groups and weights beside them (or groups_train, …). label_column: the CSV's column of answers,
    None = the last one; group_column: that of groups, None = there are none. layout: whether three axes are grey
    "images" N×H×W or "series" N×C×L, and four "channels_first" N×C×H×W or "channels_last" N×H×W×C. targets: "classes"
    (numbers or words), "mask" (one for each pixel), "values" or "labels" (N×labels). The last file read is kept until
    it changes. Raises UserError for everything a file can lack.
    """
    if file is None:
        raise UserError("data=arrays needs a file: data.file=FILE.npz with x and y, or data.file=FILE.csv.")
    path = Path(file).expanduser()
    try:
        stamp = path.stat()
    except OSError as error:
        raise UserError(f"data.file={file} cannot be read: {error.strerror or error}.") from error
    return _read(path, label_column, group_column, layout, targets, (stamp.st_mtime_ns, stamp.st_size))


@lru_cache(maxsize=1)
def _read(
    path: Path,
    label_column: str | None,
    group_column: str | None,
    layout: str | None,
    targets: str,
    stamp: tuple[int, int],
) -> Table:
    if path.suffix.lower() not in (".npz", ".csv"):
        raise UserError(f"data.file={path} must end in .npz or .csv.")
    if path.suffix.lower() == ".npz":
        if group_column is not None:
            raise UserError(f"data.group_column={group_column} is a column of a CSV; in an NPZ groups are an array.")
        raw = _read_npz(path)
    else:
        raw = {"all": Samples(*read_csv(path, label_column, group_column))}
    for name, each in raw.items():
        if len(each.x) != len(each.y) or len(each.x) == 0:
            raise UserError(f"{path}: the {name} split has {len(each.x)} samples and {len(each.y)} answers.")
    inputs = in_one_type({name: each.x for name, each in raw.items()}, str(path))
    inputs = narrowed({name: _inputs(x, layout, f"{path} ({name})") for name, x in inputs.items()})
    found = {name: each._replace(x=inputs[name]) for name, each in raw.items()}
    if len({each.x.shape[1:] for each in found.values()}) > 1:
        raise UserError(f"{path}: samples differ in shape: { {name: each.x.shape for name, each in found.items()} }.")
    if targets == "values":
        return Table({name: each._replace(y=_values(each.y, path)) for name, each in found.items()}, None)
    if targets == "labels":
        found = {name: each._replace(y=_zeros_and_ones(each.y, path)) for name, each in found.items()}
        num_labels = next(iter(found.values())).y.shape[1]
        return Table(found, [f"label {number}" for number in range(num_labels)])
    if targets == "mask":
        _hold_to_pixels(found, path)
    found = {name: each._replace(y=_labels(each.y, targets, path)) for name, each in found.items()}
    names = _classes(found["train" if "train" in found else "all"].y, path)
    return Table(
        {name: each._replace(y=_class_numbers(each.y, names, path)) for name, each in found.items()},
        [str(name) for name in names],
    )


def _read_npz(path: Path) -> dict[str, Samples]:
    try:
        # Opened here: NumPy leaves a file that is no NPZ open.
        with path.open("rb") as stream:
            if not zipfile.is_zipfile(stream):
                raise ValueError("it is no NPZ file (np.savez writes them)")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as file:
                arrays = {key: file[key] for key in file.files}
    except Exception as error:  # bytes of unknown making: NumPy and zipfile raise some ten different kinds
        raise UserError(f"{path} cannot be read as NPZ: {error}.") from error
    found: dict[str, Samples] = {}
    for split in SPLITS:
        ending = "" if split == "all" else f"_{split}"
        own = {key: np.atleast_1d(arrays[key + ending]) for key in Samples._fields if key + ending in arrays}
        if {"x", "y"} <= own.keys():
            found[split] = Samples(**own)
    if "all" in found:
        return {"all": found["all"]}
    if "train" not in found:
        raise UserError(
            f"{path} must hold arrays named x and y, or x_train and y_train (and x_test, y_test, x_val, "
            f"y_val); it holds {', '.join(arrays) or 'none'}."
        )
    return found


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
        bad = int(np.size(x) - np.isfinite(narrow).sum())
        x = narrow if np.can_cast(x.dtype, np.float32) else x.astype(np.float64)
        if bad:
            raise UserError(f"{where}: {bad} inputs are missing or infinite; fill or remove them first.")
    return np.ascontiguousarray(x)


def _values(y: NDArray[Any], path: Path) -> NDArray[np.float32]:
    try:
        with np.errstate(over="ignore"):
            values = y.astype(np.float32)
    except ValueError:
        raise UserError(f"{path}: answers must be numbers for task=regression, there is '{y.flat[0]}'.") from None
    if not np.isfinite(values).all():
        raise UserError(f"{path}: some answers are missing or infinite; remove those samples first.")
    return values.reshape(len(values), -1)


def _zeros_and_ones(y: NDArray[Any], path: Path) -> NDArray[np.float32]:
    if y.ndim != 2 or y.dtype.kind not in "buif" or not np.isin(y, (0, 1)).all():
        told = f"{y.dtype} {list(y.shape)}"
        raise UserError(f"{path}: task=multi_label wants y as N×labels of 0 and 1, and it has {told} or other values.")
    return y.astype(np.float32)


def _classes(y: NDArray[Any], path: Path) -> NDArray[Any]:
    """Returns the sorted distinct labels, by number where all are whole numbers."""
    names = np.unique(y)
    if names.dtype.kind == "f":
        raise UserError(
            f"{path}: the labels are numbers with fractions ({names[0]:g}, …), so this is no classification; "
            "add task=regression criterion=mse."
        )
    if len(names) < 2:
        raise UserError(f"{path}: all samples have the same label, {names[0]}.")
    return names


def _hold_to_pixels(found: dict[str, Samples], path: Path) -> None:
    for each in found.values():
        if each.x.ndim != 4 or each.y.shape != (len(each.x), *each.x.shape[2:]):
            raise UserError(
                f"{path}: task=segmentation wants x as images N×C×H×W and y as N×H×W, a class for each pixel, and they"
                f" are {list(each.x.shape)} and {list(each.y.shape)}."
            )


def _labels(y: NDArray[Any], targets: str, path: Path) -> NDArray[Any]:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if (y.ndim != 1 and targets != "mask") or y.dtype.kind not in "buifUS":
        raise UserError(f"{path}: labels must be one number or word a sample, y has {y.dtype} {list(y.shape)}.")
    if y.dtype.kind == "S":
        y = np.char.decode(y, "utf-8", "replace")
    if y.dtype.kind == "U" and all(is_number(str(text)) for text in np.unique(y)):
        y = y.astype(np.float64)
    if y.dtype.kind == "f" and (np.abs(y) < 2**53).all() and (y == np.floor(y)).all():
        y = y.astype(np.int64)
    return y


def _class_numbers(labels: NDArray[Any], names: NDArray[Any], path: Path) -> NDArray[np.int64]:
    if labels.dtype.kind != names.dtype.kind and "U" in (labels.dtype.kind, names.dtype.kind):
        labels, names = labels.astype(str), np.sort(names.astype(str))
    strangers = np.setdiff1d(labels, names)
    if len(strangers):
        raise UserError(f"{path}: label {strangers[0]} appears in testing but not in training.")
    return np.searchsorted(names, labels).astype(np.int64)
