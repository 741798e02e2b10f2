"""What a preset sets for another option than the one that was typed: it has no place in that one, and is left out."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dlexp.config import registry
from dlexp.config.problems import COMMON
from dlexp.config.schema import GROUPS
from dlexp.errors import as_typed, listed

PRESETS = "experiment"
# An optimizer with parts has rates of another kind, and its weight decay is not that of all weights.
OPTIMIZER, PARTS = "optimizer", "parts"


def leave_out(
    config: dict[str, Any], own: DictConfig, choices: Mapping[str, Any], words: Sequence[str], folders: Sequence[Path]
) -> list[str]:
    """Takes out of a composed config what its preset sets for a group and the option typed for it lacks.

    What was typed itself stays, and what both options have; of an optimizer with parts nothing is taken for one
    without. own: the config before it was resolved. Returns a sentence for each such group, which says all of it.
    """
    typed = dict(word.lstrip("+").partition("=")[::2] for word in words)
    said = []
    for group in [group for group in GROUPS if group in typed and choices.get(PRESETS)]:
        preset = _settings(PRESETS, str(choices[PRESETS]), group, folders)
        node, values = config[group], dict[str, Any]()
        if not preset or not isinstance(node, dict):
            continue
        if GROUPS[group].composes:
            lacks = [key for key in preset if isinstance(node.get(key), dict) and "_target_" not in node[key]]
        else:
            values = _settings(group, typed[group], None, folders)
            has = {*values, *getattr(COMMON.get(group), "__dataclass_fields__", ())}
            lacks = [key for key in preset if key not in has]
        lacks = [key for key in lacks if not any(f"{word}.".startswith(f"{group}.{key}.") for word in typed)]
        for key in lacks:
            node.pop(key, None)
        shared = [key for key in preset if key in node and f"{group}.{key}" not in typed]
        is_apart = group == OPTIMIZER and PARTS not in values and _has_parts(str(choices[PRESETS]), folders)
        anew = [key for key in shared if is_apart and key in values]
        for key in anew:
            OmegaConf.update(own, f"{group}.{key}", values[key], merge=False)
            node[key] = OmegaConf.to_container(own, resolve=True)[group][key]  # type: ignore[call-overload, index]
        if lacks or anew:
            kept, its_own = (
                listed([_told(key, node[key]) for key in shared if (key in anew) is own_one])
                for own_one in (False, True)
            )
            parts = [f"takes {kept} from the preset"] if kept else []
            parts += [f"leaves out the preset's {listed(lacks)}, which it has not"] if lacks else []
            parts += [f"has its own {its_own}, since the preset's are of an optimizer with parts"] if anew else []
            said.append(f"{group}={typed[group]} {', and '.join(parts)}")
    return said


def _has_parts(preset: str, folders: Sequence[Path]) -> bool:
    """Returns whether the optimizer that a preset chooses has parts."""
    entries = [entry for node in _nodes(PRESETS, preset, folders) for entry in node.get("defaults") or ()]
    chosen = [dict(entry) for entry in entries if isinstance(entry, dict)]
    names = [str(option) for each in chosen for key, option in each.items() if key.split("/")[-1].strip() == OPTIMIZER]
    return any(PARTS in _settings(OPTIMIZER, name, None, folders) for name in names)


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
    node: Any = OmegaConf.to_container(OmegaConf.load(file)) if file else None
    if isinstance(node, dict):
        for name in node.get("defaults") or ():
            if isinstance(name, str) and not name.startswith("_"):
                yield from _nodes(group, name, folders)
        yield node
