"""`resume=RUN` and `resume=auto`: a run that is there goes on, with its stored config plus what is typed."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dlexp.config import words
from dlexp.config.cell import cell
from dlexp.config.check import check
from dlexp.config.composed import Composed
from dlexp.config.stored import changed_config, hold_to_division, is_free, stored_run, value_of
from dlexp.console.streams import log_to
from dlexp.console.wording import describe
from dlexp.errors import UserError, as_typed, to_type
from dlexp.experiment.identity import identity
from dlexp.metric import read_facts
from dlexp.records.folder import LOG, saved_states
from dlexp.records.naming import OUTPUTS
from dlexp.records.result import Result, read_result
from dlexp.records.run_json import read_entry

log = logging.getLogger(__name__)

CONSENT = "accept_changes=true"


def split_words(typed: Sequence[str]) -> tuple[str | None, list[str]]:
    """Returns what `resume=` names (None without it) and the other words."""
    named = [word.partition("=")[2] for word in typed if word.startswith("resume=")]
    if not named:
        return None, list(typed)
    if "" in named or len(named) > 1:
        raise UserError("resume= takes the folder of one run, or auto")
    if set(words.SWEEP_FLAGS) & set(typed):
        raise UserError("resume= continues one run; a sweep is continued by typing it again")
    return named[0], [word for word in typed if not word.startswith("resume=")]


def resume_named(named: str, typed: list[str]) -> Result:
    """Goes on with the run in the folder `named`, as `resume` does.

    Raises:
        UserError: there is no such run, a word is wrong, or it changes what needs consent.
    """
    read = words.read(typed)
    words.refuse_place(read, "hydra.run.dir", f"can't be given with resume={named}, which goes on in its own folder")
    return resume(Path(named).expanduser(), read.overrides)


def resume(folder: Path, overrides: list[str]) -> Result:
    """Goes on with the run in `folder`, changed as the words say; a finished one, of which nothing is asked, is read.

    Raises:
        UserError: there is no such run, a word is wrong, or it changes what needs consent.
    """
    going_on = ". A sweep and a preset's stages go on where their own command is typed again"
    stored, entry = stored_run(folder, of_several=going_on)
    hold_to_division(folder, stored)
    typed = [word for word in overrides if word != CONSENT]
    config, changed = changed_config(stored, typed, entry["follows"])
    check(config)
    from dlexp.experiment.run import run_experiment
    from dlexp.experiment.saved_state import Resumption

    can_go_on = entry["status"] != "finished" or bool(saved_states(folder))
    if entry["status"] == "finished" and not changed:
        result = read_result(folder, entry)
        shown = {key: value for key, value in result.metrics.items() if not key.startswith("train/")}
        hint = "; epochs=… makes it longer" if can_go_on else ""
        log.info(f"{folder} is finished: {describe(shown, read_facts(entry.get('measures', {})))}{hint}")
        return result
    if not can_go_on:
        keep = stored["checkpoint"].get("keep")
        why = f"checkpoint.keep={keep}" if keep in ("best", "metrics") else "its checkpoints are gone"
        anew = f"{to_type(f'init_from={folder}')} starts a new run from its weights"
        instead = "train it again" if keep == "metrics" else anew
        raise UserError(f"{folder} keeps no state to go on from ({why}); {instead}")
    other_settings = _other_settings(folder, stored, config, changed)
    with log_to(folder / LOG) as begin_log:
        resumption = Resumption(typed, bool(changed), other_settings, CONSENT in overrides, accepted=begin_log)
        earlier = [*entry["overrides"], *(word for each in entry["resumed"] for word in each["overrides"])]
        of_sweep = {"follows": entry["follows"], "varied": entry.get("varied", {})}
        composed = Composed(config, [*earlier, *typed], entry["choices"], **of_sweep)
        return run_experiment(composed, folder, resumption)


def _other_settings(
    folder: Path, stored: Mapping[str, Any], config: Mapping[str, Any], changed: Sequence[str]
) -> str | None:
    """Returns which settings change that need consent."""
    keys = [change.partition("=")[0] for change in changed if not is_free(change)]
    before, after = ([as_typed(value_of(each, key.split("."))) for key in keys] for each in (stored, config))
    pairs = [f"{key} ({one} → {other})" for key, one, other in zip(keys, before, after, strict=True)]
    return f"the run in {folder} had other settings: {', '.join(pairs)}" if pairs else None


def find(folder: Path | None, config: Mapping[str, Any]) -> Path | None:
    """Returns the run of a config as files are now: `folder` itself if it holds one, else the newest under outputs/.

    Without any, says which runs of these settings were trained on other data.

    Raises:
        UserError: `folder` holds a run of these settings that was trained on other data.
    """
    if folder is not None:
        places = [folder]
    else:
        places = sorted(OUTPUTS.glob("*/"), key=lambda place: place.stat().st_mtime, reverse=True)
    entries = ((place, read_entry(place)) for place in places)
    own = cell(config)
    same = [(place, entry) for place, entry in entries if entry is not None and entry.get("cell") == own]
    if not same:
        return None
    wanted = identity(config)
    found = next((place for place, entry in same if wanted.belongs(entry)), None)
    if found is None:
        sentence = f"{wanted.change_since(same[0][1])} since {same[0][0]} was trained"
        if folder is not None:
            raise UserError(
                f"{sentence}: another hydra.run.dir= begins a new run, {to_type(f'resume={folder}')} goes on with this"
                " one if it can"
            )
        log.warning(f"warning: {sentence}: a new run begins")
    return found
