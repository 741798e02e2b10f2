"""Answers from made run folders: what pages and pictures are drawn from in tests."""

import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from made_runs import made_run

from dlexp.report.answer import Answer
from dlexp.report.making import make_answer
from dlexp.report.reading.plan import Plan, Tuning, read_plan, write_plan

FOUR = {"adam": 0.968, "sgd": 0.966, "adamw": 0.962, "adagrad": 0.951}


def plan_of(folder: Path) -> Plan:
    """Returns the plan that is stored in a folder."""
    plan = read_plan(folder)
    assert plan is not None
    return plan


def made_curve(end: float, epochs: int, chance: random.Random) -> list[float]:
    """Returns a validation value for each epoch that climbs towards `end`."""
    return [end - (end - 0.5) * math.exp(-0.8 * epoch) + chance.gauss(0, 0.003) for epoch in range(1, epochs + 1)]


def made_arms(
    folder: Path,
    arms: Mapping[str, tuple[Mapping[str, Any], Sequence[float | str]]],
    *,
    epochs: int = 8,
    **facts: Any,
) -> Path:
    """Makes the runs of each arm: its settings, and a value a seed, or the state of a run without one."""
    chance = random.Random(0)
    for number, (settings, values) in enumerate(arms.values()):
        for seed, value in enumerate(values, start=1):
            where = folder / f"arm-{number}_seed-{seed}"
            if isinstance(value, str):
                made_run(where, seed=seed, settings=settings, state=value, curve=made_curve(0.9, 2, chance), **facts)
            else:
                curve = made_curve(value, epochs, chance) if 0 < value < 1 else None
                made_run(where, value, seed=seed, settings=settings, curve=curve, **facts)
    return folder


def scattered(mean: float, count: int, width: float = 0.0012, seed: int = 0) -> list[float]:
    """Returns values around a mean."""
    chance = random.Random(f"{mean} {seed}")
    return [mean + chance.gauss(0, width) for _ in range(count)]


def four_arms(folder: Path, *, seeds: int = 5, epochs: int = 8) -> Path:
    """Makes four optimizers with so many seeds each."""
    return made_arms(
        folder,
        {name: ({"optimizer": name}, scattered(mean, seeds)) for name, mean in FOUR.items()},
        epochs=epochs,
    )


def four_answer(folder: Path, **facts: Any) -> Answer:
    """Returns the answer of four optimizers against SGD, with a margin."""
    return make_answer([four_arms(folder, **facts)], against="sgd", margin=0.5, reach=94)


def tuned_comparison(folder: Path, *, keys: Sequence[str] = ("optimizer.lr",), trials: int = 8) -> Path:
    """Makes a comparison of three optimizers as it is stored: plan, trials, final runs."""
    chance = random.Random(1)
    rates = {"sgd": 0.05, "adam": 0.005, "adamw": 0.01}
    arms = {name: [f"optimizer={name}"] for name in rates}
    plan_trials: dict[str, list[str]] = {}
    runs: dict[str, dict[str, str]] = {}
    for name, best in rates.items():
        plan_trials[name], runs[name] = [], {}
        for trial in range(trials):
            settings = {"optimizer": name, "optimizer.lr": best / 30 * 900 ** ((trial + 0.5) / trials)}
            settings |= {key: round(chance.uniform(0, 0.5), 3) for key in keys if key != "optimizer.lr"}
            value = 0.96 - 0.02 * math.log10(settings["optimizer.lr"] / best) ** 2 + chance.gauss(0, 0.001)
            state = "diverged" if trial == trials - 1 else "finished"
            where = folder / f"tune-{name}" / f"trial-{trial}"
            metrics = {"val/accuracy": value, "val/loss": 1 - value, "train/accuracy": value, "train/loss": 1 - value}
            made_run(where, value, state=state, settings=settings, metrics=metrics)
            plan_trials[name].append(str(where.relative_to(folder)))
        for seed in range(1, 6):
            where = folder / name / f"seed-{seed}"
            value = {"sgd": 0.965, "adam": 0.968, "adamw": 0.966}[name] + chance.gauss(0, 0.001)
            made_run(where, value, seed=seed, settings={"optimizer": name, "optimizer.lr": best})
            runs[name][str(seed)] = str(where.relative_to(folder))
    space = {name: {key: "tag(log,interval(0.001,1))" for key in keys} for name in rates}
    tuning = Tuning(
        keys=list(keys),
        spaces=space,
        trials=trials,
        sampler="qmc",
        sampler_seed=0,
        seed=0,
        widened={},
        chosen={name: [f"optimizer.lr={best}"] for name, best in rates.items()},
        edges={},
    )
    facts = {
        "question": "SGD or Adam? Or AdamW?",
        "command": 'python -m dlexp compare optimizer=sgd,adam,adamw tune=optimizer.lr hypothesis="adam beats sgd"',
        "arms": arms,
        "shared": ["model=mlp", "data=spiral"],
        "reference": "sgd",
        "seeds": [1, 2, 3, 4, 5],
        "metric": "test/accuracy",
        "margin": 0.5,
        "hypothesis": "adam beats sgd",
        "size": None,
        "picture": "differences",
        "tuning": tuning,
        "runs": runs,
        "trials": plan_trials,
        "looks": [],
    }
    write_plan(folder, Plan(**facts))
    return folder
