"""What makes two runs the same experiment: a hash of everything in the config that changes a result."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from dlexp.config.schema import (
    LATER,
    LATER_OF_DATA,
    LATER_OF_MODELS,
    LATER_OF_SETS,
    OWN_INIT,
    FileSettings,
    Settings,
    marked,
)
from dlexp.ranges import Incidental

CODE = Path(__file__).parents[1]
INCIDENTAL, INCIDENTAL_OF_DATA = (marked(schema, Incidental) for schema in (Settings, FileSettings))
# What asks, tells and draws changes no result. All else may, and so may a file that is new.
SHOWS = set(
    "__main__.py api.py errors.py commands compare sweep find search report profiling pictures console config/help.py"
    " config/hydra_flags.py config/mistakes.py experiment/showing.py records/event_file.py records/hparams.py"
    " records/naming.py records/result.py records/slurm_queue.py records/tracker.py".split()
)


def cell(config: Mapping[str, Any]) -> str:
    """Returns 16 hexadecimal digits for a resolved config, the same for every way of writing it.

    What stands there without changing a result does not enter: see `essentials`.
    """
    text = json.dumps(essentials(config), sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def essentials(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings that change a result: all but those that the schema marks as incidental.

    What an option of ours calls enters by its name, wherever in the package it lies. Where the order of what was chosen
    counts, of augmentations and of an optimizer's parts, they stand as lists.
    """
    keys = [key for key in sorted(Settings.__dataclass_fields__) if not is_incidental(key)]
    kept = {key: _by_name(config[key]) for key in keys if key not in LATER or config.get(key)}
    if config["init"] == OWN_INIT:
        del kept["init"]
    for group, later_of in (("model", LATER_OF_MODELS), ("data", LATER_OF_SETS)):
        later = later_of.get(config[group].get("_target_"), {})
        kept[group] = {key: value for key, value in kept[group].items() if key not in later or value != later[key]}
    unused = {key for key in LATER_OF_DATA if kept["data"].get(key) is None}
    kept["data"] = {k: value for k, value in kept["data"].items() if k not in unused and not is_incidental(f"data.{k}")}
    if kept["task"].get("targets") != "values" or not kept["task"].get("standardise"):
        kept["task"].pop("standardise", None)
    kept["criterion"].pop("outputs", None)  # what it does stands in the model
    if not kept["evaluation"].get("train"):
        kept["evaluation"].pop("train", None)
    kept["augment"] = list(kept["augment"].items())
    if "view" in kept:
        kept["view"] = list(kept["view"].items())
    kept["metric"] = list(kept["metric"].items())  # the first one leads
    kept["watch"] = {name: node for name, node in kept["watch"].items() if node and not node.get("only_looks")}
    if "parts" in kept["optimizer"]:
        kept["optimizer"]["parts"] = list(kept["optimizer"]["parts"].items())
    return kept


def _by_name(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: inner.rpartition(".")[2]
            if key == "_target_" and isinstance(inner, str) and inner.startswith("dlexp.")
            else _by_name(inner)
            for key, inner in value.items()
        }
    return [_by_name(inner) for inner in value] if isinstance(value, list) else value


def is_incidental(key: str) -> bool:
    """Returns whether a key such as `data.root` or `checkpoint.every_steps` changes no result."""
    group, name = f"{key}.".split(".")[:2]
    return group in INCIDENTAL or (group == "data" and name in INCIDENTAL_OF_DATA)


def code_version(modules: Iterable[str] = ()) -> str:
    """Returns 16 hexadecimal digits for the sources that can change a result, of this package and of the modules a
    person allowed.
    """
    digest = own_code().copy()
    for name in modules:
        place = Path(*name.split("."))
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]:
            if path.is_file():
                digest.update(path.read_bytes())
    return digest.hexdigest()


@cache  # 30 ms; a sweep's jobs have it from the server that forks them, and that also imported this code
def own_code() -> "hashlib.blake2b":
    """Returns the hash of this package's sources as they were when this process first asked."""
    ours = {file: file.relative_to(CODE) for file in sorted(CODE.rglob("*.py"))}
    digest = hashlib.blake2b(digest_size=8)
    for file, inside in ours.items():
        if not SHOWS & {inside.as_posix(), inside.parts[0]} and file.is_file():
            digest.update(file.read_bytes())
    return digest
