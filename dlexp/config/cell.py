"""What makes two runs the same experiment: a hash of everything in the config that changes a result."""

import hashlib
import json
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlexp.config.schema import DataSettings, Settings
from dlexp.ranges import Incidental

CODE = Path(__file__).parents[1]


def cell(config: Mapping[str, Any]) -> str:
    """Returns 16 hexadecimal digits for a resolved config, the same for every way of writing it.

    What stands there without changing a result does not enter: see `essentials`.
    """
    text = json.dumps(essentials(config), sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def essentials(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings that change a result: all but those that the schema marks as incidental."""
    names = Settings.__dataclass_fields__.keys() - incidental(Settings)
    kept = {key: config[key] for key in sorted(names)}
    kept["data"] = {key: value for key, value in config["data"].items() if key not in incidental(DataSettings)}
    return kept


def incidental(schema: type) -> set[str]:
    """Returns the settings of a schema that change no result: where things lie, how much is shown or saved."""
    hints = typing.get_type_hints(schema, include_extras=True)
    return {
        key for key, hint in hints.items() if any(isinstance(m, Incidental) for m in getattr(hint, "__metadata__", ()))
    }


def code_version(modules: typing.Iterable[str] = ()) -> str:
    """Returns 16 hexadecimal digits for the sources of this package and of the modules a person allowed."""
    files = sorted(CODE.rglob("*.py"))
    for name in modules:
        place = Path(*name.split("."))
        files += sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    digest = hashlib.blake2b(digest_size=8)
    for path in files:
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()
