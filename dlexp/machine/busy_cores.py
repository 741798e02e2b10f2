"""Whether the threads of this process wait for cores that others keep busy: what is done, and said, about it."""

import time
from collections.abc import Mapping
from pathlib import Path

from dlexp.machine.cores import sharers
from dlexp.machine.openmp import OneCore, ShortSpins

WINDOW_SECONDS = 1.0
# Of the time in which threads want a core they wait half of it beside one busy process for every core, a third beside
# one for two cores, and under a twentieth on an idle machine.
SHORT_SPINS_SHARE = 0.1
TOLD_SHARE, TOLD_SECONDS = 0.25, 5.0

Times = Mapping[str, tuple[int, int]]


class BusyCores:
    """Looks whether a run's threads get much less of the cores than they ask for: idle ones then sleep, two of them
    share a core, and it is told.

    Of a run with readers of its own it tells nothing, and leaves its cores alone: they may be what threads wait for.
    """

    def __init__(self, threads: int, *, has_readers: bool) -> None:
        self._threads = threads
        self._spins, self._core = ShortSpins(), OneCore()
        self._may_share = not has_readers
        self._begun, self._times = time.perf_counter(), thread_times()
        self._calm = self._begun
        self._is_told = has_readers
        # What the process has met while it began, for seconds, tells before the first step.
        self._act(waiting_share(dict.fromkeys(self._times, (0, 0)), self._times), is_quiet=False)

    def look(self) -> str | None:
        """Returns, once, the sentence to tell after some busy seconds; may be called at any rate."""
        now = time.perf_counter()
        if now - self._begun < WINDOW_SECONDS:
            return None
        times = thread_times()  # 0.2 ms
        share, is_quiet = waiting_share(self._times, times), self._core.is_quiet(now - self._begun)
        self._begun, self._times = now, times
        self._act(share, is_quiet)
        if share < TOLD_SHARE:
            self._calm = now
        if self._is_told or now - self._calm < TOLD_SECONDS:
            return None
        self._is_told = True
        who = "this run waits" if self._threads == 1 else f"the {self._threads} threads of this run wait"
        words = ["threads=1"] * (self._threads > 1) + ["a lower n_jobs"] * (sharers() > 1)
        remedy = f"; {' or '.join(words)} may be faster" if words else ""
        return f"the machine is busy: {who} {round(100 * share)} % of the time for a core{remedy}"

    def _act(self, share: float, is_quiet: bool) -> None:
        if self._threads > 1 and share >= SHORT_SPINS_SHARE and not is_quiet:
            self._spins.begin()
            if self._may_share:
                self._core.begin(self._threads)
        elif is_quiet or not self._core.holds:
            # Threads that share a core wait for each other too: then only the other cores tell.
            self.close()

    def close(self) -> None:
        """Lets idle threads spin as usual again, where they like."""
        self._core.end()
        self._spins.end()


def thread_times() -> dict[str, tuple[int, int]]:
    """Returns the nanoseconds that each thread of this process has computed, and has waited for a core to do so.

    The waiting is what tells: a thread that spins in vain computes, as far as any clock of the process knows. Empty
    where the system does not say; only Linux does.
    """
    times = {}
    for file in Path("/proc/self/task").glob("*/schedstat"):
        try:
            computed, waited, _ = file.read_text(encoding="ascii").split()
        except OSError:  # the thread has ended
            continue
        times[file.parent.name] = (int(computed), int(waited))
    return times


def waiting_share(before: Times, after: Times) -> float:
    """Returns what part the waiting was of the time in which the threads wanted a core, between two `thread_times`."""
    both = before.keys() & after.keys()
    computed, waited = (sum(after[thread][i] - before[thread][i] for thread in both) for i in (0, 1))
    return waited / (computed + waited) if computed + waited > 0 else 0.0
