"""The end of a sweep: how each job ended, and a table of what varied against what came out."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dlexp.console.tables import aligned, fitted, terminal_width, width_of, wrapped
from dlexp.console.training_progress import format_seconds
from dlexp.console.wording import TRAINED_ON, number, told_gap
from dlexp.metric import LOSS, Metric, decides_the_loss, read_facts
from dlexp.records.result import loss_of

FOLD, SEED = "data.fold", "seed"
Rows = Sequence[tuple[Mapping[str, str], dict[str, Any]]]


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


def table(rows: Rows) -> str:
    """Returns a sweep as text, from what varied and the report of each job.

    A column for each split shows the metric that chose the epoch, with its name where the jobs' tasks differ; further
    ones show what was measured at the end alone; then come the gap to the training samples, where they were evaluated,
    seconds, and why a job failed. Jobs that can be compared
    stand in the order of validation, equal ones by their loss, and the best is marked where no seed varies; what failed
    stands last. Where folds varied, a line below tells the mean over them.
    """
    metric = compared(rows)
    if metric is not None:
        rows = sorted(rows, key=lambda row: (_rank(row[1], metric), loss_of(row[1])))
    ranks = [] if metric is None or SEED in rows[0][0] else [_rank(found, metric) for _, found in rows]
    marks = best_marks(ranks, [found for _, found in rows]) or [""] * len(rows)
    keys, reports = list(rows[0][0]), [found for _, found in rows]
    of_task = _tasks(reports)
    differ = len({metric for metric, _ in of_task}) > 1 and len({measures for _, measures in of_task}) > 1
    chosen = dict.fromkeys(found["metric"].partition("/")[2] for found in reports if found.get("metric"))
    last = dict.fromkeys(name for found in reports for name in found.get("last_look", []))
    columns = [f"{split}/{name}" for names in (chosen, last) for split in ("val", "test", TRAINED_ON) for name in names]
    shown = [key for key in columns if any(key in found["metrics"] for found in reports)]
    heads = list(dict.fromkeys(key.partition("/")[0] for key in shown)) if differ else shown
    gaps = [told_gap(found["metrics"], *_leading(found)) or "-" for _, found in rows]
    ends = ["gap"] * any(each != "-" for each in gaps) + ["time", "status"]
    cells = [[*keys, *heads, *ends]]
    for (varied, found), mark, told in zip(rows, marks, gaps, strict=True):
        values = [_own_cell(found, split) for split in heads] if differ else [_cell(found, key) for key in shown]
        seconds = format_seconds(found["seconds"]) if found["seconds"] is not None else "-"
        status = found["status"] + (f": {found['error']}" if found["error"] else mark)
        values += [told] if "gap" in ends else []
        cells.append([*varied.values(), *values, seconds, " ".join(status.split())])
    apart, reasons = _reasons_apart(cells)
    return in_columns(apart) + lines_of([*reasons, *_means_over_folds(rows, shown)])


def _reasons_apart(cells: Sequence[list[str]]) -> tuple[Sequence[list[str]], list[str]]:
    """Returns the rows of a table, with numbers in place of the reasons of failures where a terminal has no room for
    these, and what they mean.
    """
    space, reasons = terminal_width(), dict[str, str]()
    if space is None or max(map(width_of, aligned(cells))) <= space:
        return cells, []
    found = []
    for *others, told in cells:
        status, colon, why = told.partition(": ")
        note = reasons.setdefault(why, f"[{len(reasons) + 1}]") if colon else ""
        found.append([*others, f"{status} {note}".strip()])
    return found, [f"{note} {why}" for why, note in reasons.items()]


def lines_of(texts: Iterable[str]) -> str:
    """Returns texts a line each, at a terminal in as many as have room."""
    space = terminal_width()
    return "".join(f"{line}\n" for text in texts for line in (wrapped(text, space) if space else [text]))


def compared(rows: Rows) -> str | None:
    """Returns the metric of validation by which jobs are compared; None where they can't be (see `shared_metric`), or
    nothing validated.
    """
    metric = shared_metric(rows)
    return metric if any(found["metrics"].get(metric) is not None for _, found in rows) else None


def shared_metric(rows: Rows) -> str | None:
    """Returns the metric that chooses in all jobs, also where no sample validates; None where jobs can't be compared:
    their tasks, metrics, losses or data differ, or folds do.
    """
    tasks = _tasks([found for _, found in rows])
    if len(tasks) != 1 or {"data", FOLD} & rows[0][0].keys():
        return None
    ((metric, _),) = tasks
    return None if metric == "val/loss" and any(map(decides_the_loss, rows[0][0])) else metric


def _tasks(reports: Sequence[Mapping[str, Any]]) -> set[tuple[str, frozenset[str]]]:
    """Returns what jobs measure: the metric that chooses, and all that are measured after each epoch."""
    return {
        (found["metric"], frozenset(found.get("measures", {}).keys() - found.get("last_look", [])))
        for found in reports
        if found.get("metric")
    }


def best_marks(ranks: Sequence[tuple[int, float]], reports: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns for each rank what marks the best, and equally good ones as a tie; nothing does where there is one value
    only. No ranks: no marks.

    reports: of all jobs, of which some may still change what is the best.
    """
    values = [rank for rank in ranks if rank[0] == 0]
    so_far = "" if all(found["status"] in ("finished", "failed", "pruned") for found in reports) else " so far"
    best = min(values) if len(values) > 1 else None
    word = "tie" if sum(rank == best for rank in ranks) > 1 else "best"
    return [f", {word} in validation{so_far}" if rank == best else "" for rank in ranks]


