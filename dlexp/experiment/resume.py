"""`resume=RUN` and `resume=auto`: a run that is there goes on, with its stored config plus what is typed.

A stored config may come from a stranger: it is read as data, and Hydra, which can run anything, never sees it.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dlexp.config import mistakes, schema
from dlexp.config.cell import cell, incidental
from dlexp.config.check import check, listed, resolved
from dlexp.config.compose import composed
from dlexp.console.streams import log_to
from dlexp.console.training_progress import describe
from dlexp.errors import UserError, did_you_mean
from dlexp.records import run_json
from dlexp.records.result import Result, read_result

log = logging.getLogger(__name__)

# Settings that a resumed run may change freely: how long it goes on, and what is looked at. The others need a word.
FREE = {"epochs", "max_steps", "patience", "val_every", "test"} | incidental(schema.Settings)
FREE_DATA = {f"data.{key}" for key in incidental(schema.DataSettings)}
CONSENT = "accept_changes=true"


def split_words(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """Returns what `resume=` names (None without it) and the other words."""
    named = [word.partition("=")[2] for word in words if word.startswith("resume=")]
    if not named:
        return None, list(words)
    if "" in named or len(named) > 1:
        raise UserError("resume= takes the folder of one run, or auto")
    return named[0], [word for word in words if not word.startswith("resume=")]


def resume_from(named: str, words: list[str]) -> Result | None:
    """Does what `resume=NAMED` and the other words ask for; returns None when it is for a new run to do so.

    Raises:
        UserError: there is no such run, a word is wrong, or it changes what needs consent.
    """
    if named != "auto":
        return resume(Path(named).expanduser(), mistakes.overrides_of(words))

    cfg, _ = composed(words)
    identity = cell(resolved(cfg))
    place = next((word.partition("=")[2] for word in words if word.startswith("hydra.run.dir=")), None)
    folder = find(None if place is None else Path(place.strip("'")), identity)
    return None if folder is None else resume(folder, [word for word in mistakes.overrides_of(words) if is_free(word)])


def resume(folder: Path, words: list[str]) -> Result:
    """Goes on with the run in `folder`, changed as the words say; a finished one, of which nothing is asked, is read.

    Raises:
        UserError: there is no such run, a word is wrong, or it changes what needs consent.
    """
    stored, entry = stored_run(folder)
    consent = CONSENT in words
    cfg, changed = changed_config(stored, [word for word in words if word != CONSENT])
    check(cfg)
    unfree = [change.split("=")[0] for change in changed if not is_free(change)]
    if unfree and not consent:
        pairs = ", ".join(f"{key} ({OmegaConf.select(stored, key)} → {OmegaConf.select(cfg, key)})" for key in unfree)
        raise UserError(f"the run in {folder} had other settings: {pairs}; add {CONSENT} to go on with these")
    if entry["status"] == "finished" and not changed:
        return finished(folder, entry)
    from dlexp.experiment.run import run_experiment
    from dlexp.experiment.saved_state import Resumption

    close = log_to(folder)
    try:
        return run_experiment(cfg, folder, [*words], entry["choices"], Resumption(changed=changed))
    finally:
        close()


def finished(folder: Path, entry: dict[str, Any]) -> Result:
    """Returns what a finished run reached, and says so."""
    result = read_result(folder, entry)
    shown = {key: value for key, value in result.metrics.items() if key.startswith(("test/", "val/"))}
    log.info(f"{folder} is finished: {describe(shown)}; epochs=… makes it longer")
    return result


def stored_run(folder: Path) -> tuple[DictConfig, dict[str, Any]]:
    """Reads a run's config and record, as data.

    Raises:
        UserError: the folder is none of a run, or its files are damaged.
    """
    entry = run_json.read_entry(folder)
    try:
        stored = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        if entry is None or not isinstance(stored, dict):
            raise ValueError("config.yaml and run.json do not hold what they should")
        return OmegaConf.create(stored), entry
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError, OmegaConfBaseException) as error:
        raise UserError(f"{folder} is not the folder of a run: {' '.join(str(error).split())}") from error


def changed_config(stored: DictConfig, words: Sequence[str]) -> tuple[DictConfig, list[str]]:
    """Returns the config with the words applied, and those that change something, as `key=value`.

    Raises:
        UserError: lists every word that is no setting of this run.
    """
    cfg, changed, problems = stored.copy(), [], []
    for word in schema.with_quoted_paths(list(words), multirun=False):
        try:
            override = OverridesParser.create().parse_override(word)
        except HydraException as error:
            problems.append(mistakes.sentence(error, [word]))
            continue
        key, value = override.get_key_element(), override.value()
        before = OmegaConf.select(cfg, key, default=schema)  # the module stands for: there is none
        if override.is_sweep_override():
            problems.append(f"{word} has several values, and resume= continues one run")
        elif before is schema or key.startswith("+"):
            problems.append(f"this run has no setting '{key}'.{did_you_mean(key, _keys(cfg))}")
        elif OmegaConf.is_dict(before):
            problems.append(f"{word} would choose another {key}; resume= continues with the one that is stored")
        elif before != value:
            OmegaConf.update(cfg, key, value)
            changed.append(word)
    if problems:
        raise UserError(listed(problems))
    return cfg, changed


def is_free(change: str) -> bool:
    """Returns whether a change needs no consent."""
    key = change.partition("=")[0]
    return key.split(".")[0] in FREE or key in FREE_DATA


def find(folder: Path | None, identity: str) -> Path | None:
    """Returns the run of a cell: `folder` itself if it holds one, else the newest under outputs/."""
    if folder is not None:
        places = [folder]
    else:
        places = sorted(Path("outputs").glob("*/"), key=lambda place: place.stat().st_mtime, reverse=True)
    entries = ((place, run_json.read_entry(place)) for place in places)
    return next((place for place, entry in entries if entry is not None and entry.get("cell") == identity), None)


def _keys(cfg: DictConfig) -> list[str]:
    top = [str(key) for key in cfg]
    return top + [f"{key}.{inner}" for key in top if OmegaConf.is_dict(cfg[key]) for inner in map(str, cfg[key])]
