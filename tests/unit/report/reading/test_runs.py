"""Runs read as data: folders of any depth, each once; what is damaged or a stranger's is named, the rest is read."""

import json
import os
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from made_runs import made_run, made_sweep

from dlexp.errors import UserError
from dlexp.machine.lock_file import locked
from dlexp.records import slurm_queue
from dlexp.records.folder import CONFIG, LOCK, METRICS, MODEL, RECORD
from dlexp.report.reading.runs import read_runs

VALUES = {"sgd": [0.9], "adam": [0.8]}


def statuses(folder: Path) -> dict[str, str]:
    return {run.name: run.status for run in read_runs([folder])[0]}


def reasons(*folders: Path) -> dict[str, str]:
    return {trouble.folder.name: trouble.reason for trouble in read_runs(folders)[1]}


def test_a_run_is_what_its_files_say(tmp_path: Path) -> None:
    made_run(tmp_path / "a", 0.91, seed=3, settings={"optimizer": "adam", "optimizer.lr": 0.003}, curve=[0.5, 0.8, 0.9])
    ((run,), troubles) = read_runs([tmp_path / "a"])
    assert troubles == []
    assert (run.name, run.seed, run.status, run.parameters, run.seconds) == ("a", 3, "finished", 17283, 10.0)
    assert run.settings["optimizer"] == "adam" and run.settings["optimizer.lr"] == 0.003
    assert run.settings["seed"] == 3 and run.settings["optimizer.betas"] == [0.9, 0.999]
    assert run.metrics["test/accuracy"] == 0.91 and run.measures["accuracy"].unit == "%"
    assert [row["val/accuracy"] for row in run.epochs] == [0.5, 0.8, 0.9] and run.epochs_trouble is None
    assert run.is_finished and run.is_ended and not run.is_diverged


def test_folders_of_any_depth_each_run_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    outputs = Path("outputs")
    made_sweep(
        outputs / "sweep-a", {"sgd": {"optimizer": "sgd"}, "adam": {"optimizer": "adam"}}, {"sgd": [0.9], "adam": [0.8]}
    )
    made_run(outputs / "single")
    made_run(outputs / "single" / "checkpoints" / "inner")  # within a run there are no others
    made_run(outputs / "a" / "b" / "c" / "too_deep")
    found = [str(run.folder) for run in read_runs([outputs])[0]]
    assert found == ["outputs/single", "outputs/sweep-a/adam_seed-0", "outputs/sweep-a/sgd_seed-0"]
    assert [str(run.folder) for run in read_runs([Path(".")])[0]] == found
    assert [str(run.folder) for run in read_runs([outputs / "sweep-a", outputs, outputs / "single"])[0]] == found


@pytest.mark.skipif(sys.platform == "win32", reason="links want a right there")
def test_links_lead_to_a_run_once_and_never_in_a_circle(tmp_path: Path) -> None:
    made_run(tmp_path / "real" / "a")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "again").symlink_to(tmp_path / "real" / "a")
    (tmp_path / "real" / "circle").symlink_to(tmp_path)
    (tmp_path / "real" / "nowhere").symlink_to(tmp_path / "gone")
    runs, troubles = read_runs([tmp_path])
    assert len(runs) == 1 and troubles == []


def test_jobs_keep_the_order_in_which_they_were_typed(tmp_path: Path) -> None:
    made_sweep(tmp_path, {name: {"optimizer": name} for name in VALUES}, VALUES)
    cells = {"1": "sgd_seed-0", "2": "adam_seed-0"}
    (tmp_path / "sweep.json").write_text(json.dumps({"format_version": 2, "cells": cells}), encoding="utf-8")
    assert {run.name: run.turn for run in read_runs([tmp_path])[0]} == {"adam_seed-0": 1, "sgd_seed-0": 0}


