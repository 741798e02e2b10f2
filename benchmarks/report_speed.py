"""What a report and a list of many runs take: seconds from cold files and from warm ones, and peak memory.

python benchmarks/report_speed.py --runs 1000

One run of 100 epochs is trained, and its folder copied with other seeds, rates and results: 20 arms.
"""

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORDS = ["experiment=spiral_mlp", "data.points_per_class=300", "epochs=100", "optimizer=sgd", "optimizer.lr=0.1",
         "checkpoint.keep=metrics", "pictures=false", "threads=1"]  # fmt: skip
ARMS = 20
COMMANDS = ("report", "report --json", "list")


def main() -> None:
    """Prints the seconds of each command, and its memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "runs"
        make(folder, options.runs)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        print(f"{options.runs} runs, {ARMS} arms, {size / 2**20:.0f} MB")
        for command in COMMANDS:
            cool(folder)
            seconds = [timed([*command.split(), str(folder)]) for _ in range(3)]
            memory = max(megabytes for _, megabytes in seconds)
            cold, *warm = (each for each, _ in seconds)
            print(f"{command}: {cold:.1f} s cold, {min(warm):.1f} s warm, {memory:.0f} MB")


def make(folder: Path, num_runs: int) -> None:
    """Makes the run folders."""
    first = folder.parent / "first"
    command = [sys.executable, "-m", "dlexp", *WORDS, f"hydra.run.dir={first}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    entry = json.loads((first / "run.json").read_text(encoding="utf-8"))
    config = (first / "config.yaml").read_text(encoding="utf-8")
    draw = random.Random(0)
    for number in range(num_runs):
        seed, lr = number // ARMS, 0.001 * 1.5 ** (number % ARMS)
        run = folder / f"lr-{lr:.4g}_seed-{seed}"
        shutil.copytree(first, run)
        metrics = {key: min(1.0, value * draw.uniform(0.9, 1.0)) for key, value in entry["metrics"].items()}
        own = {"name": run.name, "seed": seed, "cell": f"{number:016x}", "metrics": metrics}
        own["overrides"] = [*entry["overrides"], f"optimizer.lr={lr:.4g}", f"seed={seed}"]
        (run / "run.json").write_text(json.dumps(entry | own, indent=2), encoding="utf-8")
        text = re.sub(r"(?m)^seed: .*", f"seed: {seed}", re.sub(r"(?m)^  lr: 0.1$", f"  lr: {lr:.4g}", config))
        (run / "config.yaml").write_text(text, encoding="utf-8")


def cool(folder: Path) -> None:
    """Lets the system forget the content of all files."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def timed(words: list[str]) -> tuple[float, float]:
    """Runs a command; returns its seconds, with the start of Python, and its peak memory in MB."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "dlexp", *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, words
    return time.perf_counter() - began, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
