"""The end of a sweep: how each job ended, and a table of what varied against what came out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dlexp.console.tables import aligned
from dlexp.console.training_progress import format_seconds
from dlexp.console.wording import TRAINED_ON, number
from dlexp.metric import LOSS, read_facts

FOLD = "data.fold"


def report(
    entry: Mapping[str, Any] | None, before: Mapping[str, Any] | None, reason: object, underway: str | None = None
) -> dict[str, Any]:
    """Returns how a job ended: status, metrics, seconds, and the reason of a failure.

    `entry` is its run.json (None: there is none), `before` what that was before the job started, and `reason` what its
    process said of its end: an exception, or nothing. `underway` is `pending` or `running` where it goes on elsewhere.
    """
    found = dict(entry or {"status": "not started", "metrics": {}, "seconds": None, "error": None})
    if found["status"] == "running":  # nobody wrote its end: the process died
        found["status"] = "died"
    is_old = entry == before and isinstance(reason, Exception)  # it failed before it could write anything
    if found["status"] != "finished" and (is_old or not found["error"]):
        found["error"] = str(reason) if isinstance(reason, BaseException) else None
    if underway is not None and found["status"] != "finished":
        found |= {"status": underway, "error": None}
    return found


def table(rows: Sequence[tuple[Mapping[str, str], dict[str, Any]]]) -> str:
    """Returns a sweep as text, from what varied and the report of each job.

    A column for each split shows the metric that chose the epoch, further ones what was measured at the end alone; then
    come seconds, and why a job failed. Where folds varied, a line below tells the mean over them.
    """
    keys, reports = list(rows[0][0]), [found for _, found in rows]
    chosen = dict.fromkeys(found["metric"].partition("/")[2] for found in reports if found.get("metric"))
    last = dict.fromkeys(name for found in reports for name in found.get("last_look", []))
    columns = [f"{split}/{name}" for names in (chosen, last) for split in ("val", "test", TRAINED_ON) for name in names]
    shown = [key for key in columns if any(key in found["metrics"] for found in reports)]
    cells = [[*keys, *shown, "time", "status"]]
    for varied, found in rows:
        values = [_cell(found, key) for key in shown]
        seconds = format_seconds(found["seconds"]) if found["seconds"] is not None else "-"
        status = found["status"] + (f": {found['error']}" if found["error"] else "")
        cells.append([*varied.values(), *values, seconds, " ".join(status.split())])
    return in_columns(cells) + "".join(f"{line}\n" for line in _means_over_folds(rows, shown))


def _means_over_folds(rows: Sequence[tuple[Mapping[str, str], dict[str, Any]]], shown: Sequence[str]) -> Iterator[str]:
    """Yields for all jobs that differ only in the fold: each metric's mean over those that finished, and its values."""
    folds: dict[str, list[dict[str, Any]]] = {}
    for varied, found in rows:
        if FOLD in varied:
            others = " ".join(f"{key}={value}" for key, value in varied.items() if key != FOLD)
            folds.setdefault(others, []).append(found)
    for others, reports in folds.items():
        done = [found for found in reports if found["status"] == "finished"]
        told = []
        for key in shown:
            values = [found["metrics"][key] for found in done if found["metrics"].get(key) is not None]
            if values:
                mean = done[0] | {"metrics": {key: sum(values) / len(values)}}
                told.append(f"{key} {_cell(mean, key)} ({', '.join(_cell(found, key) for found in done)})")
        if told:
            part = "" if len(done) == len(reports) else f" of {len(reports)}"
            yield f"{others}{': ' if others else ''}mean over {len(done)}{part} folds: {'; '.join(told)}"


def in_columns(cells: Sequence[Sequence[str]]) -> str:
    """Returns rows of words as columns, the first row as their heads."""
    head, *lines = aligned(cells)
    return "\n".join(["", head, "-" * min(100, len(head)), *lines, ""])


def _cell(found: Mapping[str, Any], key: str) -> str:
    value, measures = found["metrics"].get(key), read_facts(found.get("measures", {}))
    return "-" if value is None else number(value, measures.get(key.partition("/")[2], LOSS))
