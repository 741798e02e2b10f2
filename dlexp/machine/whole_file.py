"""Files that are there whole or not at all, and the moments that no signal may cut."""

import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from dlexp.machine.signals import SIGNALS

# Of a temporary file's name, which nobody else's begins and ends with.
BEGIN, END = ".unfinished-", ".tmp"


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Opens a temporary file beside `path` that takes its place when the block ends without an error.

    A reader sees the whole old file or the whole new one, after a loss of power too. When the block fails (a full disk
    raises OSError), the old file stays as it was and the temporary one is removed.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f"{BEGIN}{path.name}.", suffix=END)
    try:
        with open(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp's files are their owner's alone; a run folder is often shared
        _replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def unfinished(folder: Path) -> list[Path]:
    """Returns what processes that were killed have left of files that they were writing whole in a folder."""
    return list(folder.glob(f"{BEGIN}*{END}"))


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Holds signals back until the block is done: torch.save, when interrupted, ends in an error of its own instead."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread gets signals
        yield
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in SIGNALS}
    held = [number for number in SIGNALS if callable(before[number])]
    for number in held:
        signal.signal(number, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for number in held:
            signal.signal(number, before[number])
    for number in came:
        signal.raise_signal(number)


def _replace(source: str, target: Path) -> None:
    """Renames over `target`; Windows refuses while another process has it open, for as long as a read takes."""
    for _ in range(20):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            time.sleep(0.05)
    os.replace(source, target)


def _sync_folder(folder: Path) -> None:
    """Makes the new name survive a loss of power, where the system can open a folder."""
    with suppress(OSError):  # Windows opens no folder, and some network file systems bring none to the disk
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
