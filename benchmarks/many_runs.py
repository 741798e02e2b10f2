"""How long `list` takes over many runs, from cold files and from warm ones: `python benchmarks/many_runs.py [RUNS]`,
1,000 by default.

The runs are made in a temporary folder, ten sweeps of settings that all differ, so that no two configs are one text.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from made_runs import made_run  # noqa: E402
from report_speed import cool  # noqa: E402

COMMANDS = (["list"], ["list", "--where", "model.width=9"], ["list", "--sort", "val/loss"], ["list", "--json"])


def main(num_runs: int) -> None:
    """Prints the seconds of each command, cold and the best of three warm ones, the start of Python included."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(num_runs):
            settings = {"optimizer.lr": 0.001 * (number + 1), "model.width": 8 + number % 50}
            place = Path(folder) / "outputs" / f"sweep-{number % 10}" / f"run-{number}"
            made_run(place, 0.5 + number / 3 / num_runs, seed=number % 3, settings=settings)
        for words in COMMANDS:
            seconds = []
            cool(Path(folder))
            for _ in range(4):
                began = time.perf_counter()
                run = [sys.executable, "-m", "dlexp", *words]
                subprocess.run(run, cwd=folder, env={"PYTHONPATH": str(ROOT)}, check=True, stdout=subprocess.DEVNULL)
                seconds.append(time.perf_counter() - began)
            cold, *warm = seconds
            print(f"{' '.join(words):30} {cold:.2f} s cold, {min(warm):.2f} s warm for {num_runs:,} runs")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
