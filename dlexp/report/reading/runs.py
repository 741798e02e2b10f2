"""Runs as a report sees them: what stands in their folders, read as data and without torch."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from dlexp.errors import UserError, closest, listed
from dlexp.metric import Metric, read_facts
from dlexp.records.folder import METRICS, RECORD
from dlexp.records.metrics import read_epochs
from dlexp.records.naming import LEDGER_FILE
from dlexp.records.run_json import is_diverged, recorded
from dlexp.report.reading.numbers import number
from dlexp.report.reading.plan import PLAN_FILE, read_plan
from dlexp.report.reading.run_files import (
    Unreadable,
    entry_of,
    parameters_of,
    settings_of,
    status_of,
)

# How far below a folder that is typed a run may lie: ./outputs/sweep/run.
DEPTH = 3
# What is said of a run that is not at its end.
UNFINISHED = {
    "running": "is still running",
    "stopped": "was stopped before its end",
    "died": "died before its end",
    "pruned": "was ended early by a search",
    "pending": "waits for its turn again",
}


@dataclass(frozen=True)
class Run:
    """A run folder that could be read.

    status: `finished`, `failed`, `stopped`, `pruned`, `running`, or `died`: its record says running, and nothing is at
    work in the folder. name: the folder's. settings: the resolved config, flat (`optimizer.lr`), and the option of each
    group by the group's name (`optimizer`). metrics: the final ones, shares between 0 and 1; None: no number.
    measures: unit and direction of each metric. seconds: without the start of Python. turn: its place among the jobs of
    its sweep, as they were typed.
    """

    folder: Path
    name: str
    status: str
    settings: dict[str, Any]
    words: list[str]
    seed: int
    cell: str | None
    metrics: dict[str, float | None]
    metric: str | None
    measures: dict[str, Metric]
    chosen_epoch: int | None
    seconds: float | None
    parameters: int | None
    started: str
    error: str | None
    entry: dict[str, Any] = field(repr=False)
    turn: int = 0

    @cached_property
    def _history(self) -> tuple[list[dict[str, Any]], str | None]:
        try:
            rows = read_epochs(self.folder)
        except UserError as error:
            return [], str(error)
        if self.is_finished and not rows:
            return [], f"{self.folder / METRICS} holds no epoch"
        return [{sys.intern(key): value for key, value in row.items()} for row in rows], None

    @property
    def epochs(self) -> list[dict[str, Any]]:
        """The line of each epoch in its metrics file, read when it is first asked for; none where that is damaged."""
        return self._history[0]

    @property
    def epochs_trouble(self) -> str | None:
        """Why its metrics file can't be read, in a sentence; None where it can. Asking reads the file."""
        return self._history[1]

    @property
    def is_one_step(self) -> bool:
        """Whether its method set the weights in a single step, as solvers do, for which no optimizer counts."""
        return self.settings.get("method", "plain") != "plain" and [row["step"] for row in self.epochs] == [1]

    @property
    def hands_on(self) -> bool:
        """Whether it is a stage that is not the last one of its command."""
        return _stage_of(self.entry).get("hands_on") is True

    @property
    def is_finished(self) -> bool:
        """Whether it came to its end."""
        return self.status == "finished"

    @property
    def typed(self) -> list[str]:
        """All words that were typed for it, those of a resumption last: what was typed later holds."""
        return [*self.words, *(word for each in self.entry.get("resumed", []) for word in each["overrides"])]

    @property
    def is_ended(self) -> bool:
        """Whether it is over: finished or failed. The others are in nobody's count, and named in a `Trouble`."""
        return self.status in ("finished", "failed")

    @property
    def is_diverged(self) -> bool:
        """Whether a loss of it is no number any more: it is counted, and never enters a mean."""
        losses = [value for key, value in self.metrics.items() if key.partition("/")[2] == "loss"]
        return is_diverged({"status": self.status, "error": self.error}) or (self.is_finished and None in losses)


@dataclass(frozen=True)
class Trouble:
    """A folder that is left out, and why, in words that follow its name."""

    folder: Path
    reason: str


