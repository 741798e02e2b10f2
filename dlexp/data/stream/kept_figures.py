"""Figures of a set of files that took a long pass to find, kept in the user's cache folder until a file changes."""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from dlexp.data.fetch.files import cache_folder
from dlexp.errors import UserError

log = logging.getLogger(__name__)

# A shorter pass isn't worth a file; the jobs of a sweep, and a run that is resumed, would each make a longer one again.
WORTH_SECONDS = 10.0


def remembered(paths: Sequence[str], what: str, find: Callable[[], list[list[float]]]) -> list[list[float]]:
    """Returns what `find` returns, from the cache when it was found for the same files (names, sizes, times) before.

    what: all else that it depends on.
    """
    try:
        file = cache_folder() / "statistics" / f"{_digest(paths, what)}.json"
    except (OSError, UserError):  # a file is gone, which reading will tell; or there is no home folder
        return find()
    found = _read(file)
    if found is None:
        started = time.monotonic()
        found = find()
        if time.monotonic() - started > WORTH_SECONDS:
            _write(file, found)
    return found


def _digest(paths: Sequence[str], what: str) -> str:
    digest = hashlib.blake2b(what.encode(), digest_size=16)
    for path in paths:
        facts = os.stat(path)
        line = f"\0{os.path.abspath(path)}\0{facts.st_size}\0{facts.st_mtime_ns}"
        digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _read(file: Path) -> list[list[float]] | None:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return [[float(value) for value in row] for row in found]
    except (OSError, ValueError, TypeError):  # not there, or damaged: it is found anew
        return None


def _write(file: Path, found: list[list[float]]) -> None:
    temporary = file.with_suffix(f".{os.getpid()}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(found), encoding="utf-8")
        os.replace(temporary, file)
    except OSError as error:
        log.debug("mean and standard deviation could not be kept for the next run: %s", error)
