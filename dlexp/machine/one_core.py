"""Two threads on one core: what they hand to each other then waits for nobody, on a machine that others keep busy."""

import os
from contextlib import suppress
from pathlib import Path

from dlexp.machine.openmp import in_all_threads

THREADS = 2
QUIET_SHARE = 0.5


class OneCore:
    """Holds the calling thread and the OpenMP threads of a run of two on one core while `begin` holds.

    A step hands over a dozen times from one thread to the other. On another core the one that is woken waits until the
    process that computes there has had its turn, 3 ms on Linux; on the same core it is next. Beside two busy processes,
    on two cores, an MLP made 560 steps/s and 910 so (970 with one thread), a CNN 10.1 and 11.2 (9.0). The sums stay
    the same, since there are as many threads. With more threads nobody has measured it, so nothing is done.
    """

    def __init__(self) -> None:
        self._before: set[int] | None = None
        self._core = 0
        self._idle = idle_times()

    @property
    def holds(self) -> bool:
        """Whether the threads are held on one core."""
        return self._before is not None

    def begin(self, threads: int) -> None:
        """Holds them, if there are two and they have more than one core."""
        if threads != THREADS or self.holds or not hasattr(os, "sched_setaffinity"):
            return
        cores = os.sched_getaffinity(0)
        if len(cores) > 1:
            self._before = cores
            self._core = sorted(cores)[os.getpid() % len(cores)]  # runs beside each other take different ones
            self._set({self._core})

    def end(self) -> None:
        """Lets them go where they could before."""
        if self._before is not None:
            self._set(self._before)
            for thread in os.listdir("/proc/self/task"):  # begun meanwhile by one that was held
                with suppress(OSError):
                    if os.sched_getaffinity(int(thread)) == {self._core}:
                        os.sched_setaffinity(int(thread), self._before)
            self._before = None

    def is_quiet(self, seconds: float) -> bool:
        """Returns whether the cores that were left have been idle for half of the last seconds or more."""
        before, self._idle = self._idle, idle_times()
        others = (self._before or set()) - os.sched_getaffinity(0)
        found = [self._idle[core] - before[core] for core in others if core in self._idle and core in before]
        return bool(found) and max(found) >= QUIET_SHARE * seconds

    def _set(self, cores: set[int]) -> None:
        in_all_threads(lambda: os.sched_setaffinity(0, cores), THREADS)


def idle_times() -> dict[int, float]:
    """Returns the seconds that each core has been idle since the system began; empty where only others know."""
    try:
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
        tick = os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError):
        return {}
    rows = [line.split() for line in lines if line.startswith("cpu") and not line.startswith("cpu ")]
    return {int(row[0][3:]): sum(map(int, row[4:6])) / tick for row in rows}
