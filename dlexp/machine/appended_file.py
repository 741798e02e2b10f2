"""Files that grow at their end, and to which a full disk does no harm: what it does not take is written later."""

import logging
import os
import time
from pathlib import Path

log = logging.getLogger(__name__)


class AppendedFile:
    """Bytes written to the end of a file, at most every `seconds`, else when `write` is called.

    A disk that is full takes a part of a write or none; the rest waits in memory and goes on where it stopped, so
    that no line and no record has a gap. A warning says so once.
    """

    def __init__(self, path: Path, seconds: float = 0.0) -> None:
        self._path, self._seconds = path, seconds
        self._file = path.open("ab", buffering=0)
        self._waiting = bytearray()
        self._tried_at = time.monotonic()
        self._has_warned = False

    def write(self, data: bytes) -> None:
        """Appends `data`, now or later; never fails."""
        self._waiting += data
        if time.monotonic() - self._tried_at >= self._seconds:
            self.flush()

    def flush(self) -> None:
        """Gives what is waiting to the system, as far as that takes it; never fails."""
        try:
            self._drain()
            self._has_warned = False
        except OSError as error:
            if not self._has_warned:
                log.warning(
                    f"warning: {self._path.name} can't be written ({error.strerror or error}); its lines wait in memory"
                )
            self._has_warned = True

    def sync(self) -> None:
        """Brings everything to the disk. Raises OSError when that is not possible now."""
        self._drain()
        os.fsync(self._file.fileno())

    def _drain(self) -> None:
        self._tried_at = time.monotonic()
        while self._waiting:
            del self._waiting[: self._file.write(self._waiting)]

    def close(self) -> None:
        """Writes what still waits, as far as that is possible, and closes; may be called twice."""
        if not self._file.closed:
            self.flush()
            self._file.close()
