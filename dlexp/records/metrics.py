"""`metrics.jsonl`, the truth about a training: a line for each epoch, for each log between them, and for the test."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dlexp.errors import UserError
from dlexp.machine.whole_file import whole_file
from dlexp.records.folder import METRICS
from dlexp.records.run_json import as_json

MOST_BYTES = 2**30  # a million lines have 0.5 GB
LARGEST = 2**53  # of an epoch and a step: what a float can count
KINDS = ("epoch", "steps", "test")  # `kind` says which one a line is
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Reads the metrics of a run: one dict a line. A last line cut short by a killed run is left out.

    Raises FileNotFoundError, or UserError where a line before the last is damaged, or where it is no file that a run
    would have written.
    """
    path = folder / METRICS
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise UserError(f"{path} is no file")
    if (size := path.stat().st_size) > MOST_BYTES:
        raise UserError(f"{path} has {size / 1e9:.1f} GB, which no run writes")
    *complete, rest = path.read_bytes().split(b"\n")
    rows = []
    for number, line in enumerate(complete, start=1):
        if line.strip():
            try:
                rows.append(_row(line))
            except (ValueError, RecursionError) as error:  # of JSON and of UTF-8; many brackets within each other
                raise UserError(f"{path}, line {number}, is damaged ({error}); without it the rest is read") from error
    with suppress(ValueError, RecursionError):
        rows += [_row(rest)] if rest.strip() else []
    return rows


def _row(line: bytes) -> dict[str, Any]:
    row = json.loads(line.decode("utf-8"))
    if not isinstance(row, dict) or not all(isinstance(value, int | float | str | None) for value in row.values()):
        raise ValueError("it is no flat JSON object")
    if row.get("kind") not in KINDS:
        raise ValueError(f"its kind is none of {', '.join(KINDS)}")
    if not all(isinstance(count := row.get(key), int) and abs(count) <= LARGEST for key in ("epoch", "step")):
        raise ValueError("its epoch or step is no number")
    return row


def read_epochs(folder: Path) -> list[dict[str, Any]]:
    """Returns the line of each epoch of a run.

    Raises:
        UserError: there is no file of metrics, or it is damaged.
    """
    try:
        return [row for row in read_metrics(folder) if row["kind"] == "epoch"]
    except OSError as error:
        raise UserError(f"{folder / METRICS} can't be read: {error.strerror or error}") from error


def metrics_before(folder: Path, epoch: int, step: int) -> list[dict[str, Any]]:
    """Returns what lies before a saved state: `epoch` whole epochs and `step` steps.

    What came after is trained again, and the test result belongs to the end.

    Raises:
        UserError: the file is damaged.
    """
    try:
        return [row for row in read_metrics(folder) if _lies_before(row, epoch, step)]
    except FileNotFoundError:
        return []


def _lies_before(row: Mapping[str, Any], epoch: int, step: int) -> bool:
    if row["kind"] == "epoch":
        return bool(row["epoch"] <= epoch)
    return row["kind"] == "steps" and bool(row["step"] <= step)


def as_line(row: Mapping[str, Any]) -> bytes:
    """Returns a row as the file holds it: NaN and infinities, which JSON has no numbers for, as null."""
    try:
        text = _encode(row)  # nearly every row: `as_json` takes as long again
    except (ValueError, TypeError):
        text = json.dumps(as_json(row), ensure_ascii=False)
    return (text + "\n").encode("utf-8")


def write_metrics(folder: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes the file anew with these lines."""
    with whole_file(folder / METRICS) as file:
        file.writelines(map(as_line, rows))
