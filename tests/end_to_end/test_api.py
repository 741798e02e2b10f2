"""`run` and `load` from a program: the words they hear, threads, and beside a program that uses Hydra itself."""

import logging
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import child_environment
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.version import getbase

from dlexp import api
from dlexp.config.compose import BASE
from dlexp.errors import UserError
from dlexp.records import run_json
from dlexp.records.result import Result

TINY = ["data.points_per_class=40", "epochs=2", "pictures=false", "threads=1"]


def in_threads(*works: Any) -> list[Any]:
    """Does all at once, each in a thread of its own; returns what they returned, or raised."""
    results: list[Any] = [None] * len(works)
    start = threading.Barrier(len(works))

    def do(index: int) -> None:
        start.wait()
        try:
            results[index] = works[index]()
        except BaseException as error:
            results[index] = error

    threads = [threading.Thread(target=do, args=(index,)) for index in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return results


def test_hydra_run_dir_is_the_folder(workdir: Path) -> None:
    result = api.run([*TINY, "hydra.run.dir=mine/a run"])
    assert result.folder == Path("mine/a run") and (result.folder / "run.json").exists()
    assert api.run([*TINY, "seed=1", "hydra.run.dir='mine/quoted'"]).folder == Path("mine/quoted")
    assert run_json.read_entry(result.folder)["overrides"] == TINY
    assert not Path("outputs").exists()
    again = api.run([*TINY, "resume=auto"], folder="mine/a run")
    assert again.folder == result.folder and again.metrics == result.metrics
    with pytest.raises(UserError, match="holds a run already"):
        api.run([*TINY, "hydra.run.dir=mine/a run"])


@pytest.mark.parametrize(
    "words, folder, pieces",
    [
        (["hydra.run.dir=one"], "other", ["hydra.run.dir=", "folder=other", "leave one out"]),
        (["resume=one"], "other", ["resume=one", "leave out folder=other"]),
        (["resume=one", "hydra.run.dir=other"], None, ["hydra.run.dir=", "resume=one", "its own folder"]),
        (["hydra.run.dir="], None, ["names no folder"]),
        (["hydra.sweep.dir=x"], None, ["hydra.sweep.dir=", "hydra.run.dir="]),
        (["+hydra.job.name=x"], None, ["hydra.job.name is not heard"]),
        (["hydra/launcher=joblib"], None, ["hydra/launcher is not heard", "launcher=local or launcher=slurm"]),
        (["-m", "seed=1,2"], None, ["-m starts a sweep", "run_sweep([…])", "python -m dlexp -m"]),
        (["--cfg", "job"], None, ["--cfg is for the command line"]),
        (["allow=os"], None, ["allow=", "DLEXP_ALLOW"]),
        ([3], None, ["run() takes words as on the command line", "3 is none"]),
    ],
)
def test_words_that_are_not_heard(workdir: Path, words: list[str], folder: str | None, pieces: list[str]) -> None:
    with pytest.raises(UserError) as found:
        api.run([*TINY, *words], folder=folder)
    assert all(piece in str(found.value) for piece in pieces), found.value
    assert not list(workdir.iterdir())


def test_a_text_is_no_list_of_words(workdir: Path) -> None:
    for call in (api.run, api.run_sweep):
        with pytest.raises(UserError) as found:
            call("epochs=1 seed=2")
        assert str(found.value).endswith(f"takes a list of words: {call.__name__}(['epochs=1', 'seed=2'])")


def test_a_result_is_one_line() -> None:
    result = Result({"val/loss": 0.123456, "test/accuracy": 0.98765}, [{"epoch": 1}] * 30, Path("outputs/a"), 0.123456)
    told = "Result('outputs/a': 30 epochs, val/loss 0.1235, test/accuracy 0.9877, objective 0.1235)"
    assert repr(result) == str(result) == told
    assert repr(Result({}, [], Path("outputs/a"), None)) == "Result('outputs/a': 0 epochs)"


@pytest.mark.slow
def test_a_sweep_returns_its_results_in_order(workdir: Path) -> None:
    """A learning rate that is no use ends one of the jobs; the second call reads what is finished."""
    words = [*TINY, "optimizer.lr=0.1,1e30,0.2", "epochs=3"]
    for call in range(2):
        found = api.run_sweep(words if call else ["-m", *words])
        assert [each.folder.name for each in found] == ["lr-0.1", "lr-1e30", "lr-0.2"]
        assert [len(each.history) for each in found] == [3, 0, 3]
        assert (found[1].metrics, found[1].objective) == ({}, None)
        entry = run_json.read_entry(found[2].folder)
        assert found[2].metrics == entry["metrics"] and found[2].objective == entry["metrics"]["val/accuracy"]
        assert entry["resumed"] == [] and (found[0].folder.parent / "sweep.json").is_file()
    assert found[0].metrics == api.run([*TINY, "optimizer.lr=0.1", "epochs=3"]).metrics
    assert api.run_sweep([*words, "dry_run=true"]) == []
    with pytest.raises(UserError, match="calling run_sweep once more"):
        api.run_sweep(["resume=auto"])
    with pytest.raises(UserError, match="no job was started"):
        api.run_sweep(["seed=0,1", "epochs=0"])


@pytest.mark.slow
def test_a_script_runs_a_sweep_without_running_again_in_its_jobs(workdir: Path) -> None:
    script = f"from dlexp import run_sweep\nprint('here')\nprint(len(run_sweep({[*TINY, 'seed=1,2', 'n_jobs=2']})))\n"
    (workdir / "script.py").write_text(script, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"], capture_output=True, encoding="utf-8", env=child_environment(), timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "here\n2\n"), done


def test_own_options_are_heard(workdir: Path) -> None:
    place = workdir / "conf" / "experiment"
    place.mkdir(parents=True)
    (place / "mine.yaml").write_text("# @package _global_\nseed: 7\n", encoding="utf-8")
    result = api.run([*TINY, "--config-dir", "conf", "experiment=mine"], folder="run")
    assert run_json.read_entry(result.folder)["seed"] == 7


DRAWS = """
import time

from torch import nn
from torch.nn import functional


class Draws(nn.Linear):
    def forward(self, x):
        time.sleep(0.001)  # lets the other thread in
        return super().forward(functional.dropout(x, 0.2, self.training))


def draws(*, shape, num_outputs):
    return Draws(shape[0], num_outputs)
"""


def test_two_threads_get_what_they_would_get_alone(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workdir / "draws.py").write_text(DRAWS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(workdir))
    monkeypatch.setenv("DLEXP_ALLOW", "draws")
    own = ["model=linear", "model._target_=draws.draws", "~model.bias", "batch_size=16"]
    words = [[*TINY, *own, f"seed={seed}"] for seed in (1, 2)]
    alone = [api.run(each, folder=f"alone-{i}") for i, each in enumerate(words)]
    together = in_threads(*(lambda i=i, each=each: api.run(each, folder=f"thread-{i}") for i, each in enumerate(words)))
    for one, other in zip(alone, together, strict=True):
        assert not isinstance(other, BaseException), other
        keys = ("fingerprint/batch", "fingerprint/weights", "train/loss")
        assert [[row[key] for key in keys] for row in one.history] == [
            [row[key] for key in keys] for row in other.history
        ]
        assert one.metrics == other.metrics


def test_a_loaded_model_takes_its_input_by_no_other_name(workdir: Path) -> None:
    model = api.load(api.run(["data.points_per_class=40", "epochs=1", "pictures=false"], folder="run").folder)
    points = torch.zeros(3, 2)
    assert torch.equal(model(points), model(inputs=points))
    with pytest.raises(UserError, match="the model takes inputs"):
        model(points=points)


def test_loading_does_not_disturb_a_run_in_another_thread(workdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = api.run(TINY, folder="run").folder
    expected = api.load(folder)(torch.zeros(3, 2))
    loaded: list[Any] = []
    with api.alone():  # as a run holds it
        state = torch.random.get_rng_state()
        thread = threading.Thread(target=lambda: loaded.append(api.load(folder)(torch.zeros(3, 2))))
        thread.start()
        thread.join(0.5)
        assert not loaded and torch.equal(torch.random.get_rng_state(), state)
        assert any(entry.levelno == logging.WARNING and "waits" in entry.message for entry in caplog.records)
        assert torch.equal(api.load(folder)(torch.zeros(3, 2)), expected), "the same thread need not wait"
    thread.join(60)
    assert torch.equal(loaded[0], expected)


def test_beside_a_program_that_uses_hydra(workdir: Path) -> None:
    conf = workdir / "theirs"
    conf.mkdir()
    (conf / "config.yaml").write_text("defaults: [schema, _self_]\nname: ${oc.env:HOME}\n", encoding="utf-8")
    ConfigStore.instance().store(name="schema", node={"theirs": 3})
    with initialize_config_dir(str(conf), **(BASE and {"version_base": "1.2"})):
        before, version = GlobalHydra.instance(), getbase()
        result = api.run(TINY, folder="run")
        with pytest.raises(UserError):
            api.run(["modle=mlp"])
        assert GlobalHydra.instance() is before and before.is_initialized() and getbase() == version
        assert compose("config")["theirs"] == 3
    assert not GlobalHydra.instance().is_initialized()
    assert api.run([*TINY, "seed=1"], folder="after").metrics.keys() == result.metrics.keys()


def test_threads_compose_at_the_same_time(workdir: Path) -> None:
    from dlexp.config.compose import compose as composed

    found = in_threads(*(lambda seed=seed: composed([f"seed={seed}", "model=cnn", "data=mnist"]) for seed in range(4)))
    assert [getattr(each, "config", {"seed": each})["seed"] for each in found] == [0, 1, 2, 3]


def test_what_a_loaded_model_can_not_take_is_a_sentence(workdir: Path) -> None:
    words = ["data=fake", "data.shape=[3,6,6]", "data.num_samples=40", "epochs=1", "pictures=false", "threads=1"]
    model = api.load(api.run(words, folder="run").folder)
    with pytest.raises(UserError, match="inputs must be a tensor, not a ndarray: torch.as_tensor makes one"):
        model(np.zeros((2, 3, 6, 6), np.uint8))
    with pytest.raises(
        UserError, match=r"trained on samples of \[3, 6, 6\], fails on those of \[3, 8, 8\]: .*mat1 and mat2"
    ):
        model(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
