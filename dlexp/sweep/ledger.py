"""Which cells of a sweep are done: read from its job folders, so that the same command goes on where it ended."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlexp.experiment.identity import Identity
from dlexp.machine.lock_file import is_held, locked
from dlexp.records import run_json
from dlexp.records.folder import LOCK, RECORD
from dlexp.records.naming import new_folder, unique

LEDGER_FILE = "sweep.json"
LEDGER_LOCK = ".sweeps.lock"


@dataclass(frozen=True)
class Cell:
    """One cell of the grid: what it is, the folder that holds it or will hold it, and how far it is.

    `outdated` are the folders of runs with its settings that are not its own any more, each with what has changed.
    """

    identity: Identity
    folder: Path
    outdated: dict[str, str] = field(default_factory=dict)

    def entry(self) -> dict[str, Any] | None:
        """Returns its run.json, or None when there is none of this cell yet."""
        found = run_json.read_entry(self.folder)
        return found if found is not None and self.identity.belongs(found) else None

    def is_done(self) -> bool:
        """Returns whether its run is finished."""
        entry = self.entry()
        return entry is not None and entry["status"] == "finished"

    def is_running(self) -> bool:
        """Returns whether a living process trains it."""
        return is_held(self.folder / LOCK)


def open_ledger(
    parent: Path, name: str, wanted: Mapping[Identity, str], *, anew: bool
) -> tuple[Path, dict[Identity, Cell]]:
    """Returns the sweep folder in `parent`, whatever its name, that shares most cells with `wanted`, and those cells.

    `wanted` maps what cells are to names for their folders. Without a shared cell, or with `anew`, the folder is a new
    one, `name`, `name-2`, …
    One process at a time chooses, so that sweeps started together find each other.
    """
    parent.mkdir(parents=True, exist_ok=True)
    with locked(parent / LEDGER_LOCK):
        folder = (None if anew else find_ledger(parent, wanted)) or new_folder(parent, name)
        return folder, _enter(folder, wanted)


def find_ledger(parent: Path, wanted: Collection[Identity]) -> Path | None:
    """Returns the sweep folder in `parent` that shares most cells with `wanted`; None where none shares any."""
    hashes = {each.cell for each in wanted}
    shared = {path: len(set(read_ledger(path)) & hashes) for path in sorted(parent.glob("*/"))}
    best = max(shared, key=lambda path: shared[path], default=None)
    return best if best is not None and shared[best] else None


def join_ledger(folder: Path, wanted: Mapping[Identity, str]) -> dict[Identity, Cell]:
    """Enters the cells into the ledger of a folder that was chosen by hand; returns them."""
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / LEDGER_LOCK):
        return _enter(folder, wanted)


def _enter(folder: Path, wanted: Mapping[Identity, str]) -> dict[Identity, Cell]:
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
    run_json.write_json(folder / LEDGER_FILE, {"format_version": run_json.FORMAT_VERSION, "cells": names})
    return {each: Cell(each, folder / names[each.cell], _outdated(each, held)) for each in wanted}


def _outdated(wanted: Identity, held: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Returns what changed since the runs of these settings that count no more, by their folders' names."""
    changes = {name: wanted.change_since(entry) for name, entry in held.items() if entry.get("cell") == wanted.cell}
    return {name: change for name, change in changes.items() if change is not None}


def read_ledger(folder: Path) -> dict[str, str]:
    """Returns the folder names by cell; empty where there is no ledger of this version, or none that can be read."""
    try:
        found = run_json.read_json(folder / LEDGER_FILE)
        version, cells = found["format_version"], found["cells"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    is_plain = (version == run_json.FORMAT_VERSION and isinstance(cells, dict)) and all(
        isinstance(name, str) and name == Path(name).name and name not in ("", ".", "..") for name in cells.values()
    )
    return cells if is_plain else {}


def of_other_code(cells: Sequence[Cell], code: str) -> list[Cell]:
    """Returns the finished cells that another version of the code trained."""
    return [cell for cell in cells if (entry := cell.entry()) and cell.is_done() and entry.get("code") != code]
