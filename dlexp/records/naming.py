"""Names of folders that every file system takes, and folders that no two runs share."""

import hashlib
import itertools
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dlexp.errors import UserError

OUTPUTS = Path("outputs")  # below where a command is typed


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


def plain_name(text: str) -> str:
    """Returns `text` in letters, digits, `.`, `_` and `-`, at most 98 characters (a longer one ends in a hash)."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "run"
    return name if len(name) <= 98 else f"{name[:89]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def unique(name: str, taken: set[str]) -> str:
    """Returns `name`, or `name-2`, `name-3`, … when it is taken (upper and lower case are one on Windows and macOS)."""
    lower = {each.lower() for each in taken}
    return next(each for each in _numbered(name) if each.lower() not in lower)


def _numbered(name: str) -> Iterator[str]:
    return itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
