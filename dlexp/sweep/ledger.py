"""Which cells of a sweep are done: read from its job folders, so that the same command goes on where it ended."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dlexp.experiment.identity import Identity
from dlexp.machine.lock_file import locked
from dlexp.records import run_json
from dlexp.records.folder import RECORD
from dlexp.records.naming import LEDGER_FILE, OUTPUTS, missing, new_folder, remove_empty, unique
from dlexp.report.reading.plan import PLAN_FILE

LEDGER_LOCK = ".sweeps.lock"


@dataclass(frozen=True)
class Cell:
    """One cell of the grid: the folder that holds it or will hold it, and its run.json when the ledger was opened.

    `entry` is None when there was none of this cell yet. `outdated` are the folders of runs with its settings that are
    not its own any more, each with what has changed.
    """

    folder: Path
    entry: dict[str, Any] | None
    outdated: dict[str, str]

    @property
    def is_done(self) -> bool:
        """Whether its run was finished."""
        return self.entry is not None and self.entry["status"] == "finished"


def open_ledger(
    place: Path | None,
    name: str,
    wanted: Mapping[Identity, str],
    *,
    anew: bool,
    claim: Callable[[Path | None], Path | None] | None = None,
) -> tuple[Path, dict[Identity, Cell], Callable[[], None]]:
    """Returns the folder of a sweep (see `find_ledger`; else a new one, `name`, `name-2`, …) with the cells in it.

    `wanted` maps what cells are to names for their folders. One process at a time chooses, so that sweeps started
    together find each other. claim: asked with None for a folder that another process has made meanwhile, then told
    the one it is; an empty folder of that name is that of one that was killed before it was told. What is returned last
    takes it back where no job has left anything, and no plan was there before.
    """
    parent = place or OUTPUTS
    made = missing(parent)
    parent.mkdir(parents=True, exist_ok=True)
    with locked(parent / LEDGER_LOCK):
        folder = find_ledger(place, wanted, anew=anew) or (claim(None) if claim is not None else None)
        if folder is None:
            dead = claim is not None and (parent / name).is_dir() and not any((parent / name).iterdir())
            folder = parent / name if dead else new_folder(parent, name)
            made.insert(0, folder)
        is_new = not (folder / PLAN_FILE).exists()
        names, cells = cells_in(folder, wanted)
        try:
            if claim is not None:
                claim(folder)
            run_json.write_json(folder / LEDGER_FILE, {"format_version": run_json.FORMAT_VERSION, "cells": names})
        except OSError:  # the disk is full
            remove_empty(made)
            raise
        return folder, cells, partial(_take_back, folder, made) if is_new else lambda: None


def _take_back(folder: Path, made: Sequence[Path]) -> None:
    """Removes a ledger beside which there is nothing but locks and a plan, and of the folders made for it those that
    are empty.
    """
    own = (LEDGER_FILE, PLAN_FILE)
    if all(path.name in own or path.suffix == ".lock" for path in folder.iterdir()):
        for name in own:
            (folder / name).unlink(missing_ok=True)
        for each in made:
            if all(path.suffix == ".lock" for path in each.iterdir()):
                for lock in each.iterdir():
                    lock.unlink()
            remove_empty([each])


def find_ledger(place: Path | None, wanted: Collection[Identity], *, anew: bool) -> Path | None:
    """Returns `place`, else, whatever its name, the sweep folder under outputs/ that shares most cells with `wanted`.

    None where none shares any, or with `anew`.
    """
    if place is not None or anew:
        return place
    hashes = {each.cell for each in wanted}
    shared = {path: len(set(read_ledger(path)) & hashes) for path in sorted(OUTPUTS.glob("*/"))}
    best = max(shared, key=lambda path: shared[path], default=None)
    return best if best is not None and shared[best] else None


def cells_in(folder: Path, wanted: Mapping[Identity, str]) -> tuple[dict[str, str], dict[Identity, Cell]]:
    """Returns the ledger of a folder with these cells in it, and each of them; nothing is written."""
    names = read_ledger(folder)
    found = {path.parent.name: run_json.read_entry(path.parent) for path in folder.glob(f"*/{RECORD}")}
    held = {name: entry for name, entry in found.items() if entry is not None}
    for each, name in wanted.items():
        place = names.get(each.cell)
        own = {other: entry for other, entry in held.items() if each.belongs(entry)}
        if own:  # the one that is furthest
            rank = {o: (e["status"] != "finished", e.get("data") is None, o != place, o) for o, e in own.items()}
            names[each.cell] = min(own, key=lambda other: rank[other])
        elif place is None or place in held:
            # A run that went on with other settings (`resume=… epochs=20`) has become another cell in the same folder,
            # and one whose data changed since keeps its folder.
            names[each.cell] = unique(name, {*names.values(), *found})
    return names, {each: _cell(each, folder / names[each.cell], held) for each in wanted}


def _cell(own: Identity, folder: Path, held: Mapping[str, dict[str, Any]]) -> Cell:
    changes = {name: own.change_since(entry) for name, entry in held.items() if entry.get("cell") == own.cell}
    outdated = {name: change for name, change in changes.items() if change is not None}
    return Cell(folder, read_own(own, folder), outdated)


def with_others(cells: Mapping[Identity, Cell]) -> dict[Identity, Cell]:
    """Returns the cells, an unfinished one with the folder under outputs/ where the same run is finished, if any is."""
    found = dict(cells)
    wanted = {own.cell: own for own, cell in cells.items() if not cell.is_done}
    for path in sorted([*OUTPUTS.glob(f"*/{RECORD}"), *OUTPUTS.glob(f"*/*/{RECORD}")]) if wanted else ():
        entry = run_json.read_entry(path.parent)
        own = wanted.get(str(entry.get("cell"))) if entry is not None and entry["status"] == "finished" else None
        if own is not None and entry is not None and not found[own].is_done and own.belongs(entry):
            found[own] = Cell(path.parent, entry, {})
    return found


def read_own(own: Identity, folder: Path) -> dict[str, Any] | None:
    """Returns the run.json of a cell's own run, None when there is none yet."""
    found = run_json.read_entry(folder)
    return found if found is not None and own.belongs(found) else None


def read_ledger(folder: Path) -> dict[str, str]:
    """Returns the folder names by cell; empty where there is no ledger of this version, or none that can be read."""
    version, cells = (run_json.recorded(folder / LEDGER_FILE, key) for key in ("format_version", "cells"))
    is_plain = (version == run_json.FORMAT_VERSION and isinstance(cells, dict)) and all(
        isinstance(name, str) and name == Path(name).name and name not in ("", ".", "..") for name in cells.values()
    )
    return cells if is_plain else {}
