"""How much memory is free."""

from pathlib import Path

import psutil
import torch

from dlexp.machine.device import select_device

CGROUP = Path("/sys/fs/cgroup")


def available_bytes() -> int:
    """Returns the bytes a new array may take: what the system calls available, within the container's limit."""
    free, limit = psutil.virtual_memory().available, _container_room()
    return free if limit is None else min(free, limit)


def available_bytes_of_gpu(device: str) -> int | None:
    """Returns the free bytes of the CUDA device that `device` means here, or None without one."""
    if not torch.cuda.is_available() or select_device(device).type != "cuda":
        return None
    return torch.cuda.mem_get_info(select_device(device))[0]


def _container_room() -> int | None:
    """Returns what a Linux container may still take, which psutil does not tell; None without a limit."""
    try:
        limit = (CGROUP / "memory.max").read_text(encoding="utf-8").strip()
        used = (CGROUP / "memory.current").read_text(encoding="utf-8").strip()
        cached = dict(line.split() for line in (CGROUP / "memory.stat").read_text(encoding="utf-8").splitlines())
    except OSError:
        return None
    # The file cache counts as used but gives way; without this a container that has read its data looks full.
    return None if limit == "max" else int(limit) - int(used) + int(cached.get("file", 0))
