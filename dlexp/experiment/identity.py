"""Whether a run's result is still the one that is asked for: its settings, the data, the weights it began with."""

import json
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlexp.config.build import content_of, told_content
from dlexp.config.cell import cell
from dlexp.records.folder import RECORD
from dlexp.records.run_json import read_entry

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Identity:
    """The hash of a config, and those of what it names: of the data (None: it can't be read now), and of the weights
    that `init_from` and the method name (None without any, or where they can't be read).
    """

    cell: str
    data: str | None
    initial_weights: str | None

    def belongs(self, entry: Mapping[str, Any]) -> bool:
        """Returns whether a run.json is that of a run with this identity; one that read no data yet may become it."""
        return entry.get("cell") == self.cell and self.change_since(entry) is None

    def change_since(self, entry: Mapping[str, Any]) -> str | None:
        """Returns what is not as it was when a run of this cell was trained, in words that `… since` goes on from."""
        if None not in (entry.get("data"), self.data) and entry["data"] != self.data:
            return "the data changed"
        if None not in (entry.get("initial_weights"), self.initial_weights):
            same = entry["initial_weights"] == self.initial_weights
            return None if same else "the weights of init_from or of the method's teacher changed"
        return None  # what can't be read here is not known to have changed; a run that goes on tells


def identity(
    config: Mapping[str, Any], known: dict[str, str | None] | None = None, *, may_load: bool = True
) -> Identity:
    """Returns the identity of a resolved config as files are now; `known` keeps what several configs share.

    Data that can't tell its content is loaded for it, if that `may_load`; else it counts as unknown.
    """
    from dlexp.experiment.initial_weights import fingerprint_of_all  # imports torch

    known = {} if known is None else known

    def once(what: Any, find: Callable[[], str | None]) -> str | None:
        key = json.dumps(what, sort_keys=True, default=str)
        if key not in known:
            try:
                known[key] = find()
            except Exception:  # the job that trains on it tells of it, beside those that can run
                log.debug("what a run begins with can't be read", exc_info=True)
                known[key] = None
        return known[key]

    def fingerprint_of_data() -> str | None:
        content = content_of(config["data"]) if may_load else told_content(config["data"])
        return None if content is None else content.fingerprint

    data = once({"data": config["data"]}, fingerprint_of_data)
    sources = sources_of(config)
    weights = once({"weights": sources}, lambda: fingerprint_of_all(sources)) if sources else None
    return Identity(cell(config), data, weights)


def sources_of(config: Mapping[str, Any]) -> list[Path]:
    """Returns the runs and files whose weights a run begins with: of `init_from`, and of runs that its method names."""
    named = [Path(value).expanduser() for value in config["method"].values() if isinstance(value, str)]
    given = [Path(config["init_from"]).expanduser()] if config["init_from"] is not None else []
    return [*given, *(folder for folder in named if (folder / RECORD).is_file())]


def parent(config: Mapping[str, Any], folder: Path) -> dict[str, Any] | None:
    """Returns the run that one in `folder` begins or learns from, as `run.json` names it; None where it is none's.

    by: the setting that names it, `init_from` before the method's. folder: relative to its own, so that both may move.
    """
    given = {"init_from": config["init_from"], **{f"method.{key}": value for key, value in config["method"].items()}}
    for key, value in given.items():
        source = Path(value).expanduser() if isinstance(value, str) else None
        places = [] if source is None else [source, *source.parents[:2]]  # of a file of weights the run that it is of
        for place in places:
            if (entry := read_entry(place)) is not None:
                with suppress(ValueError):  # on another drive of Windows
                    place = Path(os.path.relpath(place, folder))
                return {"by": key, "folder": place.as_posix(), "cell": entry.get("cell")}
    return None
