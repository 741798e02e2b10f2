"""libgomp, the OpenMP of torch's wheels for Linux: how long its idle threads spin, and on which core they are."""

import ctypes
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

# Whoever has set one of these has chosen how idle threads wait.
CHOSEN_BY = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
THREADS_ON_A_CORE = 2
QUIET_SHARE = 0.5


def in_all_threads(act: Callable[[], object], threads: int) -> None:
    """Lets each OpenMP thread of the calling thread act; nobody does where torch computes with another OpenMP."""
    if (libgomp := _libgomp()) is not None:
        body = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: act())
        libgomp.GOMP_parallel(body, None, ctypes.c_uint(threads), ctypes.c_uint(0))


def _libgomp() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)  # torch loads it for all
    except (OSError, TypeError):  # Windows
        return None
    return library if hasattr(library, "GOMP_parallel") else None


class ShortSpins:
    """Idle threads that sleep at once while `begin` holds, and spin as usual after `end`; the sums stay the same.

    An idle thread looks 300,000 times for work before it sleeps, and 100 times while there are more OpenMP threads than
    cores (GOMP_SPINCOUNT in libgomp's manual): so many more threads are kept, asleep. Spinning is what small steps need
    on an idle machine, where an MLP made 620 steps/s and 230 with short spins; beside two busy processes, on two cores,
    it made 17 and 160 (a CNN 1.1 and 3.4), since who spins keeps a core from whoever has work for it, the run's other
    thread included.
    """

    def __init__(self) -> None:
        self._over = threading.Event()
        self._holder: threading.Thread | None = None

    def begin(self) -> None:
        """Shortens the spins, unless they are, the person has chosen, or torch computes with another OpenMP."""
        libgomp = _libgomp()
        if self._holder is None and libgomp is not None and not any(name in os.environ for name in CHOSEN_BY):
            self._holder = threading.Thread(target=self._hold, args=(libgomp.omp_get_num_procs(),), daemon=True)
            self._holder.start()

    def _hold(self, cores: int) -> None:
        in_all_threads(lambda: None, max(2, cores))  # they belong to this thread, and end with it
        self._over.wait()

    def end(self) -> None:
        """Lets them spin as usual again."""
        if self._holder is not None:
            self._over.set()
            self._holder.join()
            self._over.clear()
            self._holder = None


class OneCore:
    """Two threads on one core, where what they hand to each other waits for nobody else.

    Holds the calling thread and the OpenMP threads of a run of two on one core while `begin` holds.

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
        if threads != THREADS_ON_A_CORE or self.holds or not hasattr(os, "sched_setaffinity"):
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
        in_all_threads(lambda: os.sched_setaffinity(0, cores), THREADS_ON_A_CORE)


def idle_times() -> dict[int, float]:
    """Returns the seconds that each core has been idle since the system began; empty where only others know."""
    try:
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
        tick = os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError):
        return {}
    rows = [line.split() for line in lines if line.startswith("cpu") and not line.startswith("cpu ")]
    return {int(row[0][3:]): sum(map(int, row[4:6])) / tick for row in rows}
