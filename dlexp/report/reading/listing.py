"""What lies in a folder: its runs with their states, what each differs in, and which of them are one experiment."""

import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from dlexp.config.cell import is_incidental
from dlexp.errors import UserError, did_you_mean, listed
from dlexp.metric import LOSS, Metric
from dlexp.records.folder import METRICS, RECORD
from dlexp.records.naming import in_a_name, plain_name
from dlexp.report.reading.arms import key_of
from dlexp.report.reading.conditions import matching
from dlexp.report.reading.numbers import number_in
from dlexp.report.reading.plan import PLAN_FILE, read_plan
from dlexp.report.reading.runs import Run, Trouble, read_runs

TIME = ("seconds", "time")  # what a list can be sorted by besides a metric
STATES = {"finished": "done"}  # what a list calls a status otherwise
OTHER_DATA = "other data"  # of a finished run whose cell was trained on other data, or from other weights, since
IN_NAMES = ("model", "data", "optimizer", "experiment")  # what the folder of a single run is named after


@dataclass(frozen=True)
class Entry:
    """A run as a list shows it.

    group: the folder that it lies in, of a sweep; None: the one that is listed. words: those that its neighbours there
    do not all have, and its name does not tell. metric: what `value` is of, the best in validation. repeats: the run of
    the same experiment that it stands below.
    """

    run: Run
    group: Path | None
    state: str
    words: list[str]
    metric: str | None
    value: float | None
    megabytes: float
    repeats: str | None = None

    @property
    def facts(self) -> Metric:
        """Unit and direction of the metric."""
        return self.run.measures.get((self.metric or "").partition("/")[2], LOSS)

    @property
    def rank(self) -> float:
        """A number that is smaller the better the value is; infinite without one."""
        return math.inf if self.value is None else -self.value if self.facts.higher_is_better else self.value


def read_list(folder: Path, where: Sequence[str] = (), sort: str | None = None) -> tuple[list[Entry], list[Trouble]]:
    """Returns the runs in a folder, and what can't be read there.

    The newest run, or the newest sweep, is the last one; repeats stand together, runs of a sweep by name. With `sort`
    the best stands first, or the fastest (`seconds`), runs that are not finished last, and no groups are kept.

    Raises:
        UserError: there is no such folder, no run in it, no run that has a key or metric, or none that is as asked.
    """
    runs, troubles = read_runs([folder])
    unread = [each for each in troubles if each.folder not in {run.folder for run in runs}]
    chosen = matching(runs, where)
    unread += [Trouble(run.folder, f"has lost its {METRICS}") for run in chosen if run.is_finished and _is_bare(run)]
    metric = None if sort in (None, *TIME) else _metric(chosen, sort or "")
    groups: dict[Path | None, list[Run]] = {}
    for run in chosen:
        parent = run.folder.parent
        groups.setdefault(None if folder in (parent, run.folder) else parent, []).append(run)
    units = [unit for group, members in groups.items() for unit in _units(group, members, metric)]
    if sort is not None:

        def order(entry: Entry) -> tuple[bool, float]:
            seconds = math.inf if entry.run.seconds is None else entry.run.seconds
            return not entry.run.is_finished, seconds if sort in TIME else entry.rank

        return sorted((each for unit in units for each in unit), key=order), unread
    units.sort(key=lambda unit: max(each.run.started for each in unit))
    return [each for unit in units for each in unit], unread


@dataclass(frozen=True)
class Question:
    """What a comparison asks, in the words of its command.

    elsewhere: how many of its final runs lie in other folders, by these. is_bare: no run lies in its own.
    """

    words: str
    elsewhere: dict[str, int]
    is_bare: bool


def questions(folder: Path) -> dict[Path, Question]:
    """Returns what the comparisons in a folder ask, by their own."""
    found = {}
    for place in sorted(file.parent for file in folder.glob(f"*/{PLAN_FILE}")):
        if (plan := read_plan(place)) is not None:
            names = [PurePosixPath(name) for its in plan.runs.values() for name in its.values()]
            away = Counter((folder / Path(*name.parts[1:-1])).as_posix() for name in names if name.parts[0] == "..")
            is_bare = not any(place.glob(f"*/{RECORD}"))
            found[place] = Question(plan.command.partition(" compare ")[2], dict(away), is_bare)
    return found


