"""`find lr` and `find batch_size`: what they find, that it is honest, and what they leave behind."""

import csv
import json
import math
import multiprocessing
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from dlexp import api
from dlexp.augment.growing import Growing
from dlexp.commands import find
from dlexp.config.compose import compose
from dlexp.errors import UserError
from dlexp.experiment.assemble import assemble
from dlexp.find import batch_size, lr, trial
from dlexp.find.curve import read
from dlexp.find.trial import Trial
from dlexp.schedules.exponential import exponential

SPIRAL = ["data.points_per_class=200", "batch_size=32", "threads=1", "device=cpu"]
IMAGES = [
    "data=fake",
    "data.shape=[3,12,12]",
    "data.num_samples=96",
    "model=cnn",
    "model.widths=[4,8]",
    "batch_size=16",
]
FAST = ["--steps", "60"]


def valley(num_steps: int = 200, scatter: float = 0.0, seed: int = 0) -> np.ndarray:
    """A curve as range tests show: a plateau at 2.3, a fall that is steepest at 60 %, a rise from 80 % on."""
    part = np.linspace(0, 1, num_steps)
    curve = 2.3 - 1.5 / (1 + np.exp(-40 * (part - 0.6))) + 40 * np.maximum(0, part - 0.8) ** 2
    return curve + scatter * np.random.default_rng(seed).normal(size=num_steps)


@pytest.mark.parametrize("scatter", [0.0, 0.1, 0.3])
def test_a_valley_is_read(scatter: float) -> None:
    reading = read(list(valley(scatter=scatter)))
    assert reading.descends and abs(reading.steepest - 120) <= 12 and 130 <= reading.lowest <= 170
    assert not reading.ends_falling and not reading.begins_falling
    assert reading.scatter == pytest.approx(scatter, rel=0.4, abs=0.01) and reading.beginning == pytest.approx(
        2.3, abs=0.3
    )


def test_outliers_and_divergence_do_not_move_it() -> None:
    losses = valley(scatter=0.05)
    losses[[20, 50, 90]] = [60.0, 1e6, 0.0]
    losses[190:] = 1e30
    assert abs(read(list(losses)).steepest - 120) <= 12


@pytest.mark.parametrize("seed", range(8))
def test_noise_has_no_descent(seed: int) -> None:
    noise = np.random.default_rng(seed)
    assert not read(list(2.3 + 0.2 * noise.normal(size=200))).descends
    assert not read(list(3.0 * noise.chisquare(4, size=200))).descends, "what a regression with small batches shows"
    assert not read([2.3] * 200).descends
    assert not read(list(np.linspace(2.3, 2.25, 200))).descends, "first weights that come to a guess"


def test_ends_of_the_range_are_told() -> None:
    assert read(list(valley()[:125])).ends_falling
    assert read(list(valley()[122:])).begins_falling


def test_the_exponential_schedule() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    schedule = exponential(optimizer, 5, initial=0.01, final=100.0)
    rates = []
    for _ in range(5):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0.005, 0.05, 0.5, 5.0, 50.0])


