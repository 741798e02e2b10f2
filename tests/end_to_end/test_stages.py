"""Stages: one command trains runs one after the other, weights handed on, each an ordinary run of one ledger."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch
from conftest import jobs_of, start
from resuming import assert_same

import dlexp
from dlexp import api
from dlexp.config.cell import cell
from dlexp.config.compose import compose
from dlexp.errors import UserError
from dlexp.records import checkpoints
from dlexp.records.folder import saved_states
from dlexp.records.run_json import read_json

PRESET = """\
# @package _global_
defaults:
  - override /model: mlp
model: {width: 8}
stages:
  shallow: [model.depth=1]
  deep: [model.depth=2, init_from=stages.shallow]
"""
SHORT = ["--config-dir", "conf", "experiment=two", "data.points_per_class=60", "max_steps=2", "pictures=false",
         "threads=1"]  # fmt: skip


@pytest.fixture
def preset(workdir: Path) -> Path:
    (workdir / "conf" / "experiment").mkdir(parents=True)
    (workdir / "conf" / "experiment" / "two.yaml").write_text(PRESET, encoding="utf-8")
    return workdir


def typed_alone(out: str, stage: str) -> list[str]:
    """Returns the words that are said to train a stage alone."""
    (line,) = [line for line in out.splitlines() if line.startswith("stage ") and f", {stage}: " in line]
    return line.partition("python -m dlexp ")[2].split()


def test_weights_are_handed_on_and_nothing_is_trained_twice(cli, preset: Path) -> None:
    ended = cli(*SHORT, "stages.deep.max_steps=1")
    assert ended.code == 0 and ended.err == "", ended
    folder = preset / "outputs" / "two"
    shallow, deep = (read_json(folder / name / "run.json") for name in ("shallow", "deep"))
    assert (shallow["status"], deep["status"]) == ("finished", "finished")
    assert shallow["stage"] == {"name": "shallow", "hands_on": True, "start": None}
    assert deep["stage"]["start"].startswith("stages.shallow ") and not deep["stage"]["hands_on"]
    assert deep["parent"] | {"by": "init_from", "folder": "../shallow", "cell": shallow["cell"]} == deep["parent"]
    told = (folder / "deep" / "log.txt").read_text(encoding="utf-8")
    assert "starts from 4 of 6 weights, taken from outputs/two/shallow" in told
    for name, entry in (("shallow", shallow), ("deep", deep)):
        assert cell(compose(typed_alone(ended.out, name)).config) == entry["cell"]

    before = (folder / "shallow" / "run.json").read_bytes()
    shutil.rmtree(folder / "deep")
    dry = cli(*SHORT, "stages.deep.max_steps=1", "dry_run=true")
    assert [line.split()[-1] for line in dry.out.splitlines() if "kB" in line and "jobs" not in line][0] == "done"
    again = cli(*SHORT, "stages.deep.max_steps=1")
    assert again.code == 0 and "1 job, 1 of them done already" in again.out
    assert (folder / "shallow" / "run.json").read_bytes() == before
    assert read_json(folder / "deep" / "run.json")["metrics"] == deep["metrics"]
    assert "test accuracy" not in again.out, "a job that trains tells its own end"
    assert "nothing is left to do" in cli(*SHORT, "stages.deep.max_steps=1", "dry_run=true").out
    repeated = cli(*SHORT, "stages.deep.max_steps=1")
    assert "\ntest accuracy " in repeated.out and f"\nrun folder   {Path('outputs/two/deep')}\n" in repeated.out
    swept = cli("-m", *SHORT, "stages.deep.max_steps=1")
    assert [line.split()[0] for line in swept.out.splitlines() if line.endswith("  finished")] == ["deep"], swept.out
    with pytest.raises(UserError, match=r"outputs.two is not the folder of a run; it holds several: outputs.two.deep,"):
        dlexp.load(folder.relative_to(preset))
    ended = cli("resume=outputs/two")
    assert "it holds several: outputs/two/deep, outputs/two/shallow. A sweep and a preset's stages go on" in ended.err


@pytest.mark.slow
def test_mistakes_of_a_later_stage_are_told_first(cli, preset: Path) -> None:
    ended = cli(*SHORT, "stages.deep.optimizer.lr=-1", "stages.deep.model.width=0")
    assert ended.code == 1 and not (preset / "outputs").exists()
    assert "optimizer.lr" in ended.err or "model.width=0" in ended.err
    assert "(in stage deep)" in ended.err and "no job was started" in ended.err
    ended = cli(
        *SHORT, "stages.deep.model.width=16", "stages.deep.data.points_per_class=50", "stages.deep.model=linear"
    )
    assert ended.code == 1 and not (preset / "outputs").exists(), ended
    ended = cli(*SHORT, "stages.deep.init_from=stages.shalow")
    assert "must name a stage before it, one of shallow. Did you mean 'shallow'?" in ended.err
    ended = cli(*SHORT, "stages.deep.init_from=shallow")
    assert "stages.deep.init_from=shallow names no run; the stage is stages.deep.init_from=stages.shallow" in ended.err
    ended = cli(*SHORT, "stages.deep.watch=rbm")
    assert "watch=rbm looks at model=rbm" in ended.err and "(in stage deep)" in ended.err, "told before the first one"
    ended = cli(*SHORT, "optimizer.betas=[0.9,0.9]", "stages.deep.optimizer=adam")
    told = "error: optimizer.betas is a setting in the stage deep alone: 'stages.deep.optimizer.betas=[0.9,0.9]'\n"
    assert ended.code == 1 and ended.err.startswith(told), ended
    ended = cli(*SHORT, "optimizer.betas=[0.9,0.9]")
    assert "no setting 'optimizer.betas' here" in ended.err and "stage" not in ended.err, ended
    for word in ("stages=[shallow]", "stages={}", "stages={thrid:['epochs=1']}", "stages={deep:[epochs=1]}"):
        ended = cli(*SHORT, word)
        told = "a preset's stages are changed one by one, stages.shallow.epochs=5; stages=null leaves them out"
        assert ended.code == 1 and f"{word}: {told}" in ended.err, ended
    ended = cli("stages={deep:[epochs=1]}")
    assert "can't be read: within brackets a text with = stands in quotes of its own, ['epochs=5']" in ended.err
    ended = cli(*SHORT, "stages.deep.hydra.run.dir=elsewhere")
    assert "stages.deep has no folder of its own to choose: all stages stand in one" in ended.err
    ended = cli(*SHORT, "stages.deep.model.width=16")
    assert ended.code == 1 and not (preset / "outputs").exists(), ended
    assert "none of the weights of stage shallow has a name and shape of this model: " in ended.err
    assert "linear1.weight is 8×2 there, and 16×2 here (in stage deep)" in ended.err


def test_weights_of_another_name_are_not_lost_without_a_word(cli, preset: Path) -> None:
    deeper = [*SHORT, "stages.shallow.model.depth=2", "stages.deep.model.depth=3", "stages.deep.model.residual=true"]
    ended = cli(*deeper)
    assert ended.code == 1 and not (preset / "outputs").exists(), ended
    assert "2 weights of stage shallow have other names in this model" in ended.err
    assert "linear2.weight is residual2.linear2.weight here" in ended.err and "(in stage deep)" in ended.err
    assert cli(*deeper, "stages.shallow.model.residual=true", "dry_run=true").code == 0


@pytest.mark.slow
def test_no_layer_of_a_stack_is_left_that_nobody_trains(cli, workdir: Path) -> None:
    small = ["data=fake", "data.shape=[1,4,4]", "max_steps=1", "pictures=false", "threads=1"]
    told = "of model.depth=3 layers only the top one is trained, and {} has no visible2 of this shape"
    ended = cli("experiment=rbm", *small, "stages.rbm2.model.depth=3")
    assert ended.code == 1 and told.format("stage rbm1") in ended.err and "(in stage rbm2)" in ended.err, ended
    assert list(workdir.iterdir()) == []
    machine = ["experiment=rbm", "stages=null", *small, "model.width=8"]
    assert cli(*machine, "model.depth=1", "hydra.run.dir=one").code == 0
    ended = cli(*machine, "model.depth=3", "init_from=one", "hydra.run.dir=three")
    assert ended.code == 1 and told.format("one") in ended.err and not (workdir / "three").exists(), ended
    assert cli(*machine, "model.depth=2", "init_from=one", "hydra.run.dir=two").code == 0


def test_only_runs_and_sweeps_train_stages(cli, preset: Path) -> None:
    for words in (["find", "lr"], ["compare", "optimizer=sgd,adam", "seeds=2"]):
        ended = cli(*words, *SHORT)
        assert ended.code == 1 and "stages=null leaves them out" in ended.err, ended


@pytest.mark.slow
def test_each_arm_has_a_chain_of_its_own(cli, preset: Path) -> None:
    words = [*SHORT, "seed=0,1", "stages.shallow.max_steps=1,2", "stages.deep.optimizer=adam"]
    ended = cli("-m", *words)
    assert ended.code == 0, ended
    (folder,) = (preset / "outputs").glob("*/")
    runs = {path.parent.name: read_json(path) for path in folder.glob("*/run.json")}
    assert len(runs) == 8 and {entry["status"] for entry in runs.values()} == {"finished"}
    for name, entry in runs.items():
        if name.endswith("_deep"):
            assert entry["parent"]["folder"] == f"../{name.replace('_deep', '_shallow')}"
    starts = {entry["stage"]["start"] for entry in runs.values()} - {None}
    assert len(starts) == 2, "one for each arm, whatever the seed"
    table = ended.out[ended.out.rindex("stages.shallow.max_steps  ") :].splitlines()
    assert [row.split()[0] for row in table[2:4]] in (["1", "2"], ["2", "1"]) and "± half" in ended.out
    told = " ".join(cli("report", str(folder)).out.split())
    assert told.count("weights were handed on") == 4 and all(start.split()[1] in told for start in starts), told
    assert "nothing is left to do" in cli("-m", *words, "dry_run=true").out


@pytest.mark.slow
def test_a_stage_that_fails_ends_its_chain(cli, preset: Path) -> None:
    long = [*SHORT[:-3], "max_steps=40", "scheduler=constant", *SHORT[-2:]]
    ended = cli("-m", *long, "stages.shallow.optimizer.lr=0.1,1e30")
    assert ended.code == 1, ended
    rows = [line for line in ended.out.splitlines() if "finished" in line or "failed: stage shallow: " in line]
    assert len([row for row in rows if row.startswith(("0.1 ", "1e30 ", "1e+30 "))]) == 2, ended.out
    one = cli(*long, "stages.shallow.optimizer.lr=1e30", "hydra.run.dir=one")
    assert (
        one.code == 1 and "stage shallow: " in one.err and [path.name for path in Path("one").glob("*/")] == ["shallow"]
    )


@pytest.mark.slow
def test_from_python(preset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`run` returns the last stage, which `load` reads."""
    (preset / "conf" / "experiment" / "two.yaml").unlink()
    stages = "{first:['model.depth=1'],second:['init_from=stages.first','model.depth=2']}"
    result = api.run([f"stages={stages}", "model.width=8", *SHORT[3:]], folder=preset / "here")
    assert result.folder == preset / "here" / "second" and "test/accuracy" in result.metrics
    assert dlexp.load(result.folder)(torch.zeros(3, 2)).shape == (3, 3)
    first = checkpoints.load(preset / "here" / "first" / "weights" / "best.pt")["model"]
    assert "linear1.weight" in first


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals are sent as on Linux and macOS")
def test_a_kill_9_in_the_second_stage_costs_nothing(preset: Path) -> None:
    """The same command again goes on where the last state was saved, and ends in the same bits."""
    long = [*SHORT[:-3], "max_steps=1500", "checkpoint.every_steps=20", *SHORT[-2:]]
    whole = start([*long, "hydra.run.dir=whole"], preset)
    out, _ = whole.communicate(timeout=120)
    assert whole.returncode == 0, out
    killed = start([*long, "hydra.run.dir=killed"], preset, start_new_session=True)
    deep = preset / "killed" / "deep"
    while len(saved_states(deep)) < 2 and killed.poll() is None:
        time.sleep(0.01)
    for number in (killed.pid, *jobs_of(killed.pid)):
        os.kill(number, signal.SIGKILL)
    out, _ = killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL, out
    before = (preset / "killed" / "shallow" / "run.json").read_bytes()
    assert read_json(deep / "run.json")["status"] == "running"
    again = start([*long, "hydra.run.dir=killed"], preset)
    out, _ = again.communicate(timeout=120)
    assert again.returncode == 0 and "going on with deep" in out, out
    assert read_json(deep / "run.json")["resumed"][0]["step"] > 0
    assert (preset / "killed" / "shallow" / "run.json").read_bytes() == before
    for stage in ("shallow", "deep"):
        assert_same(preset / "whole" / stage, preset / "killed" / stage)
