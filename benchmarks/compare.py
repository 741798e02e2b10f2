"""dlexp beside its neighbours: the same work on the same machine, one after the other, in turns.

python benchmarks/compare.py mlp vgg airbench start sweep busy spiral many [--rounds 9] [--threads 2]

Each work runs its contenders once a round, each in a process of its own, and prints medians, and the median over the
rounds of each one's ratio to the first. Run it on an idle machine, with DLEXP_DATA set; Lightning and timm take part
where they are installed. `airbench` in full takes hours a round on a CPU: `--images 4000` has all its epochs, of fewer.
"""

import argparse
import datetime
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
CONTENDERS = HERE / "contenders"
NETWORK = ["data=mnist", "model.depth=3", "model.width=[64,128,64]", "model.dropout=0", "optimizer=adam",
           "optimizer.weight_decay=0", "scheduler=constant", "batch_size=128", "pictures=false"]  # fmt: skip
CNN = ["data=mnist", "model=cnn", "optimizer=adam", "augment=none", "batch_size=128", "pictures=false"]
VGG = ["data=cifar10", "model=vgg16", "optimizer=sgd", "optimizer.lr=0.02", "scheduler=constant", "batch_size=128",
       "augment=crop_flip", "data.val_size=0", "pictures=false"]  # fmt: skip
# The port's recipe: the preset without what it adds.
ORIGINAL = ["experiment=cifar10_94", "epochs=8", "augment=crop_alternating_flip", "augment.color_jitter=null",
            "augment.growing=null", "optimizer.parts.whitening.until=0.375"]  # fmt: skip
# As the course has it: full batch, and what is trained on is what is told.
SPIRAL = ["experiment=spiral_mlp", "data.val_size=0", "threads=1"]
PLAIN = [*SPIRAL, "pictures=false"]
RATES = [round(1e-4 * 1.4**i, 6) for i in range(16)]


@dataclass
class Contender:
    """One side: what it is called, its command, and how its figures are read from the finished process's output."""

    name: str
    command: list[str]
    read: Callable[[str, Path, float], dict[str, float]]
    busy: int = 0  # processes that run beside it
    base: str | None = None  # the side that its ratio is to; None: the first one


def printed(output: str, folder: Path, seconds: float) -> dict[str, float]:
    """Returns the figures that a contender of ours prints as its last line."""
    return dict(json.loads(output.strip().splitlines()[-1]))


