"""Numbers of a record: what statistics can hold, and none where a stranger's file has a text."""

from collections.abc import Mapping
from typing import Any

from dlexp.report.reading.run_files import LARGEST, SMALLEST


def number(value: float | None) -> float | None:
    """Returns a number that statistics hold as a float, everything else as None; next to nothing is 0."""
    if value is None or not abs(value) <= LARGEST:
        return None
    return float(value) if abs(value) >= SMALLEST else 0.0


def number_in(row: Mapping[str, Any], key: str) -> float | None:
    """Returns a finite number of a row of metrics.jsonl; None where there is none, or a stranger's text."""
    value = row.get(key)
    return number(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def seconds_in(row: Mapping[str, Any]) -> float:
    """Returns the seconds of training and validation in an epoch's row."""
    return sum(number_in(row, f"time/{part}") or 0.0 for part in ("train", "val"))
