"""The end of a sweep: how each job ended, and a table of what varied against what came out."""

from collections.abc import Mapping, Sequence
from typing import Any

from dlexp.console.training_progress import format_seconds
from dlexp.records.result import objective_of


def report(entry: Mapping[str, Any] | None, before: Mapping[str, Any] | None, reason: object) -> dict[str, Any]:
    """Returns how a job ended: status, metrics, seconds, the reason of a failure, and the value that sweeps compare.

    `entry` is its run.json (None: there is none), `before` what that was before the job started, and `reason` what its
    process said of its end: an exception, or nothing.
    """
    found = dict(entry or {"status": "not started", "metrics": {}, "seconds": None, "error": None})
    if found["status"] == "running":  # nobody wrote its end: the process died
        found["status"] = "died"
    is_old = entry == before and isinstance(reason, Exception)  # it failed before it could write anything
    if found["status"] != "finished" and (is_old or not found["error"]):
        found["error"] = next(iter(str(reason).splitlines()), "") if isinstance(reason, BaseException) else None
    found["objective"] = objective_of(found["metrics"])
    return found


def table(rows: Sequence[tuple[Mapping[str, str], dict[str, Any]]]) -> str:
    """Returns a sweep as text, from what varied and the report of each job: metrics, seconds, why a job failed."""
    keys, reports = list(rows[0][0]), [found for _, found in rows]
    shown = [
        key
        for key in ("val/accuracy", "val/loss", "test/accuracy", "test/loss")
        if any(key in r["metrics"] for r in reports)
    ]
    if any(key.endswith("accuracy") for key in shown):
        shown = [key for key in shown if key.endswith("accuracy")]
    cells = [[*keys, *shown, "time", "status"]]
    for varied, found in rows:
        values = [number(key, found["metrics"].get(key)) for key in shown]
        seconds = format_seconds(found["seconds"]) if found["seconds"] is not None else "-"
        status = found["status"] + (f": {found['error']}" if found["error"] else "")
        cells.append([*varied.values(), *values, seconds, " ".join(status.split())])
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join(["", lines[0], "-" * min(100, len(lines[0])), *lines[1:], ""])


def number(key: str, value: float | None) -> str:
    """Returns a metric as the table shows it: accuracies in percent."""
    if value is None:
        return "-"
    return f"{100 * value:.2f} %" if key.endswith("accuracy") else f"{value:.4g}"
