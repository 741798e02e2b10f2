"""Runs presets as written and keeps the slim records behind the figures of docs/results.md.

python benchmarks/measure.py mnist_cnn lenet5 --seeds 3      # train, seeds 0, 1, 2; results to benchmarks/records
python benchmarks/measure.py --table                         # write that table from the records
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
RECORDS = HERE / "records"
RESULTS = HERE.parent / "docs" / "results.md"
PRESETS = HERE.parent / "conf" / "experiment"
REPORTED = ("test", "trained_on")  # the split whose figures a run ends in
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def main() -> None:
    """Measures the presets named, or writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    for preset in arguments.presets:
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            measure(preset, seed)
    if arguments.table:
        write_table()


def measure(preset: str, seed: int) -> None:
    """Trains one preset with one seed in a process of its own and keeps its slim record."""
    folder = Path("outputs") / "measure" / f"{preset}-seed-{seed}"
    number = 1
    while folder.exists():
        number += 1
        folder = folder.with_name(f"{preset}-seed-{seed}-{number}")
    command = [f"experiment={preset}", f"seed={seed}", f"hydra.run.dir={folder}"]
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


def write_table() -> None:
    """Rewrites docs/results.md between the two markers, and the line `# measured: …` of every measured preset."""
    rows = {
        preset.name: figures([read(seed) for seed in sorted(preset.iterdir())]) for preset in sorted(RECORDS.iterdir())
    }
    lines = ["| preset | test result | seeds | minutes a run | machine | date |", "|---|---|---|---|---|---|"]
    lines += [f"| `{name}` | {' | '.join(row)} |" for name, row in rows.items()]
    head, _, rest = RESULTS.read_text(encoding="utf-8").partition(BEGIN)
    _, _, tail = rest.partition(END)
    RESULTS.write_text("\n".join([f"{head}{BEGIN}", *lines, f"{END}{tail}"]), encoding="utf-8")
    for name, (result, seeds, minutes, machine, date) in rows.items():
        header = f"# measured: {result}, seeds: {seeds}, {minutes} min a run, {machine}, {date}"
        write_header(PRESETS / f"{name}.yaml", header)


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
    """Returns a preset's result (mean over seeds, smallest – largest), number of seeds, minutes, machine and date."""
    there = [f"{split}/{name}" for split in REPORTED for name in ("accuracy", "mse", "loss")]
    name = next(each for each in there if each in runs[0]["metrics"])
    values = [run["metrics"][name] for run in runs]
    if name.endswith("accuracy"):
        result = f"{100 * statistics.mean(values):.2f} %"
        ends = [f"{100 * end(values):.2f}" for end in (min, max)]
    else:
        form = ".2e" if max(values) < 1e-3 else ".4f"
        result, ends = (
            f"mean squared error {statistics.mean(values):{form}}",
            [f"{end(values):{form}}" for end in (min, max)],
        )
    if len(set(ends)) > 1 and (name.endswith("accuracy") or max(values) >= 1e-3):
        result += f" ({' – '.join(ends)})"
    if not name.startswith("test"):
        result += " of the points trained on"
    learnt = runs[0]["results"].get("coefficients")
    if learnt:
        result += f"; seed 0: w = [{', '.join(f'{weight:.4f}' for weight in learnt['w'])}], b = {learnt['b']:.4f}"
    minutes = statistics.median(run["seconds"] for run in runs) / 60
    first = runs[0]["environment"]
    device = first["device"]
    machine = device["gpu"] or f"{first['cpu']['name']}, {device['threads']} thread{'s' * (device['threads'] != 1)}"
    machine += f", {device['precision']}, torch {first['packages']['torch'].partition('+')[0]}"
    return [result, str(len(runs)), f"{minutes:.1f}", machine, max(run["ended"] for run in runs)[:10]]


if __name__ == "__main__":
    main()
