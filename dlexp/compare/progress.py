"""How far a comparison is: one line for all its trainings, rewritten on a terminal, one at each end elsewhere."""

import logging
import sys
import time
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from statistics import fmean

from dlexp.compare.there import Kind
from dlexp.console.training_progress import estimate

log = logging.getLogger(__name__)

CLEAR = "\r\x1b[K"
# What a training lasts longer than told counts as its start up to here, the same for all, and beyond as a slower pace.
START_SECONDS = 2.0


class Progress:
    """Counts trainings, and tells how long those take that are left.

    total: of all stages, those among them that are there. left: how many of each kind are to be trained. expected: how
    long one of a kind was told to take, in seconds. at_once: how many run at a time.
    """

    def __init__(
        self, total: int, left: Mapping[Kind, int], expected: Mapping[Kind, float | None], at_once: int
    ) -> None:
        self._total, self._left = total, Counter(left)
        self._expected, self._at_once = expected, at_once
        self._done = 0
        self._kinds: Mapping[Path, Kind] = {}
        self._began: dict[Path, float] = {}
        self._lasted: dict[Kind, list[float]] = {}
        self._ended: float | None = None
        self._between: list[float] = []  # the end of one training and the start of the next, where none ran meanwhile
        self._rewrites = sys.stdout.isatty()

    def at(self, count: int, kinds: Mapping[Path, Kind], done: Collection[Path]) -> None:
        """Tells, before a stage begins, how many trainings are there, what its folders hold, and which are done."""
        self._done, self._kinds = count, kinds
        for kind in set(kinds.values()):
            self._left[kind] = sum(each == kind for folder, each in kinds.items() if folder not in done)

    def more(self, arms: Collection[str], trials: int) -> int:
        """Tells that each arm gets so many more trials; returns how many trainings there are now."""
        self._total += trials * len(arms)
        self._left += Counter({(arm, "trials"): trials for arm in arms})
        return self._total

    def began(self, folder: Path) -> None:
        """Tells that a training began."""
        self._began[folder] = now = time.monotonic()
        self._left[self._kinds[folder]] -= 1
        if self._ended is not None and len(self._began) == 1:
            self._between.append(now - self._ended)
        if self._rewrites:
            self._show(folder.name)

    def ended(self, folder: Path, why: BaseException | None) -> None:
        """Tells that a training ended, and why it did not finish."""
        self._done += 1
        self._ended = time.monotonic()
        lasted = self._ended - self._began.pop(folder)
        if why is None:
            self._lasted.setdefault(self._kinds[folder], []).append(lasted)
        end = "finished" if why is None else f"failed, {why}"
        if self._rewrites and why is None:
            self._show(folder.name)
        else:
            self.clear()
            log.info(f"[{self._done}/{self._total}] {folder.name}: {end}{self._rest()}")

    def clear(self) -> None:
        """Takes the line away before something else is said."""
        if self._rewrites:
            sys.stdout.write(CLEAR)
            sys.stdout.flush()

    def _show(self, name: str) -> None:
        sys.stdout.write(f"{CLEAR}[{self._done}/{self._total}] {name}{self._rest()}"[: 79 + len(CLEAR)])
        sys.stdout.flush()

    def _rest(self) -> str:
        running = len(self._began)
        left = self._total - self._done - running
        if not left and not running:
            return ""
        seconds = self._seconds_left()
        return f"   {running} running, {left} left{f', {estimate(seconds, 1)}' if seconds is not None else ''}"

    def _seconds_left(self) -> float | None:
        """Returns how long the trainings take that run or are left; None where nothing tells it of one of them."""
        now, seconds = time.monotonic(), 0.0
        running = [(self._kinds[folder], now - began) for folder, began in self._began.items()]
        left = [(kind, 0.0) for kind, count in self._left.items() for _ in range(count)]
        for kind, since in [*running, *left]:
            if (each := self._seconds_each(kind)) is None:
                return None
            seconds += max(0.0, each - since)
        between = fmean(self._between) if self._between else 0.0
        return seconds / self._at_once + between * len(left) / self._at_once

    def _seconds_each(self, kind: Kind) -> float | None:
        """Returns how long a training of a kind lasts, its start with it: as those did that have ended, else as it was
        told, corrected as others lasted longer than told; where nothing was told, as others did.
        """
        if kind in self._lasted:
            return fmean(self._lasted[kind])
        told, lasted = self._expected.get(kind), [each for its in self._lasted.values() for each in its]
        if told is None:
            return fmean(lasted) if lasted else None
        pairs = [
            (each, expected)
            for other, its in self._lasted.items()
            if (expected := self._expected.get(other))
            for each in its
        ]
        if not pairs:
            return told
        took, was_told = (fmean(each) for each in zip(*pairs, strict=True))
        start = min(max(0.0, took - was_told), START_SECONDS)
        return start + told * (took - start) / was_told
