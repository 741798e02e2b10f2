"""What a result depends on besides its config: revision, versions, machine. No names of people or hosts."""

import functools
import importlib
import importlib.metadata
import os
import platform
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from dlexp.machine.cores import usable_cores

PACKAGES = "dlexp torch torchvision hydra-core omegaconf numpy tensorboard matplotlib rich".split()
CPU_INFO = Path("/proc/cpuinfo")  # of Linux


def environment(device_facts: dict[str, Any]) -> dict[str, Any]:
    """Returns it all as `environment.json` holds it."""
    return {
        "git": git_state(Path.cwd()),
        "python": platform.python_version(),
        "packages": package_versions(),
        "platform": {"system": platform.system(), "release": platform.release(), "machine": platform.machine()},
        "cpu": {"name": cpu_name(), "cores": os.cpu_count(), "usable_cores": usable_cores()},
        "device": device_facts,
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """Returns the revision of the repository around `folder` and whether it has uncommitted changes; None without."""
    revision = _output("git", "-C", str(folder), "rev-parse", "HEAD")
    if revision is None:
        return None
    changes = _output("git", "-C", str(folder), "status", "--porcelain")
    return {"revision": revision, "dirty": None if changes is None else bool(changes)}


def _output(*command: str) -> str | None:
    """Returns what a command prints; None where it is missing, fails or takes more than five seconds."""
    quiet = os.environ | {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=5, check=True, env=quiet
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


@functools.cache  # 14 ms; the jobs of a sweep have it from the server that forks them
def package_versions() -> dict[str, str | None]:
    """Returns the versions of the packages that a result depends on; None for one that is not installed."""
    versions: dict[str, str | None] = dict.fromkeys(PACKAGES)
    for name in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def cpu_name() -> str:
    """Returns the processor's name as Linux, macOS or Windows tells it, else its architecture.

    By hand: psutil does not know it, and py-cpuinfo takes 1.4 s to find it.
    """
    name = _name_from_proc() or _output("sysctl", "-n", "machdep.cpu.brand_string") or _name_from_registry()
    return name or platform.machine() or "unknown"


def _name_from_proc() -> str | None:
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    names = (line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model", "cpu model")))
    return next(names, None)


def _name_from_registry() -> str | None:
    try:
        winreg = importlib.import_module("winreg")
        key = winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0")
        return str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()
    except (ImportError, OSError):
        return None
