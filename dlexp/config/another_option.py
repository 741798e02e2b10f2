"""What a preset sets for another option than the one that was typed: it has no place in that one, and is left out."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from dlexp.config import registry
from dlexp.config.problems import COMMON
from dlexp.config.schema import GROUPS
from dlexp.errors import as_typed, listed

PRESETS = "experiment"


def leave_out(
    config: dict[str, Any], choices: Mapping[str, Any], words: Sequence[str], folders: Sequence[Path]
) -> list[str]:
    """Takes out of a composed config what its preset sets for a group and the option typed for it lacks.

    What was typed itself stays, and what both options have, but for what the preset takes out (null), of which the
    option's own value is right. Returns a sentence for each such group, which says both.
    """
    typed = dict(word.lstrip("+").partition("=")[::2] for word in words)
    said = []
    for group in [group for group in GROUPS if group in typed and choices.get(PRESETS)]:
        preset = _settings(PRESETS, str(choices[PRESETS]), group, folders)
        node = config[group]
        if not preset or not isinstance(node, dict):
            continue
        own: dict[str, Any] = {}
        if GROUPS[group].composes:
            lacks = [key for key in preset if isinstance(node.get(key), dict) and "_target_" not in node[key]]
        else:
            own = _settings(group, typed[group], None, folders)
            has = {*own, *getattr(COMMON.get(group), "__dataclass_fields__", ())}
            lacks = [key for key in preset if key not in has]
        lacks = [key for key in lacks if not any(f"{word}.".startswith(f"{group}.{key}.") for word in typed)]
        for key in lacks:
            node.pop(key, None)
        for key in [key for key in preset if key in own and node.get(key) is None and f"{group}.{key}" not in typed]:
            node[key] = OmegaConf.create({**config, "own": own[key]})["own"]  # it may follow the recipe
        if lacks:
            kept = [_told(key, node[key]) for key in preset if key in node and f"{group}.{key}" not in typed]
            takes = f"takes {listed(kept)} from the preset, and " if kept else ""
            said.append(f"{group}={typed[group]} {takes}leaves out the preset's {listed(lacks)}, which it has not")
    return said


def _told(key: str, value: Any) -> str:
    return key if isinstance(value, dict) else f"{key}={as_typed(value)}"


def _settings(group: str, option: str, of: str | None, folders: Sequence[Path]) -> dict[str, Any]:
    """Returns the settings that an option's file and those it stands on have, or have for another group."""
    found: dict[str, Any] = {}
    for node in _nodes(group, option, folders):
        inner = node if of is None else node.get(of)
        found |= inner if isinstance(inner, dict) else {}
    return found


def _nodes(group: str, option: str, folders: Sequence[Path]) -> Iterator[dict[str, Any]]:
    file = registry.file_of(group, option, folders)
    node = yaml.safe_load(file.read_text(encoding="utf-8")) if file else None
    if isinstance(node, dict):
        for name in node.get("defaults") or ():
            if isinstance(name, str) and not name.startswith("_"):
                yield from _nodes(group, name, folders)
        yield node
