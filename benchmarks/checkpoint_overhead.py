"""What saving a state after every epoch costs cifar10_vgg_512: pairs of runs with and without, in turns.

python benchmarks/checkpoint_overhead.py --pairs 3

Epochs of 2,000 training images stand for those of 45,000, so that a save weighs 22 times as much as in the real run.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

TRAINED, ALL = 2000, 45_000
EPOCHS = 3
WORDS = ["experiment=cifar10_vgg_512", f"data.limit={TRAINED}", f"epochs={EPOCHS}", "data.val_size=0", "test=false",
         "pictures=false", "batch_size=200", "checkpoint.every_minutes=null"]  # fmt: skip


def main() -> None:
    """Prints the seconds an epoch takes with and without, the difference, and its share of a real epoch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3)
    pairs = parser.parse_args().pairs
    seconds: dict[str, list[float]] = {"without": [], "with": []}
    for _ in range(pairs):
        seconds["without"].append(seconds_per_epoch([]))
        seconds["with"].append(seconds_per_epoch(["checkpoint.every_epochs=1"]))
        print("  ".join(f"{name} {values[-1]:.2f} s an epoch" for name, values in seconds.items()), flush=True)
    without, with_it = (statistics.median(values) for values in seconds.values())
    cost = statistics.median(b - a for a, b in zip(seconds["without"], seconds["with"], strict=True))
    share = cost / (without * ALL / TRAINED)
    print(f"medians of {pairs}: {without:.2f} s without, {with_it:.2f} s with; a save costs {cost:.2f} s,")
    print(f"which is {100 * share:.2f} % of an epoch of all {ALL:,} images")


def seconds_per_epoch(words: list[str]) -> float:
    """Trains in a process of its own; returns the seconds of an epoch after the first."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        command = [sys.executable, "-m", "dlexp", *WORDS, *words, f"hydra.run.dir={folder}"]
        done = subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        assert done.returncode == 0
        return ends(folder) / (EPOCHS - 1)


def ends(folder: Path) -> float:
    """Returns the seconds from the end of the first epoch to that of the last, as TensorBoard's events tell them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert (
        sum(json.loads(line)["kind"] == "epoch" for line in (folder / "metrics.jsonl").open(encoding="utf-8")) == EPOCHS
    )
    points = EventAccumulator(str(folder)).Reload().Scalars("curves/train/loss")
    return float(points[-1].wall_time - points[0].wall_time)


if __name__ == "__main__":
    main()
