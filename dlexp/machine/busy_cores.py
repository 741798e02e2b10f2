"""Whether the threads of this process wait for cores that others keep busy, and what is said then."""

import time
from collections.abc import Mapping
from pathlib import Path

from dlexp.machine.cores import sharers

WINDOW_SECONDS = 5.0
# Beside one busy process for every core threads wait half of the time; on an idle machine under a hundredth.
BUSY_SHARE = 0.25

Times = Mapping[str, tuple[int, int]]


class BusyCores:
    """Tells once that a run's threads get much less of the cores than they ask for, and what to type.

    Of a run with readers, processes of its own that read images, it tells nothing: they may be what threads wait for.
    """

    def __init__(self, threads: int, *, has_readers: bool) -> None:
        self._threads = threads
        self._begun: tuple[float, Times] | None = None
        self._is_over = has_readers

    def sentence(self) -> str | None:
        """Returns the sentence when the seconds since an earlier call were like that; may be asked at any rate."""
        now = time.perf_counter()
        if self._is_over or (self._begun is not None and now - self._begun[0] < WINDOW_SECONDS):
            return None
        before, times = self._begun, thread_times()  # 0.2 ms
        self._begun = (now, times)
        share = 0.0 if before is None else waiting_share(before[1], times)
        if share < BUSY_SHARE:
            return None
        self._is_over = True
        who = "this run waits" if self._threads == 1 else f"the {self._threads} threads of this run wait"
        words = ["threads=1"] * (self._threads > 1) + ["a lower n_jobs"] * (sharers() > 1)
        remedy = f"; {' or '.join(words)} may be faster" if words else ""
        return f"the machine is busy: {who} {round(100 * share)} % of the time for a core{remedy}"


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
