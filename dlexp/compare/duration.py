"""How long trainings take: as finished ones like them did, else as a short one does that is tried now."""

import json
import os
import shutil
import tempfile
from collections.abc import Hashable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
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
) -> tuple[dict[Key, float | None], set[str]]:
    """Returns how long each run takes, and how that is known: by `earlier` runs, by `short` ones that are trained now,
    or by `steps` alone where an evaluation takes long or the disk is almost full. expected: of the same runs.

    None where nothing tells: the data is not there yet, jobs run elsewhere, or they compile first.
    """
    paces: dict[str, float | None] = {}
    others: dict[str, tuple[float, float] | None] = {}
    found: dict[Key, float | None] = {}
    known_by = set()
    for name, run in runs.items():
        config, forecast = run.config, expected[name]
        found[name] = forecast.seconds
        if forecast.seconds is not None:
            known_by.add("earlier")
        elif forecast.steps is not None and is_here(config) and not config["compile"]:
            pace = json.dumps([config[key] for key in ("data", "optimizer", *PACE)], sort_keys=True, default=str)
            if pace not in paces:
                paces[pace] = _seconds_a_step(run)
            if (each := paces[pace]) is None:
                continue
            rest = {key: value for key, value in config.items() if key not in LEARNING}
            kind = json.dumps(rest, sort_keys=True, default=str)
            if kind not in others:
                others[kind] = _besides(run, max(1, min(forecast.steps, int(SHORT_SECONDS / each))), forecast)
            besides, validation = others[kind] or (0.0, 0.0)
            found[name] = forecast.steps * each + forecast.validations * validation + besides
            known_by.add("steps" if others[kind] is None else "short")
    return found, known_by


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


def _seconds_a_step(run: Composed) -> float | None:
    config = run.config
    on_cpu = config["device"] == "cpu" or (config["device"] == "auto" and select_device("auto").type == "cpu")
    try:
        tried = attempt(config, config["batch_size"], int(available_bytes()) if on_cpu else None, _sharers(run))
    except UserError:  # the run itself tells
        return None
    return None if tried is None else int(config["accumulate"]) * tried.batch_size / tried.samples_per_second


def _besides(run: Composed, num_steps: int, forecast: Forecast) -> tuple[float, float] | None:
    """Returns the seconds that a run takes besides steps and validations, and those of a validation, as a training of
    so few steps takes them in a folder that is gone afterwards; None where that fails or lasts too long.
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
        besides, with_one = own.seconds(0, 0), own.seconds(0, 1)
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