def test_a_run_that_says_running_died_unless_somebody_is_at_it(tmp_path: Path) -> None:
    made_run(tmp_path / "a", state="died")
    made_run(tmp_path / "b")
    assert statuses(tmp_path) == {"a": "died", "b": "finished"}
    assert reasons(tmp_path) == {"a": "died before its end"}
    with locked(tmp_path / "a" / LOCK):
        assert statuses(tmp_path) == {"a": "running", "b": "finished"}
        assert reasons(tmp_path) == {"a": "is still running"}


def test_a_job_of_a_cluster_runs_while_its_queue_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def words(jobs: object) -> dict[str, str]:
        asked.append(jobs)
        return {"17_0": "RUNNING", "17_1": "COMPLETED"}

    monkeypatch.setattr(slurm_queue, "words", words)
    for name in "ab":
        made_run(tmp_path / name, state="died")
    (tmp_path / "slurm").mkdir()
    slurm_queue.write(tmp_path, {name: slurm_queue.Submitted(f"17_{n}", "out") for n, name in enumerate("ab")})
    assert statuses(tmp_path) == {"a": "running", "b": "died"} and len(asked) == 1

    def nobody_answers(jobs: object) -> dict[str, str]:
        raise UserError("squeue does not answer")

    monkeypatch.setattr(slurm_queue, "words", nobody_answers)
    assert statuses(tmp_path) == {"a": "running", "b": "running"}


