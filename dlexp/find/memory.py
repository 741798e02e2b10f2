"""How much memory a trial may take, and how much it took."""

import contextlib
import sys
from typing import Any

import psutil
import torch

from dlexp.errors import UserError

# Parts of the free memory that a trial may take. What the machine does besides changes while it trains.
SHARE_OF_CPU, SHARE_OF_GPU = 0.8, 0.9


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
            resource.setrlimit(resource.RLIMIT_DATA, (psutil.Process().memory_info().data + room, hard))


def peak_memory(device: torch.device) -> int:
    """Returns the most bytes that this process has held: of the GPU's memory when it trains there, else of its own.

    Raises:
        UserError: the device's part of torch does not say.
    """
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()
    if device.type != "cpu":
        asked: Any = getattr(torch.get_device_module(device), "max_memory_allocated", None)
        if asked is None:
            raise UserError(f"torch can't tell how much memory device={device.type} has held")
        return int(asked(device))
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource  # psutil tells the peak on Windows alone

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
