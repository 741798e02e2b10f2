"""How long trainings take: as finished ones like them did, else as a short one does that is tried now."""

import json
import os
import shutil
import tempfile
from collections.abc import Hashable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TypeVar

from dlexp.config.composed import Composed
from dlexp.console.training_progress import estimate
from dlexp.errors import UserError
from dlexp.find.trial import attempt
from dlexp.machine.cores import SHARERS
from dlexp.machine.device import select_device
from dlexp.machine.memory import available_bytes
from dlexp.machine.processes import children_context, live_with_parent, take_environment
from dlexp.records.folder import OUTPUT
from dlexp.records.run_json import read_entry
from dlexp.sweep.earlier import PACE, Earlier
from dlexp.sweep.forecast import Forecast
from dlexp.sweep.launchers.launcher import is_here

SHORT_SECONDS = 0.3  # that a short training trains, besides its start and its end
# After that an evaluation is told to be missing: a dry run that waits for minutes is none.
PATIENCE_SECONDS = 30.0
# What an end and an evaluation depend on least, so that arms which differ in these share a short training.
LEARNING = ("optimizer", "scheduler", "recipe", "criterion", "init", "seed", "epochs", "note")

Key = TypeVar("Key", bound=Hashable)


def seconds_of(
    runs: Mapping[Key, Composed], expected: Mapping[Key, Forecast]
) -> tuple[dict[Key, float | None], set[str], dict[Key, str]]:
    """Returns how long each run takes, and how that is known: by `earlier` runs, by `short` ones that are trained now,
    or by `steps` alone where an evaluation takes long or the disk is almost full; and of some why no step of theirs
    could be timed, whether another arm's pace stands for it or their time is None. expected: of the same runs.

    None where nothing tells: the data is not there yet, jobs run elsewhere, they compile first, or no run can be timed.
    """
    found = {name: expected[name].seconds for name in runs}
    known_by = {"earlier"} if any(each is not None for each in found.values()) else set()
    unseen = {name: run for name, run in runs.items() if found[name] is None}
    why = {name: told for name, run in unseen.items() if (told := _why_untimed(run, expected[name]))}
    unseen = {name: run for name, run in unseen.items() if name not in why}
    paces, timed, failed = _paces({name: run for name, run in unseen.items() if expected[name].steps != 1})
    others: dict[str, tuple[float, float] | None] = {}
    # Those that could be timed come first: how a run begins and ends shows not in one that diverges.
    for name, run in sorted(unseen.items(), key=lambda each: each[0] not in timed):
        steps, each = expected[name].steps or 0, paces.get(name)
        if name in failed:
            why[name] = failed[name]
        if each is None and steps != 1:
            continue
        kind = f"{steps == 1} {_as_key(run, *(key for key in run.config if key not in LEARNING))}"
        if kind not in others:
            others[kind] = _besides(run, max(1, min(steps, int(SHORT_SECONDS / each))) if each else 1, expected[name])
        if others[kind] is None and each is None:
            why[name] = f"its one step fails here, or takes longer than {PATIENCE_SECONDS:g} s"
            continue
        besides, validation = others[kind] or (0.0, 0.0)
        found[name] = steps * (each or 0.0) + expected[name].validations * validation + besides
        known_by.add("steps" if others[kind] is None else "short")
    return found, known_by, why


def _why_untimed(run: Composed, forecast: Forecast) -> str | None:
    """Returns why no training of a run can be tried here; None: it can."""
    if forecast.steps is None:
        return forecast.doubt or "its steps can't be counted"
    if not is_here(run.config):
        return "its jobs run elsewhere"
    return "compile=true compiles first" if run.config["compile"] else None


def _as_key(run: Composed, *keys: str) -> str:
    return json.dumps([run.config[key] for key in keys], sort_keys=True, default=str)


