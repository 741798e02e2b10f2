"""When the machine has too little of something: which errors mean that, and what a person can change."""

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from dlexp.errors import UserError

log = logging.getLogger(__name__)

# No space, over quota (Windows has no such number), and over the limit of a file's size.
DISK_FULL = tuple(getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name))
# What CUDA's allocator (torch.OutOfMemoryError), the CPU's on Linux and on Windows, and Apple's say.
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


def disk_is_full(error: OSError) -> str | None:
    """Returns a sentence when the disk, a quota or a limit on the size of files stopped a write, else None."""
    return f"{error.filename or 'a file'} can't be written: {error.strerror}" if error.errno in DISK_FULL else None


def is_out_of_memory(error: BaseException) -> bool:
    """Returns whether an allocation failed, in Python, on the CPU or on a GPU."""
    told = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in told for words in OUT_OF_MEMORY)
    )


@contextmanager
def explaining(batch_size: int) -> Iterator[None]:
    """Turns a failed allocation or a full disk into a sentence; the traceback goes to the run's log.

    Raises:
        UserError: memory ran out (says with which batch size, and what takes less), or the disk is full.
    """
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        full = disk_is_full(error) if isinstance(error, OSError) else None
        if full is None and not is_out_of_memory(error):
            raise
        log.debug("something ran out", exc_info=True)
        raise UserError(full or _memory_advice(error, batch_size)) from error


def _memory_advice(error: BaseException, batch_size: int) -> str:
    half = f"batch_size={batch_size // 2} (accumulate=2 with it keeps the size of a step), " * (batch_size > 1)
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return (
        f"out of memory with batch_size={batch_size} ({reason});"
        f" try {half}precision=bfloat16, a smaller model, or data.limit=N samples of the data"
    )
