"""The CPU cores that a process may use, and its share of them when jobs of a sweep run at once."""

import os

# Set for the jobs of a sweep: how many of them divide the cores.
SHARERS = "DLEXP_JOBS_AT_ONCE"


def usable_cores() -> int:
    """Returns the cores this process may use (Linux, where a scheduler may lend it fewer), else all."""
    # By hand: psutil's Process().cpu_affinity() is missing on macOS just so, and importing it takes 12 ms.
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def share(cores: int) -> int:
    """Returns what this process may take of `cores`, at least one."""
    return max(1, cores // sharers())


def sharers() -> int:
    """Returns how many jobs of a sweep run at once, this one among them; 1 outside of a sweep."""
    return int(os.environ.get(SHARERS, "1"))