def _rank(found: Mapping[str, Any], metric: str) -> tuple[int, float]:
    """Returns what jobs are sorted by: how they ended, and how good they are, the smaller the better."""
    value, facts = found["metrics"].get(metric), read_facts(found.get("measures", {}))
    if found["status"] == "finished":
        higher = facts.get(metric.partition("/")[2], LOSS).higher_is_better
        return (1, 0.0) if value is None else (0, -value if higher else value)
    return (2, 0.0) if found["status"] in ("running", "pending", "stopped") else (3, 0.0)


def _means_over_folds(rows: Rows, shown: Sequence[str]) -> Iterator[str]:
    """Yields for all jobs that differ only in the fold: the mean of the metric that chose their epoch over those that
    finished, and its values. The best mean in validation stands first and is marked, where these can be compared.
    """
    folds: dict[str, list[dict[str, Any]]] = {}
    for varied, found in rows:
        if FOLD in varied:
            others = " ".join(f"{key}={value}" for key, value in varied.items() if key != FOLD)
            folds.setdefault(others, []).append(found)
    metric = compared([({key: varied[key] for key in varied if key != FOLD}, found) for varied, found in rows])
    ranks = {others: _mean_rank(reports, metric) for others, reports in folds.items()}
    order = sorted(folds, key=lambda others: ranks[others])
    marks = best_marks([ranks[others] for others in order], [found for _, found in rows])
    for others, mark in zip(order, marks, strict=True):
        reports = folds[others]
        done = [found for found in reports if found["status"] == "finished"]
        told = []
        own = {name for found in done for name in _own_names(found)}
        for key in (key for key in shown if key.partition("/")[2] in own):
            values = [found["metrics"][key] for found in done if found["metrics"].get(key) is not None]
            if values:
                mean = done[0] | {"metrics": {key: sum(values) / len(values)}}
                told.append(f"{key} {_cell(mean, key)} ({', '.join(_cell(found, key) for found in done)})")
        if told:
            part = "" if len(done) == len(reports) else f" of {len(reports)}"
            yield f"{others}{': ' if others else ''}mean over {len(done)}{part} folds{mark}: {'; '.join(told)}"


def _mean_rank(reports: Sequence[Mapping[str, Any]], metric: str | None) -> tuple[int, float]:
    """Returns what means over folds are sorted by; one over some of its folds alone is no best one."""
    ranks = [(1, 0.0) if metric is None else _rank(found, metric) for found in reports]
    worst = max(ended for ended, _ in ranks)
    return worst, 0.0 if worst else sum(value for _, value in ranks) / len(ranks)


def in_columns(cells: Sequence[Sequence[str]]) -> str:
    """Returns rows of words as columns, the first row as their heads; at a terminal as wide as that."""
    space = terminal_width()
    head, *lines = fitted(cells, space)
    stroke = "-" * min(space or 100, max(map(len, head)))
    return "\n".join(["", *head, stroke, *itertools.chain(*lines), ""])


def _own_names(found: Mapping[str, Any]) -> list[str]:
    """Returns the metric that chose a job's epoch, and what was measured at its end alone."""
    return [found.get("metric", "").partition("/")[2], *found.get("last_look", [])]


def _leading(found: Mapping[str, Any]) -> tuple[str, Metric]:
    """Returns the metric that chose a job's epoch, and what it is."""
    name = str(found.get("metric", "")).partition("/")[2]
    return name, read_facts(found.get("measures", {})).get(name, LOSS)


def _own_cell(found: Mapping[str, Any], split: str) -> str:
    values = {name: _cell(found, f"{split}/{name}") for name in _own_names(found)}
    return ", ".join(f"{name} {value}" for name, value in values.items() if value != "-") or "-"


def _cell(found: Mapping[str, Any], key: str) -> str:
    value, measures = found["metrics"].get(key), read_facts(found.get("measures", {}))
    return "-" if value is None else number(value, measures.get(key.partition("/")[2], LOSS))
