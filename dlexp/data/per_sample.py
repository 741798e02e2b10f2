"""Groups and weights that a file of one's own holds: a text or a number for each sample of a data set."""

import csv
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlexp.data.splits import Splits
from dlexp.errors import UserError, listed

# What a file of them may be.
ENDINGS = (".txt", ".csv", ".npy")


def hold_to_files(
    function: Callable[..., Any],
    *,
    group_file: str | None,
    group_pattern: str | None,
    weight_file: str | None,
    is_here: bool,
) -> None:
    """Raises UserError for what is wrong with these settings before any of it is read; lists all of it.

    function: the data set's, which has names to look at where `group_pattern` is one of its parameters. is_here: the
    files are to be on this machine.
    """
    problems = []
    if group_pattern is not None and "group_pattern" not in inspect.signature(function).parameters:
        problems.append(
            f"data.group_pattern={group_pattern} is about the names of images' files, and this data set has none:"
            " data.group_file=FILE names the group of each sample"
        )
    elif group_pattern is not None and group_file is not None:
        problems.append("data.group_file and data.group_pattern both name the groups: one of them will do")
    for key, file in (("group_file", group_file), ("weight_file", weight_file)):
        if file is None:
            continue
        path, what = Path(file).expanduser(), f"data.{key}={file}"
        if path.suffix.lower() not in ENDINGS:
            problems.append(f"{what} must end in .txt (a value a line), .csv (a column with its name) or .npy")
        elif is_here and not path.is_file():
            problems.append(f"{what} can't be read: there is no such file")
    if problems:
        raise UserError(*problems)


def described(splits: Splits, *, group_file: str | None, weight_file: str | None) -> Splits:
    """Returns the splits with the groups and weights of files; weights are those of training.

    Raises:
        UserError: a file can't be read or has not as many values as samples, or the data has its own.
    """
    parts = splits.named
    sizes = {name: len(split) for name, split in parts.items()}
    if group_file is not None:
        if any(split.groups is not None for split in parts.values()):
            raise UserError(f"the data has groups of its own, so data.group_file={group_file} can't name others")
        groups = shares("group_file", group_file, sizes)
        parts |= {name: parts[name].described(groups=own) for name, own in groups.items()}
    if weight_file is not None:
        if splits.train.weights is not None:
            raise UserError(f"the data has weights of its own, so data.weight_file={weight_file} can't name others")
        own = shares("weight_file", weight_file, sizes)["train"]
        parts["train"] = parts["train"].described(weights=own)
    return replace(splits, train=parts["train"], val=parts.get("val"), test=parts.get("test"))


def shares(key: str, file: str, sizes: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """Returns the values of a file by split: of the first, or of all one after the other where there are as many.

    key: the setting that names the file. Raises UserError where it can't be read or has another number of values.
    """
    values = _values(key, file)
    (first, num_first), total = next(iter(sizes.items())), sum(sizes.values())
    if len(values) == num_first:
        return {first: values}
    if len(values) != total:
        both = f" (or {total}, of {', '.join(sizes)} one after the other)" if len(sizes) > 1 else ""
        raise UserError(
            f"data.{key}={file} has {len(values)} values, and there are {num_first} training samples{both}: it must"
            " have one for each, in their order"
        )
    ends = np.cumsum(list(sizes.values()))[:-1]
    return dict(zip(sizes, np.split(values, ends), strict=True))


def groups_by_name(pattern: str, paths: Sequence[Path], root: Path) -> dict[Path, str]:
    """Returns what the first group of a regular expression (or all of it) finds in each path below `root`.

    Raises:
        UserError: it is none, or it finds nothing in some paths (names the first few).
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UserError(f"data.group_pattern={pattern} is no regular expression: {error}") from error
    found = {path: expression.search(path.relative_to(root).as_posix()) for path in paths}
    groups = {path: each[1 if expression.groups else 0] for path, each in found.items() if each is not None}
    others = [path.relative_to(root).as_posix() for path in paths if not groups.get(path)]
    if others:
        raise UserError(
            f"data.group_pattern={pattern} does not fit {len(others)} of {len(paths)} files, so nobody knows their"
            f" group: {listed(others, most=3)}"
        )
    return groups


def _values(key: str, file: str) -> NDArray[Any]:
    path, what = Path(file).expanduser(), f"data.{key}={file}"
    ending = path.suffix.lower()
    try:
        if ending == ".npy":
            found: NDArray[Any] = np.load(path, allow_pickle=False)
            if found.ndim != 1:
                raise ValueError(f"its shape is {list(found.shape)}, not one value a sample")
        else:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
            rows = list(csv.reader(lines)) if ending == ".csv" else [[line] for line in lines]
            first = 1 if ending == ".csv" else 0
            for number, row in enumerate(rows, 1):
                if len(row) != 1 or not row[0].strip():
                    raise ValueError(f"line {number} does not hold one value")
            found = np.array([row[0].strip() for row in rows[first:]], dtype=str)
        return found.astype(np.float64) if key == "weight_file" else found
    except OSError as error:
        raise UserError(f"{what} can't be read: {error.strerror or error}") from error
    except (ValueError, csv.Error) as error:  # of NumPy, of UTF-8, and of a text that is no number
        raise UserError(f"{what} can't be read: {error}") from error
