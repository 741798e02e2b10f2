"""How much memory is free, asked of whatever the system offers."""

import ctypes
import os
from pathlib import Path

import torch

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")


def available_bytes() -> int | None:
    """Returns the bytes a new array may take, or None where nobody can say.

    Linux: what the kernel calls available, bounded by the container's limit. Windows: free physical memory.
    Elsewhere (macOS): half the physical memory, because the free part cannot be asked without other programs.
    """
    for ask in (_linux, _windows, _half_of_physical):
        answer = ask()
        if answer is not None:
            return answer
    return None


def available_bytes_of_gpu() -> int | None:
    """Returns the free bytes of the current CUDA device, or None without one."""
    return torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else None


def _linux() -> int | None:
    try:
        lines = MEMINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("MemAvailable:"):
            free = int(line.split()[1]) * 1024
            limit = _container_room()
            return free if limit is None else min(free, limit)
    return None


def _container_room() -> int | None:
    try:
        limit = (CGROUP / "memory.max").read_text(encoding="utf-8").strip()
        used = (CGROUP / "memory.current").read_text(encoding="utf-8").strip()
        cached = dict(line.split() for line in (CGROUP / "memory.stat").read_text(encoding="utf-8").splitlines())
    except OSError:
        return None
    # The file cache counts as used but gives way; without this a container that has read its data looks full.
    return None if limit == "max" else int(limit) - int(used) + int(cached.get("file", 0))


class _Status(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
        (name, ctypes.c_ulonglong)
        for name in ("total", "free", "page_total", "page_free", "virtual_total", "virtual_free", "extended")
    ]


def _windows() -> int | None:
    windll = getattr(ctypes, "windll", None)
    if windll is None:
        return None
    status = _Status()
    status.length = ctypes.sizeof(status)
    return int(status.free) if windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)) else None


def _half_of_physical() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return None
