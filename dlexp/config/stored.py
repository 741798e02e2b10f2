"""A run's stored config, and what typed words change of it.

It may come from a stranger: it is read as data, and Hydra, which can run anything, never sees it.
"""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from dlexp.config import meant
from dlexp.config.cell import is_incidental
from dlexp.config.schema import LATER, LATER_OF_DATA, LATER_OF_MODELS, LATER_OF_SETS, OWN_INIT, Settings
from dlexp.config.words import in_words
from dlexp.errors import UserError, did_you_mean, listed, near_path, to_type
from dlexp.records.folder import CONFIG, RECORD, runs_in
from dlexp.records.run_json import read_entry, refuse_other_version

# Settings that a resumed run may change freely: how long it goes on, and what is looked at. The others need a word.
FREE = {"epochs", "max_steps", "patience", "val_every", "test"}

# A setting that came when own files began to be divided by class: a run without it has other samples in its splits.
CAME_WITH_CLASSES = {"dlexp.data.arrays.arrays": "missing", "dlexp.data.image_folder.image_folder": "background"}


def stored_run(folder: Path, of_several: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """Reads a run's config and record, as data. of_several: what else is said of a folder that holds several runs.

    Raises:
        UserError: the folder is none of a run, another version of dlexp wrote it, or its files are damaged.
    """
    if not folder.is_dir():
        others = sorted(each.parent for each in folder.parent.glob(f"*/{RECORD}"))
        near = near_path(folder, others) or (f" Runs there: {listed(others)}" if others else "")
        raise UserError(f"{folder} is not the folder of a run: there is no such folder.{near}".rstrip("."))
    refuse_other_version(folder)
    entry = read_entry(folder)
    if inside := runs_in(folder):
        raise UserError(f"{folder} is not the folder of a run; it holds several: {listed(inside)}{of_several}")
    try:
        stored = yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder} is not the folder of a run: it has no {CONFIG}") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{folder} is not the folder of a run: {' '.join(str(error).split())}") from error
    if entry is None or not isinstance(stored, dict):
        raise UserError(f"{folder} is not the folder of a run: {CONFIG} and {RECORD} do not hold what they should")
    stored = {**dict.fromkeys(LATER), "init": dict(OWN_INIT), **stored}
    missing = [key for key in Settings.__dataclass_fields__ if key not in stored]
    if missing:
        raise UserError(f"{folder / CONFIG} lacks {', '.join(missing)}")
    if isinstance(stored["data"], dict):
        later = LATER_OF_SETS.get(str(stored["data"].get("_target_")), {})
        stored["data"] = {**dict.fromkeys(LATER_OF_DATA), **later, **stored["data"]}
    if isinstance(stored["model"], dict):
        stored["model"] = {**LATER_OF_MODELS.get(str(stored["model"].get("_target_")), {}), **stored["model"]}
    if isinstance(stored["task"], dict):  # runs from before that setting learnt values as they were
        stored["task"] = {"standardise": False, **stored["task"]}
    if isinstance(stored["evaluation"], dict):
        stored["evaluation"] = {"train": False, **stored["evaluation"]}
    return stored, entry


def hold_to_division(folder: Path, stored: Mapping[str, Any]) -> None:
    """Raises UserError for a run from before own files were divided by class: it would train on other samples now."""
    data = stored["data"] or {}
    key = CAME_WITH_CLASSES.get(str(data.get("_target_")))
    if key is not None and key not in data:
        raise UserError(
            f"{folder} is of a version of dlexp that divided own files otherwise, so it would go on with other samples:"
            f" load() reads it, and {to_type(f'init_from={folder}')} starts a new run from its weights"
        )


def changed_config(
    stored: Mapping[str, Any], words: Sequence[str], follows: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """Returns the config with the words applied, and those that change something, as `key=value`.

    A setting that follows another one (see `Composed`) changes with it, unless a word says what it is.

    Raises:
        UserError: lists every word that is no setting of this run.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    from dlexp.config import mistakes

    config, changed, problems = copy.deepcopy(dict(stored)), [], []
    keys = [*config, *(f"{key}.{inner}" for key, node in config.items() if isinstance(node, dict) for inner in node)]
    for word in words:
        try:
            override = OverridesParser.create().parse_override(word)
        except HydraException as error:
            problems.append(mistakes.sentence(error))
            continue
        key, value = override.get_key_element(), override.value()
        is_reference = isinstance(value, str) and "${" in value and key != meant.NOTE
        if key == meant.NOTE and isinstance(value, str):
            value = in_words(value)
        *parents, name = key.split(".")
        node = value_of(config, parents)
        if override.is_sweep_override():
            problems.append(f"{word} has several values, and resume= continues one run")
        elif not isinstance(node, dict) or name not in node or key.startswith("+"):
            problems.append(f"this run has no setting '{key}'.{did_you_mean(meant.named(key) or key, keys)}")
        elif isinstance(node[name], dict):
            problems.append(f"{word} would choose another {key}; resume= continues with the one that is stored")
        elif is_reference:
            problems.append(f"{word} refers to another setting, which a stored run can't follow; type the value")
        elif node[name] != value:
            node[name] = value
            changed.append(word)
    if problems:
        raise UserError(*problems)
    named = {word.partition("=")[0] for word in words}
    for key, source in follows.items() if changed else ():
        *parents, name = key.split(".")
        node, value = value_of(config, parents), value_of(config, source.split("."))
        if (
            key not in named
            and isinstance(node, dict)
            and name in node
            and value_of(stored, source.split(".")) != value
        ):
            node[name] = copy.deepcopy(value)
    return config, changed


def value_of(config: Mapping[str, Any], path: Sequence[str]) -> Any:
    """Returns the value at the end of a path of keys; None where there is none."""
    node: Any = config
    for key in path:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node


def is_free(change: str) -> bool:
    """Returns whether a change needs no consent."""
    key = change.partition("=")[0]
    return key in FREE or is_incidental(key)