def recorded(output: str, folder: Path, seconds: float) -> dict[str, float]:
    """Returns the figures of a run of dlexp, from its record: of the median epoch after the first, as the others do."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    epochs = [row for row in rows if row["kind"] == "epoch"]
    steps = epochs[0]["step"]
    later = sorted(row["time/train"] for row in epochs[1:] or epochs)
    result = {"steps": steps / later[len(later) // 2], "seconds": sum(row["time/train"] for row in epochs)}
    result["images"] = statistics.median(row["time/samples_per_second"] for row in epochs[1:] or epochs)
    tests = [row["test/accuracy"] for row in rows if "test/accuracy" in row]
    return result | ({"accuracy": tests[-1]} if tests else {})


def steps_of_run(output: str, folder: Path, seconds: float) -> dict[str, float]:
    """Returns optimizer steps a second of a run."""
    found = recorded(output, folder, seconds)
    return {"rate": found["steps"], **found}


def images_of_run(output: str, folder: Path, seconds: float) -> dict[str, float]:
    """Returns images a second of a run."""
    found = recorded(output, folder, seconds)
    return {"rate": found["images"], **found}


def seconds_of_run(output: str, folder: Path, seconds: float) -> dict[str, float]:
    """Returns the seconds of training of a run, all epochs together."""
    found = recorded(output, folder, seconds)
    return {**found, "rate": found["seconds"]}


def seconds_of_script(output: str, folder: Path, seconds: float) -> dict[str, float]:
    """Returns the seconds of training of one of our contenders, all epochs together."""
    found = printed(output, folder, seconds)
    return {**found, "rate": found["seconds"]}


def wall(output: str, folder: Path, seconds: float) -> dict[str, float]:
    """Returns the seconds from start to exit."""
    return {"rate": seconds}


def dlexp(*words: str) -> list[str]:
    """Returns a command line of dlexp; FOLDER in it becomes the run folder."""
    return [sys.executable, "-m", "dlexp", *words]


def script(name: str, *words: str) -> list[str]:
    """Returns the command line of one of our contenders."""
    return [sys.executable, str(CONTENDERS / f"{name}.py"), *words]


def has(package: str) -> bool:
    """Returns whether a neighbour is installed here."""
    return importlib.util.find_spec(package) is not None


def mlp(args: argparse.Namespace) -> list[Contender]:
    """(a) steps/s of the MNIST MLP."""
    common = ["--threads", str(args.threads), "--epochs", "4"]
    words = [*NETWORK, "optimizer.lr=0.001", "data.val_size=0", "epochs=4", f"threads={args.threads}"]
    words.append("hydra.run.dir=FOLDER")
    sides = [
        Contender("bare loop", script("bare_mlp", *common), printed),
        Contender("bare loop, denormals are zero", script("bare_mlp", *common, "--flush"), printed),
        Contender("dlexp", dlexp(*words), steps_of_run),
        Contender("dlexp compile=true", dlexp(*words, "compile=true"), steps_of_run),
    ]
    if has("lightning"):
        sides.append(Contender("Lightning, ready tensors", script("lightning_mlp", *common, "--ready"), printed))
        few = ["--threads", str(args.threads), "--epochs", "2"]
        sides.append(Contender("Lightning, DataLoader", script("lightning_mlp", *few), printed))
    return sides


def vgg(args: argparse.Namespace) -> list[Contender]:
    """(b) images/s of VGG16 with batch norm."""
    common = ["--threads", str(args.threads), "--steps", str(args.steps), "--precision", args.precision]
    words = [*VGG, f"data.limit={128 * args.steps}", "epochs=3", f"threads={args.threads}", "hydra.run.dir=FOLDER"]
    sides = [
        Contender("bare loop", script("bare_vgg", *common), printed),
        Contender("dlexp", dlexp(*words, f"precision={args.precision}"), images_of_run),
    ]
    if has("lightning"):
        sides.append(Contender("Lightning, best settings", script("lightning_vgg", *common, "--best"), printed))
        sides.append(Contender("Lightning, defaults", script("lightning_vgg", *common[:4]), printed))
    if has("timm"):
        sides.append(Contender("timm, best settings", script("timm_vgg", *common, "--best"), printed))
        sides.append(Contender("timm, defaults", script("timm_vgg", *common[:4]), printed))
    return sides


def airbench(args: argparse.Namespace) -> list[Contender]:
    """(c) seconds of training from the first to the last step: the port's eight epochs, the same in dlexp (the engine's
    part), and our preset (the recipe's)."""
    common = ["--threads", str(args.threads), "--precision", args.precision, "--seed", "ROUND"]
    common += ["--limit", str(args.images)]
    words = [f"threads={args.threads}", f"precision={args.precision}", f"data.limit={args.images}",
             "pictures=false", "seed=ROUND", "hydra.run.dir=FOLDER"]  # fmt: skip
    return [
        Contender("airbench94_muon, our port", script("airbench94", *common), seconds_of_script),
        Contender("… with dlexp's allocator setting", script("airbench94", *common, "--allocator"), seconds_of_script),
        Contender("dlexp, the same recipe", dlexp(*ORIGINAL, *words), seconds_of_run),
        Contender("dlexp experiment=cifar10_94", dlexp("experiment=cifar10_94", *words), seconds_of_run),
    ]


def start(args: argparse.Namespace) -> list[Contender]:
    """(d) seconds from the command to its exit."""
    words = dlexp("hydra.run.dir=FOLDER")
    return [
        Contender("import torch", [sys.executable, "-c", "import torch"], wall),
        Contender("python -m dlexp", words, wall),
        Contender("python -m dlexp, two busy processes beside it", words, wall, busy=2),
    ]


def sweep(args: argparse.Namespace) -> list[Contender]:
    """(e) seconds of a sweep over 16 learning rates."""
    rates = "optimizer.lr=" + ",".join(map(str, RATES))
    words = ["-m", rates, *NETWORK, "epochs=1", "data.val_size=6000", "hydra.sweep.dir=FOLDER"]
    one, two = dlexp(*words, f"threads={args.threads}"), dlexp(*words, "n_jobs=2")
    return [
        Contender(
            "one import, 16 bare loops",
            script("bare_sweep", "--threads", str(args.threads), "--rates", *map(str, RATES)),
            wall,
        ),  # fmt: skip
        Contender("dlexp -m, n_jobs=1", one, wall),
        Contender("dlexp -m, n_jobs=2", two, wall),
    ]


def busy(args: argparse.Namespace) -> list[Contender]:
    """(f) seconds of training beside two busy processes: with one thread, as dlexp chooses, and with libgomp's own wait
    of idle threads; the last two also without the processes. The default is to take at most 1.5 times as long."""
    ends = ["test=false", "data.val_size=0", "hydra.run.dir=FOLDER"]
    nets = {"cnn": [*CNN, "data.limit=3200", "epochs=3", *ends], "mlp": [*NETWORK, "epochs=3", *ends]}
    sides = []
    for net, words in nets.items():
        one, alone = f"{net}, threads=1", f"{net} alone, libgomp's wait"
        default, libgomps = dlexp(*words), ["env", "GOMP_SPINCOUNT=300000", *dlexp(*words)]
        sides += [
            Contender(one, [*default, "threads=1"], seconds_of_run, busy=2, base=one),
            Contender(f"{net}, default", default, seconds_of_run, busy=2, base=one),
            Contender(f"{net}, libgomp's wait", libgomps, seconds_of_run, busy=2, base=one),
            Contender(alone, libgomps, seconds_of_run, base=alone),
            Contender(f"{net} alone, default", default, seconds_of_run, base=alone),
        ]
    return sides


def spiral(args: argparse.Namespace) -> list[Contender]:
    """(g) seconds of 1,000 full-batch steps on the spiral: the loop (steps, loss and accuracy of each, records), and
    the whole command, with its own bare script as the base."""
    whole = "bare script, from start to exit"
    return [
        Contender("bare loop", script("bare_spiral"), printed),
        Contender("bare loop, allocator and denormals set", script("bare_spiral", "--tuned"), printed),
        Contender("dlexp, the loop", script("timed_dlexp", *PLAIN, "hydra.run.dir=FOLDER"), printed),
        Contender(whole, script("bare_spiral"), wall, base=whole),
        Contender("dlexp, no pictures", dlexp(*PLAIN, "hydra.run.dir=FOLDER"), wall, base=whole),
        Contender("dlexp, pictures", dlexp(*SPIRAL, "hydra.run.dir=FOLDER"), wall, base=whole),
    ]


def many(args: argparse.Namespace) -> list[Contender]:
    """(h) seconds of such runs with `--runs` seeds, from the start to the exit: one process, and a sweep."""
    words = ["-m", *SPIRAL, f"seed=range({args.runs})", "hydra.sweep.dir=FOLDER"]
    plain = [*words, "pictures=false"]
    return [
        Contender("one process, bare loops", script("bare_spiral", "--runs", str(args.runs)), wall),
        Contender("dlexp -m, n_jobs=1, no pictures", dlexp(*plain), wall),
        Contender("dlexp -m, n_jobs=2, no pictures", dlexp(*plain, "n_jobs=2"), wall),
        Contender("dlexp -m, n_jobs=1, pictures", dlexp(*words), wall),
        Contender("dlexp -m, n_jobs=2, pictures", dlexp(*words, "n_jobs=2"), wall),
    ]


WORKS = {work.__name__: work for work in (mlp, vgg, airbench, start, sweep, busy, spiral, many)}
UNITS = {"mlp": "steps/s", "vgg": "images/s"}  # of the others: seconds


def run(contender: Contender, number: int) -> dict[str, float]:
    """Runs a contender once, alone but for the busy processes it wants; returns its figures and its peak memory."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        command = [word.replace("FOLDER", str(folder)).replace("ROUND", str(number)) for word in contender.command]
        environment = {**os.environ, "BENCHMARK_FOLDER": place, "PYTHONPATH": str(HERE.parent)}
        beside = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(contender.busy)]
        started = time.perf_counter()
        with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
            try:
                process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=place, env=environment)
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                seconds = time.perf_counter() - started
            finally:
                for other in beside:
                    other.kill()
                    other.wait()
            output.seek(0)
            text = output.read()
        if process.returncode:
            raise SystemExit(f"{contender.name} failed:\n{text[-3000:]}")
        return contender.read(text, folder, seconds) | {"memory": usage.ru_maxrss / 1024}


def main() -> None:
    """Runs the works asked for, and prints a table of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("works", nargs="+", choices=WORKS)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--steps", type=int, default=10, help="steps an epoch of vgg")
    parser.add_argument("--images", type=int, default=50_000, help="training images of airbench")
    parser.add_argument("--runs", type=int, default=40, help="seeds of many")
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"], help="of vgg and airbench")
    parser.add_argument("--only", nargs="*", help="contenders whose names contain one of these")
    args = parser.parse_args()
    print(f"{datetime.date.today()}, {cpu()}, {args.threads} threads, {versions()}")
    for name in args.works:
        sides = [side for side in WORKS[name](args) if not args.only or any(word in side.name for word in args.only)]
        found: dict[str, list[dict[str, float]]] = {side.name: [] for side in sides}
        for number in range(args.rounds):
            for side in sides:
                found[side.name].append(run(side, number))
            rates = ", ".join(f"{rows[-1]['rate']:.4g}" for rows in found.values())
            print(f"{name} {number + 1}/{args.rounds}: {rates}", file=sys.stderr, flush=True)
        bases = {side.name: side.base if side.base in found else sides[0].name for side in sides}
        print(table(name, found, bases), flush=True)


def table(name: str, found: dict[str, list[dict[str, float]]], bases: dict[str, str]) -> str:
    """Returns medians of all contenders, with the median ratio of each to its base, in Markdown."""
    against = " / ".join(dict.fromkeys(bases.values()))
    head = f"| {name} | {UNITS.get(name, 'seconds')} | to {against} | peak memory, MB | accuracy |"
    lines = [f"\n{head}", "|---|---|---|---|---|"]
    for side, rows in found.items():
        ratios = sorted(row["rate"] / base["rate"] for row, base in zip(rows, found[bases[side]], strict=True))
        ratio = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} – {ratios[-1]:.2f})"
        accuracies = [row["accuracy"] for row in rows if "accuracy" in row]
        accuracy = f"{100 * statistics.mean(accuracies):.2f} %" if accuracies else "-"
        rate = statistics.median(row["rate"] for row in rows)
        memory = statistics.median(row["memory"] for row in rows)
        lines.append(f"| {side} | {rate:.4g} | {ratio} | {memory:.0f} | {accuracy} |")
    return "\n".join([*lines, f"\nmedians of {len(rows)} rounds in turns"])


def cpu() -> str:
    """Returns the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))


def versions() -> str:
    """Returns the versions of what takes part."""
    packages = [name for name in ("torch", "torchvision", "lightning", "timm") if has(name)]
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)


if __name__ == "__main__":
    main()