def test_a_learning_rate_is_found(cli, workdir: Path) -> None:
    ended = cli("find", "lr", *SPIRAL)
    assert ended.code == 0 and ended.err == "", ended
    folder = workdir / "outputs" / "find-lr-mlp-spiral"
    assert [path.name for path in (workdir / "outputs").iterdir()] == [folder.name]
    assert {path.name for path in folder.iterdir()} == {"lr.png", "results.json", "curve.csv"}
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    suggested = found["suggestion"]["optimizer.lr"]
    assert found["descends"] and 0.001 < suggested < 1 and found["overrides"] == SPIRAL
    assert ended.out.splitlines()[0].split()[0] == f"optimizer.lr={suggested:g}"
    assert suggested == pytest.approx(found["steepest_lr"], rel=0.05) and found["steepest_lr"] < found["lowest_lr"]
    with (folder / "curve.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == found["steps"] and all(math.isfinite(float(row["loss"])) for row in rows)
    rates = [float(row["lr"]) for row in rows]
    ratios = [after / before for before, after in zip(rates, rates[1:], strict=False)]
    assert rates[0] == found["low"] and ratios == pytest.approx([ratios[0]] * len(ratios))
    assert (folder / "lr.png").read_bytes().startswith(b"\x89PNG")

    curve = (folder / "curve.csv").read_bytes()
    assert cli("find", "lr", *SPIRAL).code == 0
    assert (workdir / "outputs" / "find-lr-mlp-spiral-2" / "curve.csv").read_bytes() == curve, "the same numbers again"


def test_the_range_test_is_the_run_itself(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first loss is the run's, whatever augments, accumulates, clips or averages; the test set stays untouched."""
    rich = [*IMAGES, "augment=crop_flip", "accumulate=2", "grad_clip=1", "ema=ema", "optimizer=adam", "seed=3"]
    run = api.run([*rich, "max_steps=1", "log_steps=1", "pictures=false", "scheduler=constant"], folder="run")
    monkeypatch.setattr("dlexp.train.evaluate.evaluate", lambda *_: pytest.fail("an evaluation"))
    low = 0.5 * compose(rich).config["optimizer"]["lr"]
    finding = lr.range_test(compose(rich), 30, low, 100 * low)
    assert finding.losses[0] == run.history[0]["train/loss"]
    assert finding.rates[0] == pytest.approx(low) and finding.rates[-1] == pytest.approx(100 * low)


@pytest.mark.parametrize(
    "words",
    [
        ["experiment=linear_regression"],
        [*SPIRAL, "precision=bfloat16"],
        [*SPIRAL, "overfit_batches=2"],
        [*SPIRAL, "optimizer=adagrad"],
    ],
    ids=" ".join,
)
def test_any_experiment_can_be_tested(cli, words: list[str]) -> None:
    ended = cli("find", "lr", *words, *FAST)
    assert ended.code == 0 and "optimizer.lr=" in ended.out and "no suggestion" not in ended.out, ended


def test_all_learning_rates_of_an_optimizer_grow_together(cli) -> None:
    ended = cli("find", "lr", *IMAGES, "optimizer=muon", *FAST)
    first = dict(word.split("=") for word in ended.out.split()[:2])
    ratio = float(first["optimizer.parts.others.lr"]) / float(first["optimizer.lr"])
    assert ratio == pytest.approx(0.1 / 0.06, rel=0.1), ended.out
    assert "optimizer.parts.filters.lr" not in ended.out, "it follows optimizer.lr"


def test_parts_of_the_run_that_parts_of_an_optimizer_have_do_not_count(workdir: Path, monkeypatch) -> None:
    runs = []
    monkeypatch.setattr(lr, "assemble", lambda cfg: runs.append(assemble(cfg)) or runs[-1])
    composed = compose(
        ["experiment=cifar10_94", *IMAGES[:3], "augment.growing=null", "model.widths=[4,8]", "batch_size=16"]
    )
    lr.range_test(composed, steps=30, low=None, high=None)
    groups = runs[0].state.optimizer.param_groups
    assert len(groups) == 4 and len({round(group["lr"] / group["initial_lr"], 9) for group in groups}) == 1


class InThisProcess:
    """Stands for the way children start: this one computes when it is started, here."""

    Pipe = staticmethod(multiprocessing.Pipe)
    exitcode = 0

    def __init__(self, target: Any, args: tuple[Any, ...]) -> None:
        self.target, self.args = target, args
        self.sentinel, self.other_end = multiprocessing.Pipe()

    @classmethod
    def Process(cls, target: Any, args: tuple[Any, ...]) -> "InThisProcess":
        return cls(target, args)

    def start(self) -> None:
        self.target(*self.args)

    def join(self) -> None: ...

    def terminate(self) -> None: ...


def test_batch_sizes_are_tried_on_grown_images(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    epochs: set[int] = set()
    grow = Growing.__call__
    monkeypatch.setattr(
        Growing, "__call__", lambda each, images, draw: epochs.add(draw.epoch) or grow(each, images, draw)
    )
    for name in ("take_environment", "live_with_parent", "limit_memory"):
        monkeypatch.setattr(trial, name, lambda *arguments: None)
    config = compose([*IMAGES, "augment=growing", "augment.growing.sizes=[8]", "epochs=4"]).config
    monkeypatch.setattr(trial, "children_context", lambda preload: InThisProcess)
    assert isinstance(trial.attempt(config, 16, None), Trial) and min(epochs) == 3


def test_a_moment_in_which_the_machine_is_busy_does_not_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    now, ticks = [0.0], iter([0.1] * 3 + [0.1] * 9 + [30.0] + [0.1] * 20)
    state = SimpleNamespace(method=SimpleNamespace(whole=False), step=0, epoch=0, batch=0)

    def fit(state: Any, train: Any, plan: Any, is_due: Any) -> Iterator[dict[str, str]]:
        for tick in ticks:
            now[0] += tick
            state.step, state.batch = state.step + 1, state.batch + 1
            if is_due(state):
                yield {"kind": "save"}

    class Train(list[int]):
        batch_size = 10

    monkeypatch.setattr("dlexp.train.fit.fit", fit)
    monkeypatch.setattr(trial, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    plan, facts = SimpleNamespace(device=torch.device("cpu")), {"sizes": {"train": 1000}}
    run = SimpleNamespace(state=state, train=Train(range(100)), plan=plan, data_facts=facts)
    assert trial.measured(run).samples_per_second == pytest.approx(100)


def test_no_descent_is_said(cli, workdir: Path) -> None:
    ended = cli("find", "lr", *SPIRAL, *FAST, "--low", "1e-9", "--high", "1e-7")
    assert ended.code == 1 and "no suggestion: no learning rate between 1e-09 and 1e-07" in ended.out, ended
    results = workdir / "outputs" / "find-lr-mlp-spiral" / "results.json"
    found = json.loads(results.read_text(encoding="utf-8"))
    assert found["suggestion"] is None and not found["descends"] and found["ended"] == "range"


def test_a_range_that_ends_too_early_is_said(cli) -> None:
    ended = cli("find", "lr", *SPIRAL, *FAST, "--low", "1e-4", "--high", "0.03")
    assert ended.code == 0 and "it still falls at the largest rate tried: --high" in ended.out, ended


@pytest.mark.parametrize(
    "words, pieces",
    [
        ([], ["find takes lr or batch_size"]),
        (["rate"], ["can't find 'rate'", "lr or batch_size"]),
        (["lr", "model=vgg61"], ["no model 'vgg61'", "'vgg16'?"]),
        (["lr", "epochs=0", "seed=x"], ["2 things are wrong"]),
        (["lr", "--steps", "0"], ["--steps", "'0' must be a whole number above 0"]),
        (["lr", "--stepps", "5"], ["--stepps is no flag", "did you mean --steps?"]),
        (["lr", "-m", "seed=0,1"], ["-m starts a sweep", "find lr is typed without it"]),
        (["lr", "--steps", "10"], ["--steps 10 is too few", "at least 20"]),
        (["lr", "--low", "3", "--high", "2"], ["--low 3", "--high 2", "no range"]),
        (["lr", "--low", "1e6", "--high", "1e9"], ["too few to read", "--low begins lower"]),
        (["lr", "--config-dir", "nowhere"], ["nowhere", "no such folder"]),
        (["lr", "recipe=cnn/mnist"], ["recipe"]),
        (["lr", "model=null"], ["model=null"]),
        (["batch_size", "model=lenet"], ["model lenet needs images"]),
        (["batch_size", "--seconds", "no"], ["--seconds", "above 0"]),
    ],
    ids=lambda each: " ".join(each),
)
def test_mistakes(cli, workdir: Path, words: list[str], pieces: list[str]) -> None:
    ended = cli("find", *words)
    assert ended.code == 1 and "Traceback" not in ended.out + ended.err, ended
    assert ended.err.startswith("error: ") and all(piece in ended.err for piece in pieces), ended.err
    assert not list(workdir.iterdir()), "nothing is left behind"


def test_help_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert find.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert "--steps" in text and "--seconds" in text and "dlexp find lr" in text


def test_a_failed_write_leaves_no_folder(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    finding = lr.range_test(compose(SPIRAL), 30, None, None)
    monkeypatch.setattr(Path, "write_bytes", full)  # of the picture, the last of three files
    with pytest.raises(OSError, match="No space"):
        lr.write(finding, Path("outputs"), "x", [])
    assert not list(Path("outputs").iterdir())


def test_own_modules_work(cli, workdir: Path) -> None:
    text = "from torch import nn\n\n\ndef net(*, shape, num_outputs):\n    return nn.Linear(shape[0], num_outputs)\n"
    (workdir / "mine_found.py").write_text(text, encoding="utf-8")
    words = ["model=linear", "~model.bias", "model._target_=mine_found.net", "optimizer.lr=0.01"]
    ended = cli("find", "lr", "allow=mine_found", *words, *FAST)
    assert "picture and numbers" in ended.out, ended


def pretended(limit: int, num_samples: int = 10_000):
    """An attempt as a machine would answer that holds `limit` samples and is fastest from 256 on."""
    tried = []

    def attempt(size: int) -> Trial | None:
        tried.append(size)
        size = min(size, num_samples)
        return Trial(size, num_samples, 10**6 * size, min(1000.0, 4.0 * size)) if size <= limit else None

    return attempt, tried


def test_the_search_doubles_and_then_bisects() -> None:
    attempt, tried = pretended(limit=1500)
    found = batch_size.search(attempt, seconds=100)
    assert tried[:8] == [16, 32, 64, 128, 256, 512, 1024, 2048] and len(tried) <= 14
    assert 1500 * 0.94 < found.largest.batch_size <= 1500 and found.largest.batch_size % 8 == 0
    assert found.too_large and found.too_large <= found.largest.batch_size * 1.051 + 1
    assert found.fastest.batch_size == 256 and not found.is_whole_split and found.too_slow is None


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 12, 15])
def test_the_search_goes_below_its_first_size(limit: int) -> None:
    attempt, _ = pretended(limit)
    assert batch_size.search(attempt, seconds=100).largest.batch_size == limit


def test_the_search_ends_at_the_training_split_or_at_the_clock() -> None:
    attempt, tried = pretended(10**9, num_samples=300)
    found = batch_size.search(attempt, seconds=100)
    assert found.is_whole_split and tried == [16, 32, 64, 128, 256, 300]
    found = batch_size.search(pretended(10**9, num_samples=5)[0], seconds=100)
    assert found.is_whole_split and found.largest.batch_size == 5
    attempt, tried = pretended(10**9)
    found = batch_size.search(attempt, seconds=1.1)
    assert found.too_slow == 2048 and found.largest.batch_size == 1024
    with pytest.raises(UserError, match="not even batch_size=1"):
        batch_size.search(pretended(0)[0], seconds=1)


@pytest.mark.slow
def test_batch_sizes_are_tried_in_processes_of_their_own(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_size, "FIRST", 64)
    ended = cli("find", "batch_size", "data.points_per_class=60", "threads=1", "device=cpu")
    lines = ended.out.splitlines()
    assert ended.code == 0 and lines[0].split() == ["batch_size", "memory", "samples/s"], ended
    assert [line.split()[0] for line in lines[1:4]] == ["64", "128", "162"]
    assert lines[4] == "batch_size=162   all 162 training samples in one batch" and lines[5].startswith("batch_size=")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="limits of memory are those of Linux")
def test_too_little_memory_is_an_answer() -> None:
    config = compose([*SPIRAL, "model.width=4000"]).config
    room = 40_000_000  # a weight matrix alone is 64 MB
    assert trial.attempt(config, 16, room) is None
