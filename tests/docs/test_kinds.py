"""The table of docs/extending.md: each kind is swept, resumed to the bit, loaded, and as short as it says."""

import math
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from conftest import ROOT, Ended
from resuming import SHORT, as_killed_at, assert_same
from simulated_device import registered, simulated
from torch.utils.data import TensorDataset

import dlexp
from dlexp import api
from dlexp.batch import mapped
from dlexp.config.compose import compose
from dlexp.config.composed import Composed
from dlexp.config.problems import config_problems
from dlexp.config.rehearsal import rehearse
from dlexp.data.fields import examples, fields_of
from dlexp.experiment import resume
from dlexp.records.folder import saved_states
from dlexp.sweep.launchers.job_process import train_job
from dlexp.sweep.launchers.local import Local

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
EXAMPLES = ROOT / "docs" / "examples"
ROW = re.compile(r"^\| ([^|]+) \| (\d+) \| (\d+) \| (?:\[(\w+)\]\(examples/\4\): )?`([^`]+)` \|$", re.MULTILINE)


class Kind(NamedTuple):
    """A row of the table: a name, lines of Python and of YAML, the folder that holds them ("": none), words to type."""

    name: str
    python: str
    yaml: str
    folder: str
    words: str


KINDS = [Kind(*found) for found in ROW.findall(PAGE)]
SIZES = ["batch_size=8", "epochs=2", "log_steps=2", *SHORT]
PHOTOS = ["data=fake", "data.shape=[3,8,8]", "data.num_outputs=3", "data.num_samples=60", "data.num_test_samples=20"]
DIGITS = ["data.shape=[1,12,12]" if word.startswith("data.shape=") else word for word in PHOTOS]
# What makes each of them small; a word takes the place of that of the same key.
SMALL = {
    "a model of a public repository": [*PHOTOS, "model.name=shufflenet_v2_x0_5"],
    "tokens: a small transformer": ["data.file=story.txt", "data.length=8", "model.width=8"],
    "tokens: addition modulo a prime": ["data.modulus=7", "model.width=8"],
    "series N×C×L": ["model.width=4"],
    "several labels a sample": [],
    "segmentation": [*PHOTOS, "task=segmentation", "model=unet", "model.widths=[4]"],
    "denoising: target pictures": ["data.count=60", "data.size=8", "model.widths=[4,8]"],
    "two inputs by name": ["data.count=60", "data.size=8"],
    "a map-style Dataset": ["model.widths=[4,8]"],
    "an IterableDataset": ["data.folder=.", "data.lengths={train: 60, val: 20, test: 20}"],
    "a DataLoader with a collate_fn, unequal lengths": ["data.count=60"],
    "F1 and calibration error": PHOTOS,
    "groups: patients": [],
    "weighted sampling": PHOTOS,
    "a criterion with parameters": [*PHOTOS, "data.shape=[8]"],
    "a criterion with state that sees the moment": [*PHOTOS, "criterion.begin=0.5"],
    "sharpness-aware minimisation": PHOTOS,
    "L-BFGS": ["data.num_points=60", "batch_size=18", "optimizer.max_iter=3"],
    "distillation": DIGITS,
    "variational autoencoder": [*DIGITS, "model.width=8"],
    "SimCLR: two views of each picture": [*PHOTOS, "augment.crop.padding=1"],
    "adversarial training": [*DIGITS, "method.steps=2", "method.step_size=0.2"],
    "mean teacher": PHOTOS,
    "physics-informed net": ["data.num_points=60", "model.width=8", "optimizer.max_iter=3"],
    "generative adversarial net": ["data.points_per_class=20"],
    "a schedule that follows validation": [*PHOTOS, "scheduler.patience=1"],
    "an end of one's own": [*DIGITS, "watch.goal.value=2"],
    "own numbers and pictures, saved embeddings": [*PHOTOS, "watch.embeddings.every=1"],
    "lottery ticket": [*DIGITS, "method.rounds=2", "method.rewind_steps=1"],
    "folds": ["data.points_per_class=20", "data.folds=3", "data.fold=0,1"],
    "continual learning without forgetting": DIGITS,
    "an optimizer and a rate for each group of parameters": PHOTOS,
    "transfer: layers of another run, thawed later": DIGITS,
    "a contextual bandit: reward, no labels": ["data.points_per_class=20"],
    "metric learning: triplets": ["data.count=60"],
    "two heads: a class and a value": ["data.count=60"],
    "a graph net, some nodes unlabelled": ["data.count=60"],
    "noisy labels: co-teaching": PHOTOS,
}


def typed(kind: Kind, changes: Sequence[str] = ()) -> list[str]:
    """Returns what is typed after `python -m dlexp`, or after its `-m`: of words with the same key the last one."""
    words = [*shlex.split(kind.words.removeprefix("-m ")), *changes]
    last = {word.partition("=")[0]: word for word in words}
    return [*(["--config-dir", "conf"] if kind.folder else []), *last.values()]


def one_run(words: list[str]) -> list[str]:
    """Returns the words of the first run of a sweep, as `run` takes them."""
    return [re.sub(r"=(\d+)(,\d+)+$", r"=\1", word) for word in words if not word.startswith("allow=")]


