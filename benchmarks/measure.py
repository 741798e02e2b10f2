"""Runs presets as written and keeps the slim records behind the figures of docs/results.md and docs/course.md.

python benchmarks/measure.py mnist_cnn lenet5 --seeds 3      # train, seeds 0, 1, 2; results to benchmarks/records
python benchmarks/measure.py spiral_relu_sgd                 # the same for a `record` of benchmarks/course.yaml
python benchmarks/measure.py few_data                        # a sweep, with the seeds that stand there
python benchmarks/measure.py --table                         # write both tables from the records
"""

import argparse
import json
import shlex
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import sweep_records
import yaml

HERE = Path(__file__).parent
RECORDS = HERE / "records"
RESULTS = HERE.parent / "docs" / "results.md"
COURSE = HERE.parent / "docs" / "course.md"
EXERCISES = HERE / "course.yaml"
PRESETS = HERE.parent / "conf" / "experiment"
REPORTED = ("test", "trained_on")  # the split whose figures a run ends in
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def main() -> None:
    """Measures the presets and exercises named, or writes the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    for preset in arguments.presets:
        if (exercise := exercise_of(preset)) and "by" in exercise:
            measure_sweep(preset, exercise)
            continue
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            measure(preset, seed)
    if arguments.table:
        write_results()
        write_between(COURSE, course_table())


def exercises() -> dict[str, list[dict[str, Any]]]:
    """Returns the exercises of the course by chapter, each with the name of its record, "" where it has none."""
    chapters: dict[str, list[dict[str, Any]]] = yaml.safe_load(EXERCISES.read_text(encoding="utf-8"))
    for exercise in (each for chapter in chapters.values() for each in chapter):
        preset = exercise["type"].removeprefix("experiment=")
        exercise.setdefault("record", preset if (PRESETS / f"{preset}.yaml").exists() else "")
    return chapters


def exercise_of(name: str) -> dict[str, Any] | None:
    """Returns the exercise that has this record."""
    return next((each for chapter in exercises().values() for each in chapter if each["record"] == name), None)


def typed(name: str) -> list[str]:
    """Returns the words of a preset or of the exercise that has this record; of a sweep those of its first job."""
    exercise = exercise_of(name)
    if exercise is not None and "by" in exercise:
        return sweep_records.first_job(exercise)
    if (PRESETS / f"{name}.yaml").exists():
        return [f"experiment={name}"]
    assert exercise is not None, f"no preset and no exercise has the record {name}"
    return shlex.split(exercise["type"])


def folder_for(name: str) -> Path:
    """Returns a folder below outputs/measure that is not there."""
    folder, number = Path("outputs") / "measure" / name, 1
    while folder.exists():
        number += 1
        folder = folder.with_name(f"{name}-{number}")
    return folder


def measure_sweep(name: str, exercise: dict[str, Any]) -> None:
    """Trains the sweep of an exercise and keeps its record."""
    folder = folder_for(name)
    words = [*sweep_records.typed_words(exercise), f"hydra.sweep.dir={folder}"]
    subprocess.run([sys.executable, "-m", "dlexp", *words], check=True)
    sweep_records.keep(folder, exercise, RECORDS / name)


def measure(preset: str, seed: int) -> None:
    """Trains one preset, or exercise, with one seed in a process of its own and keeps its slim record."""
    folder = folder_for(f"{preset}-seed-{seed}")
    command = [*typed(preset), f"seed={seed}", f"hydra.run.dir={folder}"]
    subprocess.run([sys.executable, "-m", "dlexp", *command], check=True)
    keep(folder, RECORDS / preset / f"seed-{seed}")


def keep(folder: Path, target: Path) -> None:
    """Copies what a figure rests on: config, run.json, environment, a line an evaluated epoch; no paths."""
    target.mkdir(parents=True, exist_ok=True)
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    config["data"]["root"] = None
    if config["data"].get("class_names") and len(config["data"]["class_names"]) > 10:
        config["data"]["class_names"] = None
    (target / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    run["overrides"] = [word for word in run["overrides"] if "root=" not in word and "dir=" not in word]
    (target / "run.json").write_text(json.dumps(run, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for name in ("environment.json", "results.json"):
        (target / name).write_text((folder / name).read_text(encoding="utf-8"), encoding="utf-8")
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if any(f'"{split}/loss"' in line for split in ("val", *REPORTED))]
    stride = max(1, len(wanted) // 50)
    kept = [line for i, line in enumerate(wanted) if i % stride == 0 or i == len(wanted) - 1]
    (target / "metrics.jsonl").write_text("\n".join(kept) + "\n", encoding="utf-8")


def write_results() -> None:
    """Rewrites the table of docs/results.md, and the line `# measured: …` of every measured preset."""
    rows = {name: row for name, row in measured().items() if (PRESETS / f"{name}.yaml").exists()}
    write_between(RESULTS, results_table())
    for name, (result, seeds, time, machine, date) in rows.items():
        time += "" if time.endswith(sweep_records.A_SEED) else " a run"
        header = f"# measured: {result}, seeds: {seeds}, {time}, {machine}, {date}"
        write_header(PRESETS / f"{name}.yaml", header)


def write_between(page: Path, lines: list[str]) -> None:
    """Puts the lines between the two markers of a page."""
    head, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text("\n".join([f"{head}{BEGIN}", *lines, f"{END}{tail}"]), encoding="utf-8")


def results_table() -> list[str]:
    """Returns the lines of the table of docs/results.md."""
    rows = [(name, row) for name, row in measured().items() if (PRESETS / f"{name}.yaml").exists()]
    lines = ["| preset | test result | seeds | time a run | machine | date |", "|---|---|---|---|---|---|"]
    return [*lines, *(f"| `{name}` | {' | '.join(row)} |" for name, row in rows)]


def course_table() -> list[str]:
    """Returns the lines of docs/course.md: a heading and a table for each chapter."""
    lines, rows = [], measured()
    for chapter, listed in exercises().items():
        lines += [f"## {chapter}", "", "| exercise | I type `python -m dlexp` and | result | the course | picture |"]
        lines += ["|---|---|---|---|---|"]
        for each in listed:
            result = each.get("result") or course_result(each["record"], rows)
            cells = [each["exercise"], f"`{each['type']}`", result, each.get("course", ""), each["picture"]]
            lines += [f"| {' | '.join(cells)} |"]
        lines += [""]
    return lines


def course_result(record: str, rows: dict[str, list[str]]) -> str:
    """Returns the figure of a record; without one the measured line of the preset of that name, if any."""
    file = PRESETS / f"{record}.yaml"
    if record in rows:
        result, seeds, *where = rows[record]
        told = f"{result}; {seeds} seed{'s' * (seeds != '1')}"
        return told if file.exists() else f"{told}; {', '.join(where)}"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    told = [line.removeprefix("# measured: ") for line in lines if line.startswith("# measured: ")]
    return told[0] if told else "not measured yet"


def measured() -> dict[str, list[str]]:
    """Returns the figures of all records by name."""
    return {folder.name: figures_of(folder) for folder in sorted(RECORDS.iterdir())}


def figures_of(folder: Path) -> list[str]:
    """Returns a record's result, number of seeds, time, machines and date."""
    if (sweep := folder / sweep_records.FILE).exists():
        record = json.loads(sweep.read_text(encoding="utf-8"))
        return [*sweep_records.figures(record), machine(record["environment"]), record["date"]]
    return figures([read(seed) for seed in sorted(folder.iterdir())])