def read_runs(folders: Sequence[Path]) -> tuple[list[Run], list[Trouble]]:
    """Returns the runs in folders of runs, of sweeps, of comparisons, and in folders of those, each once, by path.

    A run that is not at its end (`is_ended`) is among them, and among what is left out as well.

    Raises:
        UserError: a folder is not there, or no run lies in any of them.
    """
    if missing := [_missing(folder) for folder in folders if not folder.is_dir()]:
        raise UserError(*missing)
    troubles: dict[Path, Trouble] = {}
    places: dict[str, Path] = {}  # by where they really lie: links lead to a run several times
    for folder in folders:
        own = list(_run_folders(folder, troubles, set()))
        for place in own:
            places.setdefault(os.path.realpath(place), place)
        if not own and len(folders) > 1:
            troubles[folder] = Trouble(folder, "holds no run")
    runs: list[Run] = []
    queues: dict[Path, dict[str, str | None]] = {}
    turns = {parent: _turns(parent) for parent in {place.parent for place in places.values()}}
    for place in places.values():
        try:
            run = replace(read_run(place, queues), turn=turns[place.parent].get(place.name, 0))
        except Unreadable as error:
            troubles[place] = Trouble(place, str(error))
            continue
        runs.append(run)
        if not run.is_ended:
            troubles[place] = Trouble(place, UNFINISHED[run.status])
    if not runs:
        reasons = [f"{each.folder} {each.reason}" for each in troubles.values()]
        raise UserError(
            f"no run lies in {listed(folders)} that can be read" + (f": {listed(reasons, 3)}" if reasons else "")
        )
    return sorted(runs, key=lambda run: run.folder), sorted(troubles.values(), key=lambda each: each.folder)


def read_run(folder: Path, queues: dict[Path, dict[str, str | None]]) -> Run:
    """Reads one run folder; `queues` as in `status_of`.

    Raises:
        Unreadable: it is damaged, or of another version of dlexp.
    """
    entry = entry_of(folder)
    settings, status = settings_of(folder, entry), status_of(folder, entry, queues)
    if status != entry["status"]:  # it may have ended between the two looks
        entry = entry_of(folder)
        status = entry["status"] if entry["status"] != "running" else status
    if status not in ("finished", "failed", *UNFINISHED):
        raise Unreadable(f"is in a state that this version does not know: {status!r}")
    seed, start = settings.get("seed"), _stage_of(entry).get("start")
    if isinstance(start, str):  # the same for each seed, which a folder is not
        settings = settings | {"init_from": start}
    return Run(
        folder=folder,
        name=folder.resolve().name,
        status=status,
        settings=settings,
        words=entry["overrides"],
        seed=seed if type(seed) is int else entry["seed"],
        cell=entry.get("cell"),
        metrics={name: number(value) for name, value in entry["metrics"].items()},
        metric=entry.get("metric"),
        measures=read_facts(entry.get("measures", {})),
        chosen_epoch=entry["chosen_epoch"],
        seconds=number(entry["seconds"]),
        parameters=parameters_of(folder),
        started=entry["started"],
        error=entry["error"],
        entry=entry,
    )


def _stage_of(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns what a record says of a stage, of one among several."""
    found = entry.get("stage")
    return found if isinstance(found, Mapping) else {}


def _turns(folder: Path) -> dict[str, int]:
    """Returns the places of a sweep's jobs in the order they were typed in, by the names of their folders."""
    cells = recorded(folder / LEDGER_FILE, "cells")
    names = list(cells.values()) if isinstance(cells, dict) else []
    return {name: place for place, name in enumerate(names) if isinstance(name, str)}


def _tidied(path: Path) -> Path:
    """Returns a path without `..`, where that leads to the same place."""
    tidy = Path(os.path.normpath(path))
    return tidy if os.path.realpath(tidy) == os.path.realpath(path) else path


def _missing(folder: Path) -> str:
    if folder.exists():
        return f"{folder} is a file; a report takes folders of runs, of sweeps, or of those"
    try:
        near = sorted(each for each in folder.parent.iterdir() if each.is_dir())
        others = [each.name for each in near if any(True for _ in _run_folders(each, {}, set()))]
    except OSError:
        others = []
    meant = closest(folder.name, others)
    return f"there is no folder {folder}" + (f". Did you mean '{folder.parent / meant}'?" if meant else "")


def _run_folders(folder: Path, troubles: dict[Path, Trouble], seen: set[str], depth: int = DEPTH) -> Iterator[Path]:
    """Yields the run folders in a folder and below, and what a comparison used of others."""
    if os.path.lexists(folder / RECORD):
        yield folder
        return
    place = os.path.realpath(folder)
    if place in seen or depth == 0:
        return
    seen.add(place)
    try:
        with os.scandir(folder) as found:
            inner = sorted(each.name for each in found if each.is_dir() and not each.name.startswith("."))
    except OSError as error:
        troubles[folder] = Trouble(folder, f"can't be read ({error.strerror or error})")
        return
    if (folder / PLAN_FILE).is_file() and (plan := read_plan(folder)) is not None:
        for name in [*(name for runs in plan.runs.values() for name in runs.values()), *sum(plan.trials.values(), [])]:
            if (folder / name / RECORD).exists():
                yield _tidied(folder / name)
    for name in inner:
        yield from _run_folders(folder / name, troubles, seen, depth - 1)
