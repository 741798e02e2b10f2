"""Output that arrives: on consoles that know no UTF-8, above a progress bar, and in the run's own log file."""

import codecs
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

PLAIN = {
    "≥": ">=",
    "≤": "<=",
    "≈": "~",
    "≠": "!=",
    "±": "+/-",
    "×": "x",
    "·": "*",
    "→": "->",
    "–": "-",
    "—": "-",
    "−": "-",
    "…": "...",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "\u00a0": " ",
    "²": "^2",
}


def setup_console() -> None:
    """Lets stdout and stderr write what their encoding lacks in plain characters (≥ as >=), never with an
    error.
    """
    codecs.register_error("dlexp.plain", _plain)
    logging.raiseExceptions = False  # a line that log.txt can't take on a full disk would cost a traceback each
    for stream in (sys.stdout, sys.stderr):
        # A notebook's or a test's stream has no encoding to change, and pythonw has no stream at all.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="dlexp.plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(PLAIN.get(character, "?") for character in missing), error.end


class ConsoleHandler(logging.StreamHandler[TextIO]):
    """Writes to whatever `sys.stdout` is at that moment: a progress bar replaces it to keep lines above
    itself.
    """

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stdout


def log_to_console() -> None:
    """Shows the log (INFO and above)."""
    handler = ConsoleHandler()
    handler.setLevel(logging.INFO)
    logging.getLogger().addHandler(handler)
    logging.getLogger("dlexp").setLevel(logging.INFO)


class LogFile(logging.FileHandler):
    """The log as a file; what is logged before `begin` is kept in memory and touches none."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, encoding="utf-8", errors="backslashreplace", delay=True)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self._kept: list[logging.LogRecord] | None = []

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a line, or keeps it."""
        if self._kept is None:
            super().emit(record)
        else:
            self._kept.append(record)

    def begin(self) -> None:
        """Opens the file, writes what was kept, and what is logged from now on."""
        kept, self._kept = self._kept or [], None
        if self.stream is None:
            self.stream = self._open()
        for record in kept:
            super().emit(record)


def log_to(path: Path) -> Callable[[], None]:
    """Sends the log to a file too; call what it returns to end that."""
    begin, close = log_when_begun(path)
    begin()
    return close


def log_when_begun(path: Path) -> tuple[Callable[[], None], Callable[[], None]]:
    """Like `log_to`, for a run that may be refused: returns what begins to write, and what ends it."""
    root, ours, file = logging.getLogger(), logging.getLogger("dlexp"), LogFile(path)
    level = ours.level
    ours.setLevel(logging.DEBUG)  # a notebook's root logger lets only warnings pass
    root.addHandler(file)

    def close() -> None:
        root.removeHandler(file)
        file.close()
        ours.setLevel(level)

    return file.begin, close