def write_header(file: Path, header: str) -> None:
    """Puts the measured result under the preset's command, in place of an older one."""
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("# measured")]
    command = next(i for i, line in enumerate(lines) if line.startswith("# python -m dlexp"))
    file.write_text("\n".join([*lines[: command + 1], header, *lines[command + 1 :]]) + "\n", encoding="utf-8")


def read(folder: Path) -> dict[str, Any]:
    """Returns a record's run.json with its environment."""
    run: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    extra = {
        name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in ("environment", "results")
    }
    return run | extra


def figures(runs: list[dict[str, Any]]) -> list[str]:
    """Returns a preset's result (mean over seeds, smallest – largest), number of seeds, time, machines and date."""
    there = [f"{split}/{name}" for split in REPORTED for name in ("accuracy", "mse", "loss")]
    name = next(each for each in there if each in runs[0]["metrics"])
    values = [run["metrics"][name] for run in runs]
    if name.endswith("accuracy"):
        result = f"{100 * statistics.mean(values):.2f} %"
        ends = [f"{100 * end(values):.2f}" for end in (min, max)]
    else:
        form = ".2e" if max(values) < 1e-3 else ".4f"
        criterion = "mse" if name.endswith("mse") else runs[0]["choices"]["criterion"]
        measure = "mean squared error" if criterion == "mse" else f"loss ({criterion})"
        result = f"{measure} {statistics.mean(values):{form}}"
        ends = [f"{end(values):{form}}" for end in (min, max)]
    if len(set(ends)) > 1 and (name.endswith("accuracy") or max(values) >= 1e-3):
        result += f" ({' – '.join(ends)})"
    if not name.startswith("test"):
        result += " of the points trained on"
    for key, told in (
        (f"{REPORTED[0]}/robust_accuracy", "{} of attacked ones"),
        (f"{REPORTED[1]}/accuracy", "{} of those trained on"),
    ):
        if name == f"{REPORTED[0]}/accuracy" and key in runs[0]["metrics"]:
            result += "; " + told.format(f"{100 * statistics.mean(run['metrics'][key] for run in runs):.2f} %")
    learnt = runs[0]["results"].get("coefficients")
    if learnt:
        result += f"; seed 0: w = [{', '.join(f'{weight:.4f}' for weight in learnt['w'])}], b = {learnt['b']:.4f}"
        result += f", margin {learnt['margin']:.4g}" if "margin" in learnt else ""
    seconds = statistics.median(run["seconds"] for run in runs)
    time = sweep_records.told_time(seconds)
    machines = " and ".join(dict.fromkeys(machine(run["environment"]) for run in runs))
    return [result, str(len(runs)), time, machines, max(run["ended"] for run in runs)[:10]]


def machine(environment: dict[str, Any]) -> str:
    """Returns what a run was on: processor, threads, precision and torch."""
    device = environment["device"]
    name = device["gpu"] or f"{environment['cpu']['name']}, {device['threads']} thread{'s' * (device['threads'] != 1)}"
    return f"{name}, {device['precision']}, torch {environment['packages']['torch'].partition('+')[0]}"


if __name__ == "__main__":
    main()
