"""libgomp, the OpenMP of torch's wheels for Linux: code in each of its threads, and how long the idle ones spin."""

import ctypes
import os
import threading
from collections.abc import Callable

# Whoever has set one of these has chosen how idle threads wait.
CHOSEN_BY = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


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
