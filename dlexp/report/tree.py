"""What began from what: the run whose weights another one took (`init_from`, a method's teacher), as a tree."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlexp.config.cell import is_incidental
from dlexp.errors import as_typed
from dlexp.report.answer import Answer
from dlexp.report.reading.arms import key_of
from dlexp.report.reading.runs import Run

MOST_CHANGES = 6
DEEPEST = 12  # level that is set in farther than the one above
OWN = ("init_from", "note")  # which the tree shows by itself


@dataclass(frozen=True)
class Branch:
    """A run in the tree, `depth` levels below one that began from nothing.

    beside: of each level, whether more of the same parent follow below, that of the run itself last (see `DEEPEST`).
    changes: what was typed for it and is not so in the run above it, as words. value: of the answer's metric. folder:
    that of the run, as it was found; of one that is no part of the report as its child names it.
    """

    depth: int
    beside: tuple[bool, ...]
    folder: str
    changes: list[str]
    note: str | None
    value: float | None


def branches(answer: Answer) -> list[Branch]:
    """Returns the runs that began from another one, and those, from the first on; empty where none did."""
    runs = {os.path.realpath(run.folder): run for arm in answer.arms for run in arm.runs}
    above = {place: parent for place, run in runs.items() if (parent := _parent(run)) is not None}
    below: dict[str, list[str]] = {}
    for place, parent in above.items():
        below.setdefault(parent, []).append(place)
    names = {parent: _named(place, runs[place]) for place, parent in reversed(above.items()) if parent not in runs}
    names |= {place: run.folder.as_posix() for place, run in runs.items()}
    roots = sorted((place for place in below if place not in above), key=lambda place: names[place])
    found: list[Branch] = []
    waiting = [(root, 0, tuple[bool, ...]()) for root in reversed(roots)]  # no recursion: chains may be long
    while waiting:
        place, depth, beside = waiting.pop()
        run, origin = runs.get(place), runs.get(above.get(place, ""))
        found.append(
            Branch(
                depth=depth,
                beside=beside,
                folder=names[place],
                changes=_changes(run, origin) if run is not None and origin is not None else [],
                note=_note(run),
                value=run.metrics.get(answer.metric) if run is not None else None,
            )
        )
        children = sorted(below.get(place, []), key=lambda child: names[child], reverse=True)
        waiting += [
            (child, depth + 1, (*beside[: DEEPEST - 1], child != children[0])) for child in children
        ]  # the last one first
    return found


def _parent(run: Run) -> str | None:
    """Returns where the run lies that a run began from, as its record or its settings name it."""
    recorded = run.entry.get("parent")
    name = recorded.get("folder") if isinstance(recorded, Mapping) else None
    if not isinstance(name, str) or "\0" in name:
        return None
    try:
        return os.path.realpath(run.folder / os.fsdecode(os.fsencode(name)))
    except UnicodeEncodeError:  # a stranger's letters, which no file system has
        return None


def _named(place: str, child: Run) -> str:
    """Returns the folder of a parent that is not in the report, as it lies from its child's."""
    return Path(os.path.normpath(child.folder / child.entry["parent"]["folder"])).as_posix()


def _note(run: Run | None) -> str | None:
    note = None if run is None else run.settings.get("note")
    return note if isinstance(note, str) and note else None


def _changes(run: Run, parent: Run) -> list[str]:
    """Returns what was typed for a run, or for the one above it, and differs between them."""
    words: Sequence[str] = [*run.words, *parent.words]
    keys = dict.fromkeys(key for key in map(key_of, words) if not is_incidental(key) and key not in OWN)
    different: list[tuple[str, Any]] = [
        (key, run.settings.get(key))
        for key in keys
        if key in {**run.settings, **parent.settings} and run.settings.get(key) != parent.settings.get(key)
    ]
    told = [f"{key}={as_typed(value)}" for key, value in different[:MOST_CHANGES]]
    return [*told, f"and {len(different) - MOST_CHANGES} more"] if len(different) > MOST_CHANGES else told
