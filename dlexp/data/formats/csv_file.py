"""CSV files of numbers with one column of labels, and one of groups where it is named."""

import csv
from collections.abc import Container
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlexp.errors import UserError, did_you_mean

Text = NDArray[np.str_]


def read_csv(
    path: Path, label_column: str | None, group_column: str | None
) -> tuple[NDArray[np.float64], Text, Text | None]:
    """Returns (features N×columns, labels N, groups N as text) of a CSV whose first line names the columns.

    label_column: None = the last one that isn't the groups'. group_column: None = no groups. Raises UserError naming
    line and column of what is wrong.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            header = [name.strip() for name in next(rows, [])]
            words = _text_columns(path, header, label_column, group_column)
            texts: list[list[str]] = [[] for _ in words]
            features: list[NDArray[np.float64]] = []
            for row in rows:
                if row:
                    for (column, what), found in zip(words.items(), texts, strict=True):
                        found.append(_cell(path, header, row, column, what, rows.line_num))
                    features.append(_numbers(path, header, row, words, rows.line_num))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as CSV in UTF-8: {error}.") from error
    labels, groups = np.array(texts[0]), np.array(texts[1]) if group_column is not None else None
    return np.array(features, dtype=np.float64), labels, groups


def _text_columns(path: Path, header: list[str], label_column: str | None, group_column: str | None) -> dict[int, str]:
    """Returns what the columns hold that are no features: first the labels, then the groups if there are any."""
    needed = 2 if group_column is None else 3
    if len(header) < needed:
        also = "" if group_column is None else " beside the groups"
        raise UserError(f"{path} must begin with a line of column names, at least one feature and one label{also}.")
    for key, name in (("label_column", label_column), ("group_column", group_column)):
        if name is not None and name not in header:
            raise UserError(
                f"{path} has no column '{name}' (data.{key}); it has {', '.join(header[:20])}."
                + did_you_mean(name, header)
            )
    if label_column is not None and label_column == group_column:
        raise UserError(f"data.label_column and data.group_column are both '{label_column}'.")
    label = label_column if label_column is not None else next(n for n in reversed(header) if n != group_column)
    groups = {} if group_column is None else {header.index(group_column): "group"}
    return {header.index(label): "label", **groups}


def _cell(path: Path, header: list[str], row: list[str], column: int, what: str, line: int) -> str:
    if len(row) != len(header):
        raise UserError(f"{path}, line {line}: {len(row)} values, but {len(header)} columns.")
    if not row[column].strip():
        raise UserError(f"{path}, line {line}: no {what} in column '{header[column]}'.")
    return row[column].strip()


def _numbers(path: Path, header: list[str], row: list[str], left_out: Container[int], line: int) -> NDArray[np.float64]:
    cells = [cell for column, cell in enumerate(row) if column not in left_out]
    try:
        return np.array(cells, dtype=np.float64)
    except ValueError:
        names = [name for column, name in enumerate(header) if column not in left_out]
        wrong = next((pair for pair in zip(names, cells, strict=True) if not is_number(pair[1])), ("?", "?"))
        raise UserError(
            f"{path}, line {line}: '{wrong[1]}' in column '{wrong[0]}' is not a number, as features must be."
        ) from None


def is_number(text: str) -> bool:
    """Tells whether NumPy reads the text as a number."""
    try:
        np.array([text], dtype=np.float64)
    except ValueError:
        return False
    return True