def test_a_run_that_ends_between_two_looks_did_not_die(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dlexp.report.reading import run_files

    made_run(tmp_path / "a", state="died")
    finished = made_run(tmp_path / "b") / RECORD

    def ends(path: Path) -> bool:
        (tmp_path / "a" / RECORD).write_bytes(finished.read_bytes())
        return False

    monkeypatch.setattr(run_files, "is_held", ends)
    assert statuses(tmp_path)["a"] == "finished"


@pytest.mark.parametrize(
    ("state", "facts", "is_diverged"),
    [
        ("diverged", {}, True),
        ("failed", {}, False),
        ("finished", {"metrics": {"train/loss": 0.1, "test/loss": None, "test/accuracy": 0.1}}, True),
        ("finished", {"metrics": {"train/loss": 0.1, "test/auc": None}}, False),
    ],
)
def test_diverged_is_a_loss_that_is_no_number(tmp_path: Path, state: str, facts: dict, is_diverged: bool) -> None:  # type: ignore[type-arg]
    made_run(tmp_path / "a", state=state, **facts)
    ((run,), _) = read_runs([tmp_path])
    assert run.is_diverged is is_diverged


HOSTILE = {
    "no JSON": "{",
    "a list": "[]",
    "brackets": "[" * 100_000,
    "a seed that is none": {"seed": "0"},
    "words that are numbers": {"overrides": [1]},
    "a metric that is text": {"metrics": {"test/accuracy": "0.9"}},
    "an error that is a list": {"error": ["x"]},
    "a choice that is a list": {"choices": {"model": [], "data": "x", "optimizer": "y"}},
    "a state of its own": {"status": "winning"},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_record_of_a_stranger_is_named_and_the_rest_is_read(tmp_path: Path, name: str) -> None:
    made_run(tmp_path / "good")
    bad = made_run(tmp_path / "bad") / RECORD
    content = HOSTILE[name]
    text = content if isinstance(content, str) else json.dumps(json.loads(bad.read_text(encoding="utf-8")) | content)
    bad.write_text(text, encoding="utf-8")
    runs, troubles = read_runs([tmp_path])
    assert [run.name for run in runs] == ["good"] and [each.folder.name for each in troubles] == ["bad"]
    assert "\n" not in troubles[0].reason


# Nine times the line before, over and over: 9⁸ values in 500 letters.
LAUGHS = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefghi"))
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{b}: &{b}\n  <<: [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefghi")
)
CONFIGS = {
    "no mapping": "[1, 2]",
    "no YAML": "a: [",
    "deep": "[" * 100_000,
    "deep blocks": "- " * 100_000,
    "references upon references": LAUGHS,
    "merges upon merges": MERGES,
    "itself": "a: &a [*a]",
    "an object": "a: !!python/object/apply:os.system ['touch hacked']",
    "a number without end": f"a: {'9' * 5000}",
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_of_a_stranger_takes_neither_memory_nor_the_process(tmp_path: Path, name: str) -> None:
    made_run(tmp_path / "good")
    (made_run(tmp_path / "bad") / CONFIG).write_text(CONFIGS[name], encoding="utf-8")
    began = time.process_time()
    assert reasons(tmp_path) == {"bad": "has a config.yaml that is damaged"}
    assert time.process_time() - began < 5 and not (tmp_path / "hacked").exists()


def test_what_else_is_left_out_is_named(tmp_path: Path) -> None:
    for state in ("finished", "damaged", "older", "newer", "bare", "stopped", "pruned"):
        made_run(tmp_path / state, state=state)
    (made_run(tmp_path / "huge") / RECORD).write_bytes(b" " * 33 * 2**20)
    (made_run(tmp_path / "binary") / CONFIG).write_bytes(b"\xff\xfe")
    (tmp_path / "folder" / RECORD).mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    assert reasons(tmp_path, tmp_path / "empty") == {
        "damaged": "has a run.json that is damaged",
        "older": "was written by an older version of dlexp",
        "newer": "was written by a newer version of dlexp",
        "bare": "has no config.yaml",
        "stopped": "was stopped before its end",
        "pruned": "was ended early by a search",
        "huge": "has a run.json of 33 MB, which no run writes",
        "binary": "has a config.yaml that is damaged: it is no UTF-8",
        "folder": "has no run.json",
        "empty": "holds no run",
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders there")
def test_nobody_waits_for_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / RECORD)
    made_run(tmp_path / "good")
    assert reasons(tmp_path) == {"pipe": "has no run.json"}


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_run(tmp_path / "open" / "a")
    (tmp_path / "closed").mkdir()
    scan = os.scandir

    def refusing(folder: Path):  # type: ignore[no-untyped-def]
        if Path(folder).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    assert reasons(tmp_path) == {"closed": "can't be read (Permission denied)"}


def test_numbers_of_a_stranger_are_numbers_or_none(tmp_path: Path) -> None:
    path = made_run(tmp_path / "a") / RECORD
    text = path.read_text(encoding="utf-8").replace(
        '"test/accuracy": 0.9', f'"test/accuracy": 1{"0" * 400}, "x": NaN, "y": 1e999'
    )
    path.write_text(text, encoding="utf-8")
    (tmp_path / "a" / MODEL).write_text('{"parameters": "many"}', encoding="utf-8")
    ((run,), _) = read_runs([tmp_path])
    assert [run.metrics[key] for key in ("test/accuracy", "x", "y")] == [None, None, None] and run.parameters is None


def test_damaged_metrics_leave_a_run_without_curves(tmp_path: Path) -> None:
    (made_run(tmp_path / "a") / METRICS).write_text("{}\n{}\n", encoding="utf-8")
    ((run,), _) = read_runs([tmp_path])
    assert run.epochs == [] and "line 1, is damaged" in (run.epochs_trouble or "")


def test_folders_that_hold_nothing(tmp_path: Path) -> None:
    made_run(tmp_path / "outputs" / "a", state="damaged")
    (tmp_path / "outputs2").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"there is no folder .*output\. Did you mean '.*outputs'\?"):
        read_runs([tmp_path / "output"])
    (tmp_path / "outputs" / "report").mkdir()
    with pytest.raises(UserError, match=r"there is no folder .*repor$"):
        read_runs([tmp_path / "outputs" / "repor"])
    with pytest.raises(UserError, match="file is a file; a report takes folders"):
        read_runs([tmp_path / "file"])
    with pytest.raises(UserError, match="no run lies in .*outputs2"):
        read_runs([tmp_path / "outputs2"])
    with pytest.raises(UserError, match="no run lies in .* that can be read: .*a has a run.json that is damaged"):
        read_runs([tmp_path / "outputs"])
