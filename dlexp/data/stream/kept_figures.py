"""Facts of a set of files that took a long pass to find, kept in the user's cache folder until a file changes."""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from dlexp.data.fetch.files import cache_folder
from dlexp.errors import UserError
from dlexp.machine.whole_file import whole_file

log = logging.getLogger(__name__)

# A file that was written in the last moments may be written again without another time: clocks tick in steps.
SETTLED_SECONDS = 2.0

Found = TypeVar("Found")
_keeps = ContextVar("keeps", default=True)


@contextmanager
def keeping_nothing() -> Iterator[None]:
    """Within the block nothing is written into the cache: a dry run writes nothing at all."""
    token = _keeps.set(False)
    try:
        yield
    finally:
        _keeps.reset(token)


def remembered(
    paths: Sequence[str], what: str, find: Callable[[], Found], parse: Callable[[Any], Found], worth_seconds: float
) -> Found:
    """Returns what `find` returns, from the cache when it was found for the same files (names, sizes, times) before.

    what: all else that it depends on. parse: makes the same of what JSON keeps of it. worth_seconds: a shorter pass
    isn't worth a file.
    """
    try:
        digest, newest = _digest(paths, what)
        file = cache_folder() / "statistics" / f"{digest}.json"
    except (OSError, UserError):  # a file is gone, which reading will tell; or there is no home folder
        return find()
    try:
        return parse(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # not there, or damaged: it is found anew
        pass
    settled = newest < time.time() - SETTLED_SECONDS
    started = time.monotonic()
    found = find()
    if settled and _keeps.get() and time.monotonic() - started > worth_seconds:
        _write(file, found)
    return found


def _digest(paths: Sequence[str], what: str) -> tuple[str, float]:
    """Returns a hash of the files' names, sizes and times, and the newest of the times (seconds)."""
    digest, newest = hashlib.blake2b(what.encode(errors="surrogateescape"), digest_size=16), 0.0
    for path in paths:
        facts = os.stat(path)
        newest = max(newest, facts.st_mtime)
        line = f"\0{os.path.abspath(path)}\0{facts.st_size}\0{facts.st_mtime_ns}"
        digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest(), newest


def _write(path: Path, found: object) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(json.dumps(found).encode())
    except OSError as error:
        log.debug("what was found in the files could not be kept for the next run: %s", error)