def _paces(runs: Mapping[Key, Composed]) -> tuple[dict[Key, float], set[Key], dict[Key, str]]:
    """Returns the seconds of a step of each run, those of which it was timed, and why of others it could not be.

    The learning rate changes no pace, so one of several rates is timed. A run that can't be, for it diverges at once,
    has the pace of those with its model, method and batch size, else the median of all; none where none is known.
    """
    own: dict[str, float] = {}
    timed, tried = set(), {}
    kinds = {}  # all that decides a pace
    for name, run in runs.items():
        optimizer = {key: value for key, value in run.config["optimizer"].items() if key != "lr"}
        kinds[name] = _as_key(replace(run, config={**run.config, "optimizer": optimizer}), "data", "optimizer", *PACE)
        itself = _as_key(run, "data", "optimizer", *PACE)
        if kinds[name] not in own and itself not in tried:
            try:
                own[kinds[name]] = _seconds_a_step(run)
                timed.add(name)
            except UserError as error:
                tried[itself] = str(error)
    paces = {name: own[kind] for name, kind in kinds.items() if kind in own}
    alike: dict[str, list[float]] = {}
    for name, pace in paces.items():
        alike.setdefault(_as_key(runs[name], *PACE), []).append(pace)
    lacking = [name for name in runs if name not in paces]
    others = {name: alike.get(_as_key(runs[name], *PACE), list(paces.values())) for name in lacking}
    failed = {name: tried[_as_key(runs[name], "data", "optimizer", *PACE)] for name in lacking}
    return paces | {name: median(its) for name, its in others.items() if its}, timed, failed


def estimate_between(least: float, most: float) -> str:
    """Returns `about 20 to 40 s`, or one time where both ends read the same."""
    low, high = estimate(least, 1), estimate(most, 1)
    if low == high or least < 1:
        return high if low == high else f"up to {high}"
    number, low_unit = low.rsplit(" ", 1)
    told = number if high.endswith(f" {low_unit}") else low
    return f"{told} to {high.removeprefix('about ')}"


def _sharers(run: Composed) -> int:
    return int(run.config["n_jobs"])


def _seconds_a_step(run: Composed) -> float:
    """Returns how long an optimizer step takes.

    Raises:
        UserError: it can't be timed, and why.
    """
    config = run.config
    on_cpu = config["device"] == "cpu" or (config["device"] == "auto" and select_device("auto").type == "cpu")
    tried = attempt(config, config["batch_size"], int(available_bytes()) if on_cpu else None, _sharers(run))
    if tried is None:
        raise UserError("a step of it does not fit in memory")
    return int(config["accumulate"]) * tried.batch_size / tried.samples_per_second


def _besides(run: Composed, num_steps: int, forecast: Forecast) -> tuple[float, float] | None:
    """Returns the seconds that a run takes besides steps and validations, and those of a validation, as a training of
    so few steps takes them in a folder that is gone afterwards; None where that fails or lasts too long. A training of
    one step, as of a method that sets all weights at once, is tried whole: its step counts with the former.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        if shutil.disk_usage(place).free < 2 * forecast.bytes:
            return None
        folder = Path(place)
        short = replace(run, config={**run.config, "max_steps": num_steps})
        variables = os.environ | {SHARERS: str(_sharers(run))}
        process = children_context("dlexp.experiment.preload").Process(  # type: ignore[attr-defined]
            target=_train, args=(short, folder, variables)
        )
        process.start()
        try:
            process.join(PATIENCE_SECONDS)
        finally:
            process.kill()
            process.join()
        entry = read_entry(folder)
        if entry is None or entry["status"] != "finished":
            return None
        own = Earlier(folder, short.config, entry)
        steps = int(forecast.steps == 1)
        besides, with_one = own.seconds(steps, 0), own.seconds(steps, 1)
        return None if besides is None or with_one is None else (besides, with_one - besides)


def _train(short: Composed, folder: Path, variables: dict[str, str]) -> None:
    take_environment(variables)
    live_with_parent()
    from dlexp.console.streams import write_to
    from dlexp.data.stream.kept_figures import keeping_nothing
    from dlexp.experiment.run import run_experiment

    write_to(folder / OUTPUT)
    with keeping_nothing() if short.config["dry_run"] else nullcontext():
        run_experiment(short, folder)
