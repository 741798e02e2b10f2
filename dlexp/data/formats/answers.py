"""What is asked of a table's samples: labels become class numbers, values and labels of 0 and 1 floats."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlexp.data.formats.inputs import loses_in_float32
from dlexp.data.formats.npz_file import Samples
from dlexp.data.formats.numbers import number
from dlexp.errors import UserError

Splits = dict[str, Samples]
# 007 is a name. As a number it would be the same as 7.
NAME_OF_DIGITS = re.compile(r"[+-]?0\d.*")


def values(y: NDArray[Any], path: Path) -> NDArray[Any]:
    """Returns values N×outputs, of more axes as they are: float32, or float64 where float32 would round away how they
    differ. Raises UserError where some are no numbers, or infinite.
    """
    others = [text for text in y.flat if number(str(text)) is None] if y.dtype.kind not in "buif" else []
    if others:
        raise UserError(f"{path}: answers must be numbers for task=regression, there is '{others[0]}'.")
    with np.errstate(over="ignore", invalid="ignore"):
        exact = y.astype(np.float64)
        found: NDArray[Any] = exact if loses_in_float32(exact) else y.astype(np.float32)
    if not np.isfinite(found).all():
        raise UserError(f"{path}: some answers are missing or infinite; remove those samples first.")
    return found[:, None] if found.ndim == 1 else found


def zeros_and_ones(y: NDArray[Any], path: Path) -> NDArray[np.float32]:
    """Returns float32 N×labels. Raises UserError where y is not N×labels of 0 and 1."""
    if y.ndim != 2 or y.dtype.kind not in "buif" or not np.isin(y, (0, 1)).all():
        told = f"{y.dtype} {list(y.shape)}"
        raise UserError(f"{path}: task=multi_label wants y as N×labels of 0 and 1, and it has {told} or other values.")
    return y.astype(np.float32)


def hold_to_pixels(samples: Splits, path: Path) -> None:
    """Raises UserError where y is not a class for each pixel of x."""
    for each in samples.values():
        if each.x.ndim != 4 or each.y.shape != (len(each.x), *each.x.shape[2:]):
            raise UserError(
                f"{path}: task=segmentation wants x as images N×C×H×W and y as N×H×W, a class for each pixel, and they"
                f" are {list(each.x.shape)} and {list(each.y.shape)}."
            )


def numbered(samples: Splits, targets: str, path: Path) -> tuple[Splits, list[str]]:
    """Returns the samples with class numbers, int64, and the names of the classes, in the order of their numbers.

    Raises:
        UserError: labels have fractions, are all the same, are not one a sample, or do not come in training.
    """
    labels = {name: _labels(each.y, targets, path) for name, each in samples.items()}
    names = _classes(labels["train" if "train" in labels else "all"], path)
    found = {
        name: each._replace(y=_numbers(labels[name], names, f"{path}: y_{name}")) for name, each in samples.items()
    }
    return found, [str(name) for name in names]


def for_colours(samples: Splits, path: Path) -> tuple[Splits, list[str] | None]:
    """Returns the samples with class numbers and names where they have such, else with answers of 0 and None."""
    try:
        return numbered(samples, "classes", path)
    except UserError:  # numbers with fractions, all alike, several a sample: nothing to colour by
        return {name: each._replace(y=np.zeros((len(each.x), 1), np.float32)) for name, each in samples.items()}, None


def _classes(y: NDArray[Any], path: Path) -> NDArray[Any]:
    """Returns the sorted distinct labels, by number where all are whole numbers."""
    names = np.unique(y)
    if names.dtype.kind == "f":
        raise UserError(
            f"{path}: the labels are numbers with fractions ({names[0]:g}, …), so this is no classification; "
            "add task=regression criterion=mse."
        )
    if len(names) < 2:
        raise UserError(
            f"{path}: all samples have the same label, {names[0]}; of a CSV data.label_column=NAME says another."
        )
    return names


def _labels(y: NDArray[Any], targets: str, path: Path) -> NDArray[Any]:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if (y.ndim != 1 and targets != "mask") or y.dtype.kind not in "buifU":
        told = f"{y.dtype} {list(y.shape)}"
        raise UserError(
            f"{path}: labels must be one number or word a sample, y has {told}: of classes as 0 and 1 save"
            " y.argmax(axis=1), of several labels a sample add task=multi_label criterion=bce"
        )
    if y.dtype.kind == "U" and all(_is_a_number(str(text)) for text in np.unique(y)):
        y = y.astype(np.float64)
    if y.dtype.kind == "f" and (np.abs(y) < 2**53).all() and (y == np.floor(y)).all():
        y = y.astype(np.int64)
    return y


def _is_a_number(text: str) -> bool:
    """Says whether a label is a number, and no other text is the same one but for its form: not 007, not 20 digits."""
    found = number(text)
    return found is not None and abs(found) < 2**53 and not NAME_OF_DIGITS.fullmatch(text)


def _numbers(labels: NDArray[Any], names: NDArray[Any], where: str) -> NDArray[np.int64]:
    if labels.dtype.kind != names.dtype.kind and "U" in (labels.dtype.kind, names.dtype.kind):
        labels, names = labels.astype(str), np.sort(names.astype(str))
    strangers = np.setdiff1d(labels, names)
    if len(strangers):
        raise UserError(f"{where} has the label {strangers[0]}, which does not appear in training.")
    return np.searchsorted(names, labels).astype(np.int64)
