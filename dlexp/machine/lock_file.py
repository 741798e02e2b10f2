"""One process at a time in a folder: a lock file the operating system frees when its holder dies."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from filelock import lock_descriptor

from dlexp.errors import UserError

log = logging.getLogger(__name__)


@contextmanager
def locked(path: Path, poll_seconds: float = 0.2, *, otherwise: str | None = None) -> Iterator[None]:
    """Holds the lock file `path` (created if need be, and its folder) while the block runs.

    Waits as long as another process holds it, or raises UserError with the sentence `otherwise` if there is one. One
    that is removed meanwhile, with the folder of a run that was refused, is made anew. Where neither the system nor the
    file system has locks, the block runs without: files are replaced whole and checked by MD5, so two writers waste
    work but spoil nothing.
    """
    waited = False
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            while not _acquired(file):
                if otherwise is not None:
                    raise UserError(otherwise)
                if not waited:
                    log.info("Another process is at work in %s; waiting for it.", path.parent)
                waited = True
                time.sleep(poll_seconds)
            if path.exists():
                yield  # closing the file frees the lock
                return


def is_held(path: Path) -> bool:
    """Returns whether a living process holds the lock file `path`."""
    if not path.is_file():  # a stranger's pipe would be waited for
        return False
    with path.open("ab") as file:
        return not _acquired(file)


def _acquired(file: BinaryIO) -> bool:
    """Tries once; True also where there are no locks."""
    try:
        # Not FileLock, which opens the file itself: it would refuse a lock file of another owner in a folder for all,
        # and create one merely to ask who holds it.
        return lock_descriptor(file.fileno(), blocking=False)
    except OSError:
        return True
