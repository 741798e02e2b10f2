"""NPZ files of arrays, as `np.savez` writes them."""

import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlexp.data.formats.reading import NO_LABEL
from dlexp.errors import UserError

# The splits of an NPZ, whose arrays are x_train and so on; x alone is the whole.
SPLITS = ("all", "train", "val", "test")


class Samples(NamedTuple):
    """x: uint8 N×C×H×W, whole numbers that may be ids as they are, else floats N×… (float64 where the file has them,
    of images float32); y: int64 N (classes) or N×H×W (masks), or float32 N×… (values, or labels of 0 and 1). Groups
    and weights as in `Split`.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    groups: NDArray[Any] | None = None
    weights: NDArray[Any] | None = None


def read_npz(path: Path, *, wants_label: bool = True) -> dict[str, Samples]:
    """Returns the splits that a file holds, as they are; arrays by other names are not looked at.

    wants_label: without it y may be missing, and is 0 then.

    Raises:
        UserError: it is no NPZ, lacks an array, or holds objects, which only pickle could read.
    """
    names = {split: "" if split == "all" else f"_{split}" for split in SPLITS}
    wanted = {key + ending for ending in names.values() for key in Samples._fields}
    name = ""
    try:
        # Opened here: NumPy leaves a file that is no NPZ open.
        with path.open("rb") as stream:
            if not zipfile.is_zipfile(stream):
                raise ValueError("it is no NPZ file (np.savez writes them)")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as file:
                arrays = {}
                for name in wanted.intersection(file.files):
                    array = np.atleast_1d(file[name])
                    # Bytes are text from here on. What is no UTF-8 stays apart: two labels never become one.
                    arrays[name] = (
                        np.char.decode(array, "utf-8", "backslashreplace") if array.dtype.kind == "S" else array
                    )
                held = list(file.files)
    except Exception as error:  # bytes of unknown making: NumPy and zipfile raise some ten different kinds
        if name and "allow_pickle" in str(error):
            kind = "float32" if name.startswith(("x", "weights")) else "str"
            raise UserError(
                f"{path} holds {name} as Python objects, which could run anything when they are read; save it as"
                f' numbers or texts: np.savez(FILE, {name}=np.array(list({name}), dtype="{kind}"), …), where all rows'
                " have one length"
            ) from None
        raise UserError(f"{path} cannot be read as NPZ: {error}.") from error
    found = {}
    for split, ending in names.items():
        own = {key: arrays[key + ending] for key in Samples._fields if key + ending in arrays}
        if "x" in own and not wants_label:
            own.setdefault("y", np.zeros((len(own["x"]), 1), np.float32))
        if {"x", "y"} <= own.keys():
            found[split] = Samples(**own)
    if "all" in found:
        return {"all": found["all"]}
    if "train" not in found:
        raise UserError(
            f"{path} must hold arrays named x and y, or x_train and y_train (and x_test, y_test, x_val, "
            f"y_val); it holds {', '.join(held) or 'none'}."
        )
    return found


def without_gaps(samples: Samples, missing: str | None, where: str) -> tuple[Samples, list[str]]:
    """Returns the samples that are kept, and what is said of the others: NaN is a missing value, among labels also "".

    missing: as in `Reading`. where: the file and split. Raises UserError where a value is missing that may not be.
    """
    gaps = {"x": _is_missing(samples.x), "y": _is_missing(samples.y)}
    for key, is_missing in gaps.items():
        if not is_missing.any() or missing == "drop" or (missing == "mean" and key == "x"):
            continue
        place = np.argwhere(is_missing)[0].tolist()
        mean = ", data.missing=mean puts the mean of the training samples there" if key == "x" else ""
        raise UserError(
            f"{where}: {key}{place} is missing, {int(is_missing.sum())} in all: data.missing=drop leaves such samples"
            f" out{mean}"
        )
    count = int(gaps["x"].sum())
    if missing != "drop":
        said = [f"{count} missing values ({where}) become the mean of the training samples"] if count else []
        return samples, said
    is_left_out = np.any([each.reshape(len(each), -1).any(axis=1) for each in gaps.values()], axis=0)
    if not is_left_out.any():
        return samples, []
    if is_left_out.all():
        raise UserError(f"{where}: data.missing=drop leaves no sample: in each a value is missing.")
    kept = samples._replace(**{key: each[~is_left_out] for key, each in samples._asdict().items() if each is not None})
    return kept, [f"{int(is_left_out.sum())} of {len(is_left_out)} samples left out ({where}: values are missing)"]


def _is_missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.zeros(values.shape, dtype=bool)
    if values.dtype.kind == "f":
        found = np.isnan(values)
    if values.dtype.kind == "U":
        found = np.isin(np.char.lower(np.char.strip(values)), list(NO_LABEL))
    return found
