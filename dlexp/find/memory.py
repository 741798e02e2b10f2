"""How much memory a trial may take, and how much it took."""

import contextlib
import sys
from pathlib import Path

import torch

# Parts of the free memory that a trial may take. What the machine does besides changes while it trains.
SHARE_OF_CPU, SHARE_OF_GPU = 0.8, 0.9
STATUS = Path("/proc/self/status")


def limit_memory(device: torch.device, room: int | None) -> None:
    """Makes allocations of this process fail beyond its share: `room` bytes more on a CPU, 90 % of the GPU's free ones.

    Where a system can't do that (macOS, Windows), only the measured peak tells what is too much.
    """
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        torch.cuda.set_per_process_memory_fraction(SHARE_OF_GPU * free / total, device)
    elif device.type == "mps":
        torch.mps.set_per_process_memory_fraction(SHARE_OF_GPU)
    elif sys.platform == "linux" and room is not None:
        import resource

        # Private writable memory, so neither the libraries nor files that are mapped.
        with contextlib.suppress(ValueError):  # a lower limit is set already
            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            resource.setrlimit(resource.RLIMIT_DATA, (_status("VmData") + room, hard))


def peak_memory(device: torch.device) -> int:
    """Returns the most bytes that this process has held: of the GPU's memory when it trains there, else of its own."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()
    if sys.platform == "win32":
        return _peak_on_windows()
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _status(name: str) -> int:
    """Returns a value in bytes that Linux tells of this process."""
    for line in STATUS.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def _peak_on_windows() -> int:
    import ctypes

    names = ["PeakWorkingSetSize", "WorkingSetSize", "QuotaPeakPagedPoolUsage", "QuotaPagedPoolUsage"]
    names += ["QuotaPeakNonPagedPoolUsage", "QuotaNonPagedPoolUsage", "PagefileUsage", "PeakPagefileUsage"]

    class Counters(ctypes.Structure):
        _fields_ = [("cb", ctypes.c_ulong), ("PageFaultCount", ctypes.c_ulong)] + [(n, ctypes.c_size_t) for n in names]

    counters = Counters()
    counters.cb = ctypes.sizeof(counters)
    windll = ctypes.windll  # type: ignore[attr-defined]
    process = ctypes.c_void_p(windll.kernel32.GetCurrentProcess())
    windll.psapi.GetProcessMemoryInfo(process, ctypes.byref(counters), counters.cb)
    return int(counters.PeakWorkingSetSize)
