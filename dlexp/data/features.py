"""Rows of a table by the names of its columns, as inputs in the order of the features a model was trained on."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dlexp.errors import UserError, did_you_mean, listed


def as_inputs(rows: Sequence[Mapping[str, Any]], feature_names: Sequence[str]) -> Tensor:
    """Returns float64 N×features of rows such as `{"length": 5.1, "colour": "red"}`; None and NaN become NaN.

    feature_names: as `data=arrays` names them: a column, or `column=text` where its texts are categories. What else
    stands in a row is left out. Raises UserError where a column is missing, a text is no category that was in the
    table, or a value is no number.
    """
    texts: dict[str, list[str]] = {}
    for name in feature_names:
        column, sign, text = name.partition("=")
        if sign:
            texts.setdefault(column, []).append(text)
    return torch.tensor([[_feature(row, name, texts) for name in feature_names] for row in rows], dtype=torch.float64)


def _feature(row: Mapping[str, Any], name: str, texts: Mapping[str, Sequence[str]]) -> float:
    column, sign, text = name.partition("=")
    if column not in row:
        raise UserError(f"a row has no '{column}'; it has {listed(list(row))}.{did_you_mean(column, row)}")
    value = row[column]
    if value is None or isinstance(value, float) and math.isnan(value):
        return math.nan
    if sign:
        if str(value) not in texts[column]:
            raise UserError(f"'{value}' is no {column} of the table: it had {listed(texts[column])}")
        return float(str(value) == text)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UserError(f"'{value}' is no number, as {column} is") from None
