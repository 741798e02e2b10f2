"""Names of folders that every file system takes, and folders that no two runs share."""

import hashlib
import itertools
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dlexp.errors import RefusedError, UserError
from dlexp.machine.lock_file import is_held
from dlexp.records.folder import LOCK, files_of_a_run

OUTPUTS = Path("outputs")  # below where a command is typed
LEDGER_FILE = "sweep.json"  # in a sweep's folder: the folder of each cell, in the order of the jobs


def refuse_files(folder: Path, key: str | None = None) -> None:
    """Raises UserError where a file stands in the place of a folder, or of one above it; `key` names another."""
    file = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    if file.exists() and not file.is_dir():
        instead = f", or name another with {key}=FOLDER" if key else ""
        raise UserError(f"{file} is a file, and a folder of that name is wanted; move it{instead}")


def new_folder(parent: Path, name: str) -> Path:
    """Makes and returns `parent/name`, or `name-2`, `name-3`, … where that exists: two starts never share a folder."""
    parent.mkdir(parents=True, exist_ok=True)
    for each in _numbered(name):
        with suppress(FileExistsError):
            (parent / each).mkdir()
            break
    return parent / each


@contextmanager
def making(folder: Path, *, numbered: bool = False) -> Iterator[Path]:
    """Makes the folder of a run for the block, with `numbered` as `new_folder` does, and yields it.

    Where the run is refused, what it has written there goes again, and so do the folders that were made for it.
    """
    made = missing(folder)
    if numbered:
        made = [each for each in made if each != folder]
        folder = new_folder(folder.parent, folder.name)
        made.insert(0, folder)
    folder.mkdir(parents=True, exist_ok=True)
    before = files_of_a_run(folder)
    try:
        yield folder
    except RefusedError:
        held = {folder / LOCK} if is_held(folder / LOCK) else set()  # by one that waited for this one's end
        for path in files_of_a_run(folder) - before - held:
            with suppress(OSError):  # on Windows one that is still open stays
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        remove_empty(made)
        raise


def missing(folder: Path) -> list[Path]:
    """Returns those of a folder and the folders above it that are not there, the innermost first."""
    return [each for each in (folder, *folder.parents) if not each.exists()]


def remove_empty(folders: Iterable[Path]) -> None:
    """Removes folders up to the first that holds something."""
    with suppress(OSError):
        for each in folders:
            each.rmdir()


def plain_name(text: str) -> str:
    """Returns `text` in letters, digits, `.`, `_` and `-`, at most 98 characters (a longer one ends in a hash)."""
    text = re.sub(r"(?<=\de)\+(?=\d)", "", text)  # 1e+30, whose + would show as -: another number
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "run"
    return name if len(name) <= 98 else f"{name[:89]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def in_a_name(word: str) -> str:
    """Returns a word as it stands in the name of a job, `lr-0.1` for `lr=0.1`."""
    return word.replace("=[", "-").replace("=", "-")


def unique(name: str, taken: set[str]) -> str:
    """Returns `name`, or `name-2`, `name-3`, … when it is taken (upper and lower case are one on Windows and macOS)."""
    lower = {each.lower() for each in taken}
    return next(each for each in _numbered(name) if each.lower() not in lower)


def _numbered(name: str) -> Iterator[str]:
    return itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
