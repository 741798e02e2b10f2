"""Output that arrives: on consoles that know no UTF-8, above a progress bar, and in the run's own log file."""

import codecs
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from dlexp.console.tables import at_terminal

PLAIN = {"≥": ">=", "≤": "<=", "≈": "~", "≠": "!=", "±": "+/-", "×": "x", "·": "*", "→": "->", "…": "...", "²": "^2"}
PLAIN |= {"\u00a0": " ", **dict.fromkeys("–—−", "-"), **dict.fromkeys("“”", '"'), **dict.fromkeys("‘’", "'")}


def setup_console() -> None:
    """Lets stdout and stderr write what their encoding lacks in plain characters (≥ as >=), never with an error."""
    codecs.register_error("dlexp.plain", _plain)
    logging.raiseExceptions = False  # a line that log.txt can't take on a full disk would cost a traceback each
    for stream in (sys.stdout, sys.stderr):
        # A notebook's or a test's stream has no encoding to change, and pythonw has no stream at all.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="dlexp.plain")


def write_to(path: Path) -> None:
    """Sends all that this process and its libraries print to a file, until its end."""
    output = path.open("a", encoding="utf-8", errors="dlexp.plain", buffering=1)
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
    sys.stdout = sys.stderr = output


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(PLAIN.get(character) or _escaped(character) for character in missing), error.end


def _escaped(character: str) -> str:
    """Returns "?", or the byte that a file's name has in place of UTF-8, as \\xff."""
    return f"\\x{ord(character) - 0xDC00:02x}" if "\udc80" <= character <= "\udcff" else "?"


def forget_reader() -> None:
    """Lets all that is said from here on go nowhere: who read it (`| head`) has gone, and nothing ends by that."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_line(stream: TextIO, text: str) -> None:
    """Writes a line to stdout, at once, if anybody still reads there."""
    try:
        stream.write(text + "\n")
        stream.flush()
    except BrokenPipeError:
        forget_reader()


class ConsoleHandler(logging.StreamHandler[TextIO]):
    """Writes to whatever `sys.stdout` is at that moment: a progress bar replaces it to keep lines above itself."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stdout

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if record.exc_info else at_terminal(text)

    def handleError(self, record: logging.LogRecord) -> None:
        if isinstance(sys.exc_info()[1], BrokenPipeError):
            forget_reader()
        else:
            super().handleError(record)


def log_to_console() -> None:
    """Shows the log (INFO and above)."""
    handler = ConsoleHandler()
    handler.setLevel(logging.INFO)
    logging.getLogger().addHandler(handler)
    logging.getLogger("dlexp").setLevel(logging.INFO)


@contextmanager
def log_to(path: Path) -> Iterator[Callable[[], None]]:
    """Sends the log of the block to a file too, once what it yields is called; until then it is kept in memory."""
    from logging.handlers import MemoryHandler

    root, ours, level = logging.getLogger(), logging.getLogger("dlexp"), logging.getLogger("dlexp").level
    kept = MemoryHandler(sys.maxsize, flushLevel=sys.maxsize, flushOnClose=False)

    def begin() -> None:
        file = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        kept.setTarget(file)
        kept.capacity = 0  # from here on nothing is kept
        kept.flush()

    ours.setLevel(logging.DEBUG)  # a notebook's root logger lets only warnings pass
    root.addHandler(kept)
    try:
        yield begin
    finally:
        root.removeHandler(kept)
        if kept.target is not None:
            kept.target.close()
        ours.setLevel(level)
