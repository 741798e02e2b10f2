"""Names of folders that every file system takes, and folders that no two runs share."""

import hashlib
import itertools
import re
from pathlib import Path

OUTPUTS = Path("outputs")  # below where a command is typed


def new_folder(parent: Path, name: str) -> Path:
    """Makes and returns `parent/name`, or `name-2`, `name-3`, … where that exists: two starts never share a folder."""
    parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def plain_name(text: str) -> str:
    """Returns `text` in letters, digits, `.`, `_` and `-`, at most 98 characters (a longer one ends in a hash)."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "run"
    return name if len(name) <= 98 else f"{name[:89]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def unique(name: str, taken: set[str]) -> str:
    """Returns `name`, or `name-2`, `name-3`, … when it is taken (upper and lower case are one on Windows and macOS)."""
    lower = {each.lower() for each in taken}
    if name.lower() not in lower:
        return name
    return next(f"{name}-{i}" for i in itertools.count(2) if f"{name}-{i}".lower() not in lower)
