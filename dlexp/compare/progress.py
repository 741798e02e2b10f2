"""How far a comparison is: one line for all its trainings, rewritten on a terminal, one at each end elsewhere."""

import logging
import sys
import time
from pathlib import Path

from dlexp.console.training_progress import estimate

log = logging.getLogger(__name__)

CLEAR = "\r\x1b[K"


class Progress:
    """Counts trainings. total: of all stages. at_once: how many run at a time."""

    def __init__(self, total: int, at_once: int) -> None:
        self.total = total
        self._at_once = at_once
        self._done = 0
        self._began: dict[Path, float] = {}
        self._lasted: list[float] = []
        self._start: float | None = None
        self._rewrites = sys.stdout.isatty()

    def at(self, count: int) -> None:
        """Tells that so many trainings are there before a stage begins."""
        self._done = count

    def began(self, folder: Path) -> None:
        """Tells that a training began."""
        self._began[folder] = time.monotonic()
        self._start = self._start or self._began[folder]
        if self._rewrites:
            self._show(folder.name)

    def ended(self, folder: Path, why: BaseException | None) -> None:
        """Tells that a training ended, and why it did not finish."""
        self._done += 1
        self._lasted.append(time.monotonic() - self._began.pop(folder))
        end = "finished" if why is None else f"failed, {why}"
        if self._rewrites and why is None:
            self._show(folder.name)
        else:
            self.clear()
            log.info(f"[{self._done}/{self.total}] {folder.name}: {end}{self._rest()}")

    def clear(self) -> None:
        """Takes the line away before something else is said."""
        if self._rewrites:
            sys.stdout.write(CLEAR)
            sys.stdout.flush()

    def _show(self, name: str) -> None:
        sys.stdout.write(f"{CLEAR}[{self._done}/{self.total}] {name}{self._rest()}"[: 79 + len(CLEAR)])
        sys.stdout.flush()

    def _rest(self) -> str:
        running = len(self._began)
        left = self.total - self._done - running
        each = self._seconds_each()
        if not left and not running:
            return ""
        time_left = f", {estimate(each * (left + running), 1)}" if each else ""
        return f"   {running} running, {left} left{time_left}"

    def _seconds_each(self) -> float | None:
        """Returns how far apart trainings end: by the clock, which counts what lies between them too, once as many
        ended as run at a time; before, by how long they last. None where none has ended: a forecast knows no starts.
        """
        if self._start is not None and len(self._lasted) >= self._at_once:
            return (time.monotonic() - self._start) / len(self._lasted)
        return sum(self._lasted) / len(self._lasted) / self._at_once if self._lasted else None
