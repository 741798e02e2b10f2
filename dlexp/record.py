"""What a run folder says about itself as JSON: `run.json`, the environment, the metrics. Reading it needs no
torch.
"""

import importlib
import importlib.metadata
import json
import math
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from dlexp.atomic import whole_file

FORMAT_VERSION = 1
RUN_FILE = "run.json"
METRICS_FILE = "metrics.jsonl"
PACKAGES = (
    "dlexp",
    "torch",
    "torchvision",
    "hydra-core",
    "omegaconf",
    "numpy",
    "tensorboard",
    "matplotlib",
    "rich",
)


def as_json(value: Any) -> Any:
    """Returns `value` as JSON knows it: NaN and infinities become null, paths and other objects their text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, Iterable):
        return [as_json(item) for item in value]
    return str(value)


def write_json(path: Path, data: Any) -> None:
    """Writes `data` (see `as_json`) so that a reader sees the whole old file or the whole new one, never a part."""
    text = json.dumps(as_json(data), ensure_ascii=False, indent=2) + "\n"
    with whole_file(path) as file:
        file.write(text.encode("utf-8"))


def read_json(path: Path) -> Any:
    """Reads one JSON file. Raises FileNotFoundError, or json.JSONDecodeError where it is damaged."""
    return json.loads(path.read_text(encoding="utf-8"))


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Reads `metrics.jsonl`: one dict a line. A last line cut short by a killed run is left out.

    Raises FileNotFoundError, or json.JSONDecodeError where a line before the last is damaged.
    """
    lines = path.read_bytes().split(b"\n")
    complete, rest = lines[:-1], lines[-1]
    records = [json.loads(line.decode("utf-8")) for line in complete if line.strip()]
    try:
        records += [json.loads(rest.decode("utf-8"))] if rest.strip() else []
    except ValueError:  # both JSON and UTF-8 errors: the line ends in the middle
        pass
    return records


class RunRecord:
    """`run.json`: what the run is and how it ended. Written at once, rewritten at every change.

    Its status is "running" until `finished`, `failed` or `stopped` is called. Times are UTC in ISO format.
    """

    def __init__(self, folder: Path, *, name: str, seed: int, overrides: list[str]) -> None:
        self._path = folder / RUN_FILE
        self._clock = time.monotonic()
        self.data: dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "status": "running",
            "name": name,
            "seed": seed,
            "overrides": overrides,
            "started": _now(),
            "ended": None,
            "seconds": None,
            "chosen_epoch": None,
            "metrics": {},
            "error": None,
        }
        write_json(self._path, self.data)

    def note(self, **facts: Any) -> None:
        """Adds facts, or replaces those of the same name."""
        self.data |= facts
        write_json(self._path, self.data)

    def finished(self, metrics: Mapping[str, float], chosen_epoch: int | None) -> None:
        """Ends the record with the final metrics and the epoch whose weights they belong to."""
        self._end("finished", metrics=dict(metrics), chosen_epoch=chosen_epoch)

    def failed(self, sentence: str) -> None:
        """Ends the record with the reason, in one sentence."""
        self._end("failed", error=sentence)

    def stopped(self, sentence: str | None = None) -> None:
        """Ends the record of a run that was asked to stop (Ctrl-C, a signal, a time limit)."""
        self._end("stopped", error=sentence)

    def _end(self, status: str, **facts: Any) -> None:
        seconds = round(time.monotonic() - self._clock, 3)
        self.note(status=status, ended=_now(), seconds=seconds, **facts)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def environment(device_facts: dict[str, Any]) -> dict[str, Any]:
    """Returns what a result depends on besides its config: revision, versions, machine. No names of people or
    hosts.
    """
    return {
        "git": git_state(Path.cwd()),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "platform": {
            "system": platform.system(),
            "release": platform.release(),
            "machine": platform.machine(),
        },
        "cpu": {"name": cpu_name(), "cores": os.cpu_count(), "usable_cores": _usable_cores()},
        "device": device_facts,
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """Returns the revision of the repository around `folder` and whether it has uncommitted changes; None
    without one.
    """
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


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def cpu_name() -> str:
    """Returns the processor's name as Linux, macOS or Windows tells it, else its architecture."""
    return _name_from_proc() or _name_from_sysctl() or _name_from_registry() or platform.machine() or "unknown"


def _name_from_proc(path: Path = Path("/proc/cpuinfo")) -> str | None:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    names = (line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model", "cpu model")))
    return next(names, None)


def _name_from_sysctl() -> str | None:
    return _output("sysctl", "-n", "machdep.cpu.brand_string") if platform.system() == "Darwin" else None


def _name_from_registry() -> str | None:
    try:
        winreg = importlib.import_module("winreg")
        key = winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0")
        return str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()
    except (ImportError, OSError):
        return None


def _usable_cores() -> int | None:
    """Returns the cores this process may use (Linux, where a scheduler may lend it fewer), else all."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count()
