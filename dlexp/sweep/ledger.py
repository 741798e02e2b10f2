"""Which cells of a sweep are done: read from its job folders, so that the same command goes on where it ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlexp.machine.lock_file import is_held, locked
from dlexp.records import run_json
from dlexp.records.naming import new_folder, unique

LEDGER_FILE = "sweep.json"
LOCK_FILE = ".sweeps.lock"


@dataclass(frozen=True)
class Cell:
    """One cell of the grid: its hash, the folder that holds it or will hold it, and how far it is."""

    cell: str
    folder: Path

    def entry(self) -> dict[str, Any] | None:
        """Returns its run.json, or None when there is none of this cell yet."""
        found = run_json.read_entry(self.folder)
        return found if found is not None and found.get("cell") == self.cell else None

    def is_done(self) -> bool:
        """Returns whether its run is finished."""
        entry = self.entry()
        return entry is not None and entry["status"] == "finished"

    def is_running(self) -> bool:
        """Returns whether a living process trains it."""
        return is_held(self.folder / run_json.LOCK_FILE)


def open_ledger(parent: Path, name: str, wanted: Mapping[str, str], *, anew: bool) -> tuple[Path, dict[str, Cell]]:
    """Returns the sweep folder in `parent`, whatever its name, that shares most cells with `wanted`, and those cells.

    `wanted` maps hashes of cells to names for their folders. Without a shared cell, or with `anew`, the folder is a new
    one, `name`, `name-2`, …
    One process at a time chooses, so that sweeps started together find each other.
    """
    parent.mkdir(parents=True, exist_ok=True)
    with locked(parent / LOCK_FILE):
        candidates = [] if anew else [path for path in parent.glob("*/") if read_ledger(path)]
        shared = {path: len(set(read_ledger(path)) & set(wanted)) for path in candidates}
        best = max(sorted(candidates), key=lambda path: shared[path], default=None)
        folder = best if best is not None and shared[best] else new_folder(parent, name)
        return folder, _enter(folder, wanted)


def join_ledger(folder: Path, wanted: Mapping[str, str]) -> dict[str, Cell]:
    """Enters the cells into the ledger of a folder that was chosen by hand; returns them."""
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / LOCK_FILE):
        return _enter(folder, wanted)


def _enter(folder: Path, wanted: Mapping[str, str]) -> dict[str, Cell]:
    names = read_ledger(folder)
    entries = {path.parent.name: run_json.read_entry(path.parent) for path in folder.glob(f"*/{run_json.RUN_FILE}")}
    held = {name: entry.get("cell") for name, entry in entries.items() if entry is not None}
    for cell, name in wanted.items():
        # A run that went on with other settings (`resume=… epochs=20`) has become another cell, in the same folder.
        if cell not in names or held.get(names[cell], cell) != cell:
            others = {other for other in held if held[other] != cell}
            names[cell] = unique(name, {*names.values(), *others})
    run_json.write_json(folder / LEDGER_FILE, {"format_version": run_json.FORMAT_VERSION, "cells": names})
    return {cell: Cell(cell, folder / names[cell]) for cell in wanted}


def read_ledger(folder: Path) -> dict[str, str]:
    """Returns the folder names by cell; empty where there is no ledger, or none that can be read."""
    try:
        cells = run_json.read_json(folder / LEDGER_FILE)["cells"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    is_plain = isinstance(cells, dict) and all(
        isinstance(name, str) and name == Path(name).name and name not in ("", ".", "..") for name in cells.values()
    )
    return cells if is_plain else {}


def of_other_code(cells: Sequence[Cell], code: str) -> list[Cell]:
    """Returns the finished cells that another version of the code trained."""
    return [cell for cell in cells if (entry := cell.entry()) and cell.is_done() and entry.get("code") != code]
