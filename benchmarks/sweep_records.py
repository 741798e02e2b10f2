"""Records of sweeps, one file each: of its arms the figures of every seed. `measure.py` makes and reads them."""

import json
import re
import shlex
import statistics
from pathlib import Path
from typing import Any

import dlexp
from dlexp.config.compose import compose

FILE = "sweep.json"
SEEDS = "0,1,2"
A_SEED = " a seed with all its runs"
TOLD = {
    "trained_on/solved": "solved by {:.0f} % of the seeds",
    "test/accuracy": "{:.2f} %",
    "trained_on/accuracy": "{:.2f} % of those trained on",
}


def typed_words(exercise: dict[str, Any]) -> list[str]:
    """Returns the words of an exercise that is a sweep, with three seeds where it names none."""
    words = shlex.split(exercise["type"])
    return words if any(word.startswith("seed=") for word in words) else [*words, f"seed={SEEDS}"]


def first_job(exercise: dict[str, Any]) -> list[str]:
    """Returns what a sweep's first job is composed of, without what is said to stages."""
    told_elsewhere = ("n_jobs=", "hydra.", "stages.")
    kept = [word for word in typed_words(exercise) if word != "-m" and not word.startswith(told_elsewhere)]
    return [re.sub(r"=range\(\d+\)", "=0", word).partition(",")[0] for word in kept]


def keep(folder: Path, exercise: dict[str, Any], target: Path) -> None:
    """Writes what the figures of a sweep's folder rest on: settings, environment, the figures of all seeds.

    An exercise names the setting `by` whose values are the arms, what it `tells` of each, by itself the accuracy in
    the test, and may say what arms are `called`. Runs without such a figure are stages on the way.
    """
    runs = sorted(dlexp.runs(folder), key=lambda run: (run["seed"], run["started"]))
    assert all(run["status"] == "finished" for run in runs)
    by, called, tells = exercise["by"], exercise.get("called", {}), exercise.get("tells", ["test/accuracy"])
    arms: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        if run.get(tells[0]) is None:
            continue
        value = str(run[by]).partition(" ")[0]  # what init_from names is followed by its fingerprint
        arm = arms.setdefault(called.get(value, f"{by.rpartition('.')[2]} {value}"), {})
        for metric in tells:
            arm.setdefault(metric, []).append(run[metric])
    seconds = dict.fromkeys((run["seed"] for run in runs), 0.0)
    for run in runs:
        seconds[run["seed"]] += run["seconds"]
    environment = json.loads((Path(runs[0]["folder"]) / "environment.json").read_text(encoding="utf-8"))
    config = compose(first_job(exercise)).config
    config["data"]["root"] = None
    record = {
        "typed": exercise["type"],
        "date": max(run["started"] for run in runs)[:10],
        "seconds": [round(each, 2) for each in seconds.values()],
        "arms": arms,
        "environment": {key: environment[key] for key in ("packages", "cpu", "device")},
        "config": config,
    }
    target.mkdir(parents=True, exist_ok=True)
    (target / FILE).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def figures(record: dict[str, Any]) -> list[str]:
    """Returns the means of a sweep's arms, the number of seeds, and the time of all runs of a seed."""
    parts = []
    for arm, measured in record["arms"].items():
        shown = []
        for metric, values in measured.items():
            shown.append(TOLD[metric].format(100 * statistics.mean(values)))
            if metric == "test/accuracy" and min(values) < max(values):
                shown[-1] += f" ({100 * min(values):.2f} – {100 * max(values):.2f})"
        parts.append(f"{arm}: {', '.join(shown)}")
    time = told_time(statistics.median(record["seconds"]))
    return ["; ".join(parts), str(len(record["seconds"])), f"{time}{A_SEED}"]


def told_time(seconds: float) -> str:
    """Returns seconds as the tables have them: `4.5 s`, from a minute on `2.3 min`."""
    return f"{seconds:.2g} s" if seconds < 60 else f"{seconds / 60:.1f} min"
