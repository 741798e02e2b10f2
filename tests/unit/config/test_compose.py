"""One composition: how often Hydra is asked, what comes out, and that a job needs no Hydra."""

import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import hydra
import pytest
from conftest import child_environment

from dlexp.__main__ import main
from dlexp.config import words
from dlexp.config.axes import axes
from dlexp.config.cell import cell
from dlexp.config.compose import compose, composing
from dlexp.config.composed import Composed
from dlexp.errors import UserError
from dlexp.sweep.grid import grid
from dlexp.sweep.plan import sweep_name

TINY = ["data.points_per_class=60", "max_steps=1", "pictures=false", "threads=1"]


@pytest.fixture
def compositions(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The overrides of every config that Hydra is asked for."""
    asked: list[list[str]] = []
    original = hydra.compose

    def counted(name: str, overrides: list[str], **options: Any) -> Any:
        asked.append(overrides)
        return original(name, overrides, **options)

    monkeypatch.setattr(hydra, "compose", counted)
    return asked


def test_a_run_is_composed_once(cli, workdir: Path, compositions: list[list[str]]) -> None:
    assert cli(*TINY).code == 0 and len(compositions) == 1


def test_jobs_that_differ_in_plain_values_are_composed_once(cli, workdir: Path, compositions: list[list[str]]) -> None:
    assert cli("-m", "seed=1,2", *TINY).code == 0 and len(compositions) == 1


JOBS = [
    ["optimizer=adam", "seed=1", "optimizer.lr=0.1"],
    ["optimizer=adam", "seed=2", "optimizer.lr=0.1"],
    ["optimizer=adam", "seed=2", "optimizer.lr=1e-3"],
    ["optimizer=adam", "seed=two", "optimizer.lr=1e-3"],
    ["optimizer=adam", "seed=2", "optimizer.lr=1e-3"],
    ["optimizer=adam", "seed=null", "optimizer.lr=1e-3"],
    ["optimizer=sgd", "seed=2", "optimizer.lr=1e-3"],
    ["optimizer=sgd", "seed=2", "data.num_classes=5"],  # names of classes and outputs follow it
    ["optimizer=sgd", "seed=2", "data.num_classes=4"],
    ["optimizer=sgd", "seed=3", "data.num_classes=4"],
    ["optimizer=sgd", "seed=3", "note=x"],
    ["optimizer=sgd", "seed=3", "note=null"],
    ["optimizer=sgd", "seed=3", "no_such_key=1"],
    ["optimizer=sgd", "seed=3", "no_such_key=2"],
    ["seed=4", "seed=3", "note=null"],
    ["seed=5", "seed=3", "note=null"],
    ["checkpoint={every_steps: 5}", "checkpoint.every_steps=1"],
    ["checkpoint={every_steps: 5}", "checkpoint.every_steps=2"],
    ["checkpoint.every_steps=1", "checkpoint={every_steps: 5}"],
    ["checkpoint.every_steps=2", "checkpoint={every_steps: 5}"],
    ["model=linear"],
    ["model=mlp"],
]


@pytest.mark.slow
def test_a_job_is_what_it_would_be_alone() -> None:
    """Whatever was composed before it, and with the same words where it is wrong."""
    with composing([]) as compose_words:
        found = [compose_words(job) for job in JOBS]
    for job, together in zip(JOBS, found, strict=True):
        with composing([]) as compose_words:
            assert compose_words(job) == together, job


def test_a_run_that_may_go_on_is_composed_once(cli, workdir: Path, compositions: list[list[str]]) -> None:
    for number in (1, 2):  # the first begins, the second finds it
        assert cli("resume=auto", *TINY).code == 0 and len(compositions) == number


@pytest.mark.parametrize(
    "typed, pieces",
    [
        ("modle=mlp optimizer=adm epochs=ten", ["'modle'", "no optimizer 'adm'", "epochs=ten must"]),
        ("experiment=nothere model=vgg61 seed=x", ["no experiment 'nothere'", "no model 'vgg61'", "seed=x must"]),
        ("experment=mnist_cnn epochs=ten", ["'experment'. Did you mean 'experiment=mnist_cnn'?", "epochs=ten must"]),
        ("recpe=x epochs=ten", ["'recpe'. See --help", "epochs=ten must"]),
        ("model=null optimizer=adm", ["model=null can't be chosen", "no optimizer 'adm'"]),
        ("recipe=x epochs=0", ["recipe follows from", "epochs=0 must"]),
        ("hydra.foo=x hydra.verbose=y epochs=ten", ["hydra.foo is not", "hydra.verbose is not", "epochs=ten must"]),
        ("augment=[crop_flp,mixp] seed=x", ["no augment 'crop_flp'", "no augment 'mixp'", "seed=x must"]),
        # Settings of a mistyped option are those of the one that was meant, or nobody's.
        ("optimizer=adm optimizer.betas=[0.9,0.99]", ["no optimizer 'adm'"]),
        ("optimizer=adm optimizer.momentum=0.9", ["no optimizer 'adm'", "no setting 'optimizer.momentum'"]),
        ("model=16 model.batch_norm=true", ["no model '16'"]),
        ("model=nothing_like_it model.batch_norm=true", ["no model 'nothing_like_it'"]),
    ],
)
def test_no_mistake_hides_another(compositions: list[list[str]], typed: str, pieces: list[str]) -> None:
    with pytest.raises(UserError) as error:
        compose(typed.split())
    problems = error.value.problems
    assert len(problems) == len(pieces) and len(compositions) <= len(pieces) + 1, problems
    assert all(any(piece in problem for problem in problems) for piece in pieces), problems


def test_the_order_of_augmentations_and_parts_makes_another_experiment() -> None:
    one, other = (compose(["data=fake", f"augment=[{names}]"]).config for names in ("crop,cutout", "cutout,crop"))
    assert one == other and cell(one) != cell(other), "mappings are equal in any order"
    config = compose(["data=fake", "optimizer=muon"]).config
    parts = config["optimizer"]["parts"]
    turned = {**config, "optimizer": {**config["optimizer"], "parts": dict(reversed(parts.items()))}}
    assert cell(turned) != cell(config)


def test_what_follows_another_setting_is_known() -> None:
    composed = compose(["optimizer=muon", "model=cnn", "data=fake", "optimizer.parts.filters.momentum=0.5"])
    assert composed.follows["optimizer.parts.filters.lr"] == "optimizer.lr"
    assert composed.follows["model.shape"] == "data.shape"
    assert "optimizer.parts.filters.momentum" not in composed.follows, "it was typed"


def test_mistakes_are_composed_once_a_hint(compositions: list[list[str]]) -> None:
    with pytest.raises(UserError) as error:
        compose(["optimizer=sgdd", "model.widht=3", "seed=x", "epoch=3"])
    assert len(error.value.problems) == 4 and len(compositions) == 4


def test_what_is_composed_crosses_processes() -> None:
    composed = compose(["model=cnn", "data=mnist", "augment=[crop,flip]", "hydra.run.dir=a place"])
    assert pickle.loads(pickle.dumps(composed)) == composed
    assert composed.place == Path("a place") and composed.words == ["model=cnn", "data=mnist", "augment=[crop,flip]"]
    assert composed.choices["augment"] == "[crop,flip]" and composed.name == "cnn-mnist-sgd"
    assert "hydra" not in composed.config and "${" not in str(composed.config)


def test_a_job_needs_no_hydra(workdir: Path) -> None:
    (workdir / "job").write_bytes(pickle.dumps(compose(TINY)))
    code = """
import pickle, sys
from pathlib import Path
from dlexp.experiment.run import run_experiment
Path("run").mkdir()
run_experiment(pickle.loads(Path("job").read_bytes()), Path("run"))
print([name for name in ("hydra", "omegaconf", "antlr4") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=child_environment())
    assert done.stdout.splitlines()[-1] == "[]", done


def test_the_axes_of_a_sweep(tmp_path: Path) -> None:
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "slow.yaml").write_text("lr: 1\n", encoding="utf-8")
    found = axes(
        ["epochs=3", "seed=range(1,3)", "optimizer=glob(s*)", "+a.b=1,2", "augment=flip,[flip,mixup]"], [tmp_path]
    )
    assert found == [
        ["epochs=3"],
        ["seed=1", "seed=2"],
        ["optimizer=sgd", "optimizer=slow"],
        ["+a.b=1", "+a.b=2"],
        ["augment=flip", "augment=[flip,mixup]"],
    ]
    with pytest.raises(UserError) as error:
        axes(["optimizer.lr=interval(0,1)", "model.width={"], [])
    assert len(error.value.problems) == 2 and "a grid needs values: optimizer.lr=a,b,c" in error.value.problems[0]


@pytest.mark.parametrize(
    "overrides, choices, name",
    [
        (["optimizer=sgd,adam", "model=vgg16"], {}, "sweep-mlp-spiral-optimizer"),
        (["model=lenet,alexnet"], {}, "sweep-spiral-model"),
        (["data=mnist,spiral", "seed=1,2"], {}, "sweep-mlp-data"),
        (["optimizer.lr=1,2", "model.width=3,4"], {"experiment": "spiral_mlp"}, "sweep-spiral_mlp-lr-width"),
        (["seed=1,2"], {}, "sweep-mlp-spiral"),
    ],
)
def test_a_sweep_is_named_after_what_it_is_about(overrides: list[str], choices: dict[str, str], name: str) -> None:
    first = Composed({}, [], {"model": "mlp", "data": "spiral", "optimizer": "sgd"} | choices)
    assert sweep_name(grid(axes(overrides, [])), first) == name


@pytest.mark.parametrize(
    "typed, piece",
    [
        (["--epochs", "3"], "--epochs 3 is typed epochs=3"),
        (["--config-dri", "x"], "Did you mean '--config-dir'?"),
        (["hydra.verbose=true"], "of Hydra's own settings dlexp hears hydra.run.dir and hydra.sweep.dir"),
        (["hydra/launcher=joblib"], "launcher=local or launcher=slurm"),
        (["hydra/sweeper=optuna"], "-m tries every combination"),
        (["hydra.searchpath=[x]"], "--config-dir DIR"),
        (["hydra.run.dir="], "names no folder"),
        (["++hydra.run.dir=x"], "without what stands before it"),
        (["find", "lr", "dry_run=true"], "find has no dry run"),
        (["download", "mnist", "dry_run=true"], "download has no dry run"),
        (["find", "lr", "hydra.run.dir=x"], "find makes none"),
        (["--cfg", "job", "--config-name", "x"], "there is no flag '--config-name'"),
        (["recipe=cnn/mnist", "--cfg", "job"], "recipe follows from model and data"),
        (["-m", "seed=1,2", "hydra.run.dir=x"], "hydra.sweep.dir= is a sweep's"),
        (["hydra.sweep.dir=x"], "hydra.run.dir= is a run's"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_what_is_not_heard_is_said(cli, workdir: Path, typed: list[str], piece: str) -> None:
    ended = cli(*typed)
    assert ended.code == 1 and piece in ended.err and "Traceback" not in ended.err, ended
    assert not list(workdir.iterdir())


def test_a_flag_and_its_value_are_no_override(tmp_path: Path) -> None:
    read = words.read(["--config-dir", str(tmp_path), "epochs=3", "-m", f"-cd={tmp_path}"])
    assert read.overrides == ["epochs=3"] and read.folders == [tmp_path, tmp_path] and read.is_sweep


def test_asking_for_hydras_settings_makes_no_folder(cli, workdir: Path) -> None:
    ended = cli("--cfg", "hydra", "--resolve")
    assert ended.code == 0 and "outputs/NAME" in ended.out and not list(workdir.iterdir())


def test_hydras_flags_leave_the_process_as_it_was(cli, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    before = list(sys.argv), logging.getLogger("hydra.utils").level
    assert main(["--cfg", "job"]) == 0
    assert (sys.argv, logging.getLogger("hydra.utils").level) == before and "HYDRA_FULL_ERROR" not in os.environ


def test_an_own_option_of_a_built_in_name_is_told_by_hydras_flags_too(cli, workdir: Path) -> None:
    (workdir / "own" / "model").mkdir(parents=True)
    (workdir / "own" / "model" / "mlp.yaml").write_text("width: 1\n", encoding="utf-8")
    ended = cli("--config-dir", "own", "--cfg", "job")
    assert ended.code == 1 and "which dlexp has too" in ended.err, ended