def _units(group: Path | None, runs: Sequence[Run], metric: str | None) -> Iterator[list[Entry]]:
    """Yields what stays together: the runs of one experiment, and all of a sweep."""
    typed = {run.folder: _typed(run) for run in runs}
    shared = set.intersection(*(set(words) for words in typed.values())) if len(runs) > 1 else set()
    same: dict[str, list[Entry]] = {}
    for run in sorted(runs, key=lambda run: (run.started, run.folder)):
        words = [word for word in typed[run.folder] if word not in shared and not _tells(run.name, word)]
        key = metric or run.metric
        entry = Entry(run, group, "", words, key, _best(run, key), _megabytes(run.folder))
        same.setdefault(run.cell or str(run.folder), []).append(entry)
    found = [_with_states(each) for each in same.values()]
    if group is None:
        yield from found
    else:
        yield [each for unit in sorted(found, key=lambda unit: _in_order(unit[0].run.name)) for each in unit]


def _with_states(repeats: Sequence[Entry]) -> list[Entry]:
    """Returns the runs of one experiment, which differ in their data at most, with what is said of each."""
    read = [each for each in repeats if each.run.entry.get("data") is not None]
    newest = _read_by(read[-1].run) if read else None
    first = repeats[0].run.name
    entries = []
    for each in repeats:
        is_other = each.run.is_finished and each in read and _read_by(each.run) != newest
        state = OTHER_DATA if is_other else STATES.get(each.run.status, each.run.status)
        entries.append(replace(each, state=state, repeats=None if each is repeats[0] else first))
    return entries


def _is_bare(run: Run) -> bool:
    """Returns whether a run has no curve: its file of metrics is gone or empty."""
    try:
        return (run.folder / METRICS).stat().st_size == 0
    except OSError:
        return True


def _in_order(name: str) -> list[tuple[bool, int, str]]:
    """Returns what names are sorted by: `seed-10` stands behind `seed-9`."""
    pieces = re.findall(r"\d+|\D+", name)
    return [(piece.isdecimal(), int(piece) if piece.isdecimal() else 0, piece) for piece in pieces]


def _read_by(run: Run) -> tuple[Any, Any]:
    return run.entry.get("data"), run.entry.get("initial_weights")


def _typed(run: Run) -> list[str]:
    """Returns the words that say what a run is, the last of each key; what changes no result is left out."""
    last = {key_of(word): word for word in run.typed if "=" in word}
    return [word for key, word in last.items() if not is_incidental(key) and key != "accept_changes"]


def _tells(name: str, word: str) -> bool:
    """Returns whether the name of a run's folder says a word already."""
    key, _, value = word.lstrip("+").partition("=")
    pieces = [plain_name(in_a_name(f"{short}={value}")) for short in (key, key.rpartition(".")[2])]
    pieces += [plain_name(value)] if key in IN_NAMES else []
    letter = "[A-Za-z0-9]"  # `adamw` does not tell `adam`
    return any(re.search(f"(?<!{letter}){re.escape(piece)}(?!{letter})", name) for piece in pieces)


def _best(run: Run, key: str | None) -> float | None:
    """Returns the final value of a metric; of a run that is not at its end the best so far, if it has epochs."""
    if key is None or run.is_finished:
        return run.metrics.get(key or "")
    values = [value for row in run.epochs if (value := number_in(row, key)) is not None]
    higher = run.measures.get(key.partition("/")[2], LOSS).higher_is_better
    return (max if higher else min)(values, default=None)


def _megabytes(folder: Path) -> float:
    """Returns what the files of a run take, one with two names once."""
    total, waiting, seen = 0, [str(folder)], set()
    while waiting:
        try:
            with os.scandir(waiting.pop()) as inner:
                for each in inner:
                    if each.is_dir(follow_symlinks=False):
                        waiting.append(each.path)
                        continue
                    facts = each.stat(follow_symlinks=False)
                    if facts.st_nlink < 2 or (facts.st_dev, facts.st_ino) not in seen:
                        total += facts.st_size
                        seen.add((facts.st_dev, facts.st_ino))
        except OSError:  # it went meanwhile, or is not ours to read
            continue
    return total / 1e6


def _metric(runs: Sequence[Run], name: str) -> str:
    """Returns the full name of a metric, `val/accuracy` for `accuracy`. Raises UserError where no run has it."""
    there = {key: None for run in runs for key in run.metrics if run.metrics[key] is not None}
    for run in runs:
        there |= {} if run.is_finished else {key: None for row in run.epochs for key in row if key.startswith("val/")}
    found = next((key for key in (name, f"val/{name}") if key in there), None)
    if found is None:
        known = [*TIME, *sorted(key for key in there if not key.startswith("train/"))]
        meant = did_you_mean(name, known)
        raise UserError(f"no run has the metric {name}.{meant} Runs are sorted by {listed(known, 14)}")
    return found
