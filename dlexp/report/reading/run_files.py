"""The files of a run folder, read as data: they may be a stranger's, so nothing of them is believed or run."""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from dlexp.config.schema import LATER_OF_MODELS, LATER_OF_SETS, OWN_INIT
from dlexp.errors import UserError
from dlexp.machine.lock_file import is_held
from dlexp.records import slurm_queue
from dlexp.records.folder import CONFIG, LOCK, MODEL, RECORD
from dlexp.records.run_json import FORMAT_VERSION, is_entry

MOST_BYTES = 32 * 2**20  # a config of 10,000 class names has 0.2 MB
MOST_SETTINGS = 100_000
MOST = 2**53  # parameters, samples: what a float can count
# Beyond these a float holds no square of a variance. What float32 holds lies within, but for some that is as good as 0.
LARGEST, SMALLEST = 1e70, 1e-60
# libyaml's nested calls end the whole process where a text has some 10,000 brackets within each other.
DEEPEST = 1000


class Unreadable(Exception):
    """Why a folder is left out, in words that follow its name."""


class _Loader(yaml.SafeLoader):
    """Reads YAML without merge keys, which dlexp never writes and which take all memory where they are nested."""

    def flatten_mapping(self, node: Any) -> None:
        """Merges nothing."""


class _QuickLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The same by libyaml, where it is there: 0.4 instead of 3.2 ms a config."""

    flatten_mapping = _Loader.flatten_mapping


def text_of(path: Path) -> str:
    """Returns a file's text. Raises Unreadable where it is none, or no file a run would have written."""
    try:
        if not path.is_file():  # a pipe of that name would be waited for
            raise Unreadable(f"has no {path.name}")
        if path.stat().st_size > MOST_BYTES:
            raise Unreadable(f"has a {path.name} of {path.stat().st_size / 2**20:.0f} MB, which no run writes")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Unreadable(f"can't be read ({path.name}: {error.strerror or error})") from None
    except ValueError:
        raise Unreadable(f"has a {path.name} that is damaged: it is no UTF-8") from None


def entry_of(folder: Path) -> dict[str, Any]:
    """Returns the record of a run. Raises Unreadable where it is damaged or of another version."""
    text = text_of(folder / RECORD)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise Unreadable(f"has a {RECORD} that is damaged") from None
    version = found.get("format_version") if isinstance(found, dict) else None
    if type(version) is int and version != FORMAT_VERSION:
        raise Unreadable(f"was written by {'an older' if version < FORMAT_VERSION else 'a newer'} version of dlexp")
    if not is_entry(found) or not _is_told(found):
        raise Unreadable(f"has a {RECORD} that does not hold what it should")
    return dict(found)


def _is_told(entry: Mapping[str, Any]) -> bool:
    """Returns whether a record has what a report relies on, besides what every reader of it does."""
    return (
        type(entry.get("seed")) is int
        and isinstance(entry.get("cell"), str | None)
        and all(isinstance(entry.get(key), str | None) for key in ("error", "data", "initial_weights", "code"))
        and all(isinstance(option, str) for option in entry["choices"].values())
    )


def status_of(folder: Path, entry: Mapping[str, Any], queues: dict[Path, dict[str, str | None]]) -> str:
    """Returns the status of a run: `died` where its record says running, and no process and no cluster is at it.

    Where nobody can tell, it runs. queues: what a cluster said of a sweep's jobs, asked once for each sweep.
    """
    if entry["status"] != "running":
        return str(entry["status"])
    try:
        if is_held(folder / LOCK):
            return "running"
        if folder.parent not in queues:
            jobs = slurm_queue.read(folder.parent)
            words = slurm_queue.words(jobs.values())
            queues[folder.parent] = {name: slurm_queue.state_of(words.get(job.number)) for name, job in jobs.items()}
    except (OSError, UserError):  # a lock of another owner; a squeue that does not answer, or a machine without one
        return "running"
    return queues[folder.parent].get(folder.name) or "died"


@lru_cache(maxsize=256)
def _parsed(text: str) -> dict[str, Any]:
    """Returns a config's settings, flat; runs of a sweep share most of their texts."""
    deep = text.count("[") + text.count("{") > DEEPEST or re.search(rf"(?m)^[ ?:-]{{{DEEPEST},}}", text)
    try:
        found = yaml.load(text, _Loader if deep else _QuickLoader)
        flat: dict[str, Any] = {}
        _flatten(found, "", flat, [MOST_SETTINGS])
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        raise Unreadable(f"has a {CONFIG} that is damaged") from None
    return flat


def _flatten(value: Any, key: str, flat: dict[str, Any], left: list[int]) -> None:
    """Puts the settings of a config into `flat`, `optimizer.lr`.

    Raises:
        ValueError: they are more than `left`, as a short text can make them with references, or it is no config.
    """
    if not isinstance(value, dict):
        if not key:
            raise ValueError("it is no mapping")
        flat[key] = _plain(value, left)
        return
    for name, inner in value.items():
        _count(left)
        _flatten(inner, f"{key}.{name}" if key else str(name), flat, left)


def _plain(value: Any, left: list[int]) -> Any:
    """Returns a setting's value as numbers, texts and lists of them; what is equal is equal in Python too."""
    _count(left)
    if isinstance(value, list):
        return [_plain(inner, left) for inner in value]
    if isinstance(value, dict):
        return {str(name): _plain(inner, left) for name, inner in value.items()}
    is_number = isinstance(value, int | float) and (value == 0 or SMALLEST <= abs(value) <= LARGEST)
    return value if value is None or is_number or isinstance(value, str) else str(value)


def _count(left: list[int]) -> None:
    left[0] -= 1
    if left[0] < 0:
        raise ValueError("it holds too much")


def settings_of(folder: Path, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a run's settings, flat, and the option of each group by the group's name.

    Raises Unreadable where its config can't be read.
    """
    text, choices = text_of(folder / CONFIG), dict(entry["choices"])
    seed = re.match(r"seed: (\d{1,19})\n", text)
    flat = _parsed(text) if seed is None else {"seed": int(seed[1])} | _parsed(text[seed.end() :])
    before = {"init": "own", "init._target_": OWN_INIT["_target_"]}  # which a run from before had without saying so
    for group, later_of in (("model", LATER_OF_MODELS), ("data", LATER_OF_SETS)):
        later = later_of.get(str(flat.get(f"{group}._target_")), {})
        before |= {f"{group}.{key}": value for key, value in later.items()}
    return before | flat | choices


def parameters_of(folder: Path) -> int | None:
    """Returns how many parameters a run's model has; None where that is not known."""
    try:
        return _parameters(text_of(folder / MODEL))
    except Unreadable:
        return None


@lru_cache(maxsize=64)
def _parameters(text: str) -> int | None:
    try:
        found = json.loads(text)["parameters"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if type(found) is int and 0 <= found <= MOST else None


def json_of(path: Path) -> Any:
    """Returns what another JSON file of a run holds; None where it can't be read. What is shared is parsed once."""
    try:
        return _json(text_of(path))
    except Unreadable:
        return None


@lru_cache(maxsize=64)
def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