@pytest.fixture
def place(kind: Kind, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the files of a kind, and with those that rows speak of."""
    if kind.folder:
        shutil.copytree(EXAMPLES / kind.folder, workdir, dirs_exist_ok=True)
    monkeypatch.syspath_prepend(workdir)
    monkeypatch.setenv("DLEXP_ALLOW", "".join(re.findall(r"allow=(\w+)", kind.words)))
    if kind.folder == "dataset":
        numbers = TensorDataset(torch.rand(60, 3, 32, 32), torch.arange(60) % 10)
        monkeypatch.setattr("torchvision.datasets.SVHN", lambda **_: numbers)
    draw = np.random.default_rng(0).normal(size=(60, 3, 12)).round(3)
    np.savez("series.npz", x=draw, y=np.arange(60) % 2)
    np.savez("labels.npz", x=draw[:, 0], y=draw[:, 1, :3] > 0)
    lines = [f"{','.join(map(str, row[0, :4]))},{number % 2}" for number, row in enumerate(draw)]
    for name in ("train", "val", "test"):
        Path(f"{name}.csv").write_text("\n".join(lines), encoding="utf-8")
    patients = [f"p{number // 5},{line}" for number, line in enumerate(lines)]
    Path("patients.csv").write_text("\n".join(["patient,a,b,c,d,state", *patients]), encoding="utf-8")
    Path("story.txt").write_text("once upon a time " * 40, encoding="utf-8")
    if "outputs/" in kind.words:
        api.run(["model=cnn", *DIGITS, *SIZES], folder=workdir / "outputs" / "cnn-mnist-sgd")
    yield workdir
    sys.modules.pop(kind.folder, None)


@pytest.fixture
def in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The jobs of a sweep are trained one after the other, here."""

    def launch(self: Local, jobs: Sequence[Composed], folders: Sequence[Path], num_cells: int) -> list[None]:
        for job, folder in zip(jobs, folders, strict=True):
            folder.mkdir()
            train_job(job, folder)
        return [None] * len(jobs)

    monkeypatch.setattr(Local, "begin", lambda self: None)
    monkeypatch.setattr(Local, "launch", launch)


def test_the_table_is_read_whole() -> None:
    assert len(KINDS) >= 38 and [kind.name for kind in KINDS] == list(SMALL)
    assert PAGE.partition("| kind | Python |")[2].partition("\n\n")[0].count("\n") == len(KINDS) + 1
    assert {kind.folder for kind in KINDS if kind.folder} == {path.name for path in EXAMPLES.iterdir()}


@pytest.mark.slow  # resuming and sweeps themselves are held by quick tests of their own
@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_each_is_swept_resumed_to_the_bit_and_loaded(
    kind: Kind, place: Path, cli: Callable[..., Ended], in_one_process: None, every_state_is_kept: None
) -> None:
    words = typed(kind, [*SIZES, *SMALL[kind.name]])
    varied = [] if kind.words.startswith("-m") else ["seed=0,1"]
    ended = cli("-m", *words, *varied, "checkpoint.every_steps=1", "hydra.sweep.dir=sweep")
    assert ended.code == 0 and ended.out.count("  finished\n") == 2, ended
    whole, other = sorted(path.parent for path in (place / "sweep").glob("*/run.json"))
    last = int(saved_states(whole)[0].stem.partition("-")[2])
    within = 3 * last // 4
    assert within % (last // 2), "it is to stop within an epoch"
    part = as_killed_at(whole, within, place / "part")
    resume.resume(part, [])
    assert_same(whole, part)
    model = dlexp.load(other)
    data, task = model.config["data"], model.config["task"]
    fields = fields_of(data["fields"], data["shape"], data["num_outputs"], task["targets"])
    outputs = model(**{name: each for name, each in examples(fields, 2).items() if name != "targets"})
    tensors: list[torch.Tensor] = []
    mapped(lambda each: tensors.append(each) or each, outputs)
    assert tensors and all(len(each) == 2 and each.isfinite().all() for each in tensors)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_each_trains_on_a_device_that_is_not_the_cpu(kind: Kind, place: Path) -> None:
    registered()
    words = one_run(typed(kind, [*SIZES, *SMALL[kind.name], "device=simulated"]))
    with simulated():
        result = api.run(words, folder=place / "run")
    assert math.isfinite(result.metrics["test/loss"])


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_each_is_right_as_it_stands_there(kind: Kind, place: Path) -> None:
    config = compose(one_run(typed(kind))).config
    problems = config_problems(config)
    if not problems and "outputs/" not in kind.words:  # there is no such run
        problems = rehearse(config, is_here=True)
    assert not problems


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_each_takes_as_many_lines_as_it_says(kind: Kind) -> None:
    folder = EXAMPLES / kind.folder if kind.folder else Path("nothing")
    python, texts = (sorted(folder.rglob(f"*.{ending}")) for ending in ("py", "yaml"))
    counted = [sum(_num_lines(file.read_text(encoding="utf-8")) for file in files) for files in (python, texts)]
    assert [int(kind.python), int(kind.yaml)] == counted
    assert all(kind.words in file.read_text(encoding="utf-8") for file in python), "the module tells its command"


def _num_lines(text: str) -> int:
    """Counts lines that are neither blank nor a comment nor part of a docstring."""
    code = re.sub(r'^ *""".*?"""$', "", text, flags=re.MULTILINE | re.DOTALL)
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in code.splitlines())
