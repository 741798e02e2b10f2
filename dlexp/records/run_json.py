"""The record of a run: `run.json`, what the run is and how it ended. Reading it needs no torch."""

import json
import math
import re
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from dlexp.errors import UserError, to_type
from dlexp.machine.whole_file import whole_file
from dlexp.records.folder import ENVIRONMENT, METRICS, RECORD

FORMAT_VERSION = 2


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
        file.write(text.encode("utf-8", "backslashreplace"))


def read_json(path: Path) -> Any:
    """Reads one JSON file.

    Raises FileNotFoundError, json.JSONDecodeError where it is damaged, or OSError where it is a pipe, which would be
    waited for.
    """
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is no file")
    return json.loads(path.read_text(encoding="utf-8"))


def recorded(path: Path, *keys: str) -> Any:
    """Returns what a JSON file holds, under these keys, each within the one before; None where it can't be read."""
    try:
        found = read_json(path)
        for key in keys:
            found = found[key]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # the last of many brackets within each other
        return None
    return found


def read_entry(folder: Path) -> dict[str, Any] | None:
    """Returns the record of the run in a folder, or None where there is none of this version that can be read."""
    found = recorded(folder / RECORD)
    return found if is_entry(found) else None


def refuse_other_version(folder: Path) -> None:
    """Raises UserError where another version of dlexp wrote the record of the run in a folder."""
    version = recorded(folder / RECORD, "format_version")
    if version is None:
        return
    if type(version) is int and version < FORMAT_VERSION:
        raise UserError(
            f"{folder} was written by an older, unreleased version of dlexp, which this one can't read; train it again,"
            f" or begin with its weights: {to_type(f'init_from={folder}')}"
        )
    if version != FORMAT_VERSION:
        raise UserError(f"{folder} was written by a newer version of dlexp, which this one can't read")


def is_entry(found: Any) -> bool:
    """Returns whether `found` has the fields of a run.json that readers rely on."""
    return (
        isinstance(found, dict)
        and found.get("format_version") == FORMAT_VERSION
        and all(isinstance(found.get(key), str) for key in ("status", "name", "started"))
        and all(isinstance(found.get(key), list) for key in ("overrides", "resumed"))
        and all(isinstance(entry, dict) and isinstance(entry.get("started"), str) for entry in found["resumed"])
        and all(isinstance(entry.get("overrides"), list) for entry in found["resumed"])
        and all(isinstance(word, str) for entry in (found, *found["resumed"]) for word in entry["overrides"])
        and isinstance(found.get("seconds"), int | float | None)
        and isinstance(found.get("chosen_epoch"), int | None)
        and isinstance(found.get("choices"), dict)
        and {"model", "data", "optimizer"} <= found["choices"].keys()
        and isinstance(found.get("follows"), dict)
        and all(isinstance(source, str) for source in found["follows"].values())
        and isinstance(found.get("varied", {}), dict)
        and all(isinstance(value, str) for value in found.get("varied", {}).values())
        and isinstance(found.get("note"), str | None)
        and isinstance(found.get("parent"), dict | None)
        and isinstance(found.get("metric", ""), str)
        and isinstance(found.get("measures", {}), dict)
        and all(isinstance(facts, dict) for facts in found.get("measures", {}).values())
        and isinstance(found.get("last_look", []), list)
        and all(isinstance(name, str) for name in found.get("last_look", []))
        and isinstance(found.get("metrics"), dict)
        and all(isinstance(value, int | float | None) for value in found["metrics"].values())
    )


class RunRecord:
    """`run.json`: what the run is and how it ended. Written at once, rewritten at every change.

    Its status is "running" until `finished` or `broken_off` is called. Times are UTC in ISO format.
    """

    def __init__(self, folder: Path, data: dict[str, Any]) -> None:
        self._path, self.data = folder / RECORD, data
        self._clock, self._seconds_before = time.monotonic(), data["seconds"] or 0.0
        write_json(self._path, data)

    @classmethod
    def new(cls, folder: Path, *, seed: int, overrides: list[str], **facts: Any) -> "RunRecord":
        """Begins the record of a run; `facts` stand in it too."""
        data: dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "status": "running",
            "name": folder.name,
            "seed": seed,
            "overrides": overrides,
            "started": _now(),
            "ended": None,
            "seconds": None,
            "chosen_epoch": None,
            "metrics": {},
            "error": None,
            "resumed": [],
        }
        return cls(folder, data | facts)

    @classmethod
    def reopened(cls, folder: Path, resumption: Mapping[str, Any], **facts: Any) -> "RunRecord":
        """Goes on with the record of a run; `resumption` joins its list of those, `facts` replace what stands there."""
        data = read_json(folder / RECORD)
        if data["status"] == "running":  # it was killed: its last sign of life stands for its end
            data["seconds"] = (data["seconds"] or 0.0) + _last_session(folder, data)
        resumed = [*data["resumed"], {"started": _now(), **resumption}]
        data |= {"status": "running", "ended": None, "error": None, "resumed": resumed}
        return cls(folder, data | facts)

    def note(self, **facts: Any) -> None:
        """Adds facts, or replaces those of the same name."""
        self.data |= facts
        write_json(self._path, self.data)

    def finished(
        self, metrics: Mapping[str, float], *, chosen_epoch: int | None, measures: Mapping[str, dict[str, Any]]
    ) -> None:
        """Ends the record with the final metrics, the epoch whose weights they belong to, and the metrics' facts.

        Those that are measured at the end alone are told apart: a sweep shows each of them.
        """
        last = [name for name in measures if name not in self.data.get("measures", {})]
        self._end("finished", metrics=dict(metrics), chosen_epoch=chosen_epoch, measures=dict(measures), last_look=last)

    def broken_off(self, status: str, reason: str) -> None:
        """Ends the record of a run that "failed" or, asked to, "stopped", with the reason in one sentence."""
        with suppress(OSError):  # a full disk must not hide the reason; without this entry it counts as killed
            self._end(status, error=reason)

    def _end(self, status: str, **facts: Any) -> None:
        seconds = round(self._seconds_before + time.monotonic() - self._clock, 3)
        self.note(status=status, ended=_now(), seconds=seconds, **facts)


def is_diverged(entry: Mapping[str, Any]) -> bool:
    """Returns whether a run failed because its loss was no number any more: trained again, it would once more."""
    return entry["status"] == "failed" and bool(re.match(r"the loss became (nan|-?inf) ", entry["error"] or ""))


def prune(folder: Path, reason: str) -> bool:
    """Notes that the run in a folder, which has ended, was told to stop by a search, and why.

    Returns whether that is so: False for one that came to an end of its own, or left no record.
    """
    entry = read_entry(folder)
    if entry is None or entry["status"] not in ("stopped", "running"):
        return False
    write_json(folder / RECORD, entry | {"status": "pruned", "error": reason})
    return True


def _last_session(folder: Path, data: Mapping[str, Any]) -> float:
    """Returns the seconds from the last start to the last line of metrics."""
    started = data["resumed"][-1]["started"] if data["resumed"] else data["started"]
    try:
        last = (folder / METRICS).stat().st_mtime
        return max(0.0, last - datetime.fromisoformat(started).timestamp())
    except (OSError, ValueError):  # no metrics yet, or no date
        return 0.0


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def recorded_threads(folder: Path) -> int | None:
    """Returns how many CPU threads the run had, on which its sums depend; None where that is not recorded."""
    threads = recorded(folder / ENVIRONMENT, "device", "threads")
    return threads if isinstance(threads, int) and threads > 0 else None
