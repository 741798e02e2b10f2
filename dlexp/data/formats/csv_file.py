"""CSV files of numbers with one column of labels."""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlexp.errors import UserError, did_you_mean


def read_csv(path: Path, label_column: str | None) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Returns (features N×columns, labels N as text) of a CSV whose first line names the columns.

    label_column: None = the last one. Raises UserError naming line and column of what is wrong.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            header = [name.strip() for name in next(rows, [])]
            column = _label_index(path, header, label_column)
            features: list[NDArray[np.float32]] = []
            labels: list[str] = []
            for row in rows:
                if row:
                    labels.append(_cell(path, header, row, column, rows.line_num))
                    features.append(_numbers(path, header, row, column, rows.line_num))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as CSV in UTF-8: {error}.") from error
    return np.array(features, dtype=np.float32), np.array(labels)


def _label_index(path: Path, header: list[str], label_column: str | None) -> int:
    if len(header) < 2:
        raise UserError(f"{path} must begin with a line of column names, at least one feature and one label.")
    if label_column is None:
        return len(header) - 1
    if label_column not in header:
        raise UserError(
            f"{path} has no column '{label_column}' (data.label_column); it has {', '.join(header[:20])}."
            + did_you_mean(label_column, header)
        )
    return header.index(label_column)


def _cell(path: Path, header: list[str], row: list[str], column: int, line: int) -> str:
    if len(row) != len(header):
        raise UserError(f"{path}, line {line}: {len(row)} values, but {len(header)} columns.")
    if not row[column].strip():
        raise UserError(f"{path}, line {line}: no label in column '{header[column]}'.")
    return row[column].strip()


def _numbers(path: Path, header: list[str], row: list[str], column: int, line: int) -> NDArray[np.float32]:
    cells = row[:column] + row[column + 1 :]
    try:
        with np.errstate(over="ignore"):  # too large becomes infinite, which the reader of the whole refuses
            return np.array(cells, dtype=np.float32)
    except ValueError:
        names = header[:column] + header[column + 1 :]
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
