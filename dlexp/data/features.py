"""Rows of a table by the names of its columns, as inputs in the order of the features a model was trained on."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dlexp.data.formats.numbers import LARGEST, number
from dlexp.errors import UserError, did_you_mean, listed


def as_inputs(rows: Sequence[Mapping[str, Any]], feature_names: Sequence[str]) -> Tensor:
    """Returns float64 N×features of rows such as `{"length": 5.1, "colour": "red"}`; None and NaN become NaN.

    feature_names: as `data=arrays` names them: a column, or `column=text` where its texts are categories. What else
    stands in a row is left out. Raises UserError where a column is missing, a text is no category that was in the
    table, or a value is no number.
    """
    if not rows:
        return torch.zeros(0, len(feature_names), dtype=torch.float64)
    parts = [_column_and_text(name, rows[0]) for name in feature_names]
    texts: dict[str, list[str]] = {}
    for column, text in parts:
        if text is not None:
            texts.setdefault(column, []).append(text)
    return torch.tensor([[_feature(row, *part, texts) for part in parts] for row in rows], dtype=torch.float64)


def _column_and_text(name: str, row: Mapping[str, Any]) -> tuple[str, str | None]:
    """Returns the column of a feature, and its text where that is a category: either may have a = in it."""
    ends = [place for place, sign in enumerate(name) if sign == "="]
    end = next((end for end in [len(name), *reversed(ends)] if name[:end] in row), (ends or [len(name)])[0])
    return name[:end], name[end + 1 :] if end < len(name) else None


def _feature(row: Mapping[str, Any], column: str, text: str | None, texts: Mapping[str, Sequence[str]]) -> float:
    if column not in row:
        raise UserError(f"a row has no '{column}'; it has {listed(list(row))}.{did_you_mean(column, row)}")
    value = row[column]
    if value is None or isinstance(value, float) and math.isnan(value):
        return math.nan
    if text is not None:
        if str(value) not in texts[column]:
            raise UserError(f"'{value}' is no {column} of the table: it had {listed(texts[column])}")
        return float(str(value) == text)
    try:
        found = number(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError):
        found = None
    if found is None:
        raise UserError(f"'{value}' is no number, as {column} is")
    if abs(found) > LARGEST:
        raise UserError(f"'{value}', as a row's {column}, is infinite or beyond {LARGEST:.1e}")
    return found
