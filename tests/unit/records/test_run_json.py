"""run.json, the environment and the metrics file: whole or not there, and readable without torch."""

import json
import os
import platform
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dlexp.errors import UserError
from dlexp.machine import environment
from dlexp.records import run_json
from dlexp.records.metrics import read_metrics

LINES = [
    '{"kind": "steps", "epoch": 1, "step": 1}',
    '{"kind": "epoch", "epoch": 2, "step": 2, "train/loss": null}',
]


def test_json_knows_no_nan(tmp_path: Path) -> None:
    data = {"a": float("nan"), "b": [float("inf"), 0.1], "path": Path("x"), "名": (1, True, None), 3: "three"}
    run_json.write_json(tmp_path / "data.json", data)
    text = (tmp_path / "data.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": None, "b": [None, 0.1], "path": "x", "名": [1, True, None], "3": "three"}
    assert "名" in text


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.json"
    run_json.write_json(path, {"old": 1})

    def full(*_: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        run_json.write_json(path, {"new": 1})
    assert run_json.read_json(path) == {"old": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_that_holds_the_file_open_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, refusals = os.replace, [PermissionError(13, "in use"), PermissionError(13, "in use")]

    def sometimes(source: str, target: Path) -> None:
        if refusals:
            raise refusals.pop()
        replace(source, target)

    monkeypatch.setattr(os, "replace", sometimes)
    run_json.write_json(tmp_path / "run.json", {"new": 1})
    assert run_json.read_json(tmp_path / "run.json") == {"new": 1}


@pytest.mark.parametrize("end", ['{"epoch": 3, "step": 3, "train/lo', '{"step": 3, "name": "é'])
def test_a_truncated_last_line_is_left_out(tmp_path: Path, end: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"".join(line.encode() + b"\n" for line in LINES) + end.encode()[:-1])
    assert read_metrics(tmp_path) == [json.loads(line) for line in LINES]


def test_a_line_without_its_kind_is_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"epoch": 1, "step": 1, "train/loss": 1.0}\n', encoding="utf-8")
    with pytest.raises(UserError, match="line 1, is damaged .its kind is none of epoch, steps, test"):
        read_metrics(tmp_path)


def test_a_damaged_line_in_the_middle_is_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(f'{LINES[0]}\n{{"st\n{LINES[1]}\n', encoding="utf-8")
    with pytest.raises(UserError, match="metrics.jsonl, line 2, is damaged"):
        read_metrics(tmp_path)


def test_a_run_record_tells_how_the_run_ended(tmp_path: Path) -> None:
    folder = tmp_path / "mlp-spiral"
    folder.mkdir()
    run = run_json.RunRecord.new(folder, seed=3, overrides=["epochs=2"])
    started = run_json.read_json(folder / "run.json")
    assert started["status"] == "running"
    assert started["format_version"] == run_json.FORMAT_VERSION
    assert (started["name"], started["seed"], started["overrides"]) == ("mlp-spiral", 3, ["epochs=2"])
    assert datetime.fromisoformat(started["started"]).utcoffset() is not None
    assert started["ended"] is None

    run.note(estimate_seconds=12.0)
    run.finished({"test/accuracy": 0.98, "val/loss": float("nan")}, chosen_epoch=2, measures={})
    ended = run_json.read_json(folder / "run.json")
    assert ended["status"] == "finished"
    assert ended["metrics"] == {"test/accuracy": 0.98, "val/loss": None}
    assert (ended["chosen_epoch"], ended["estimate_seconds"], ended["error"]) == (2, 12.0, None)
    assert ended["seconds"] >= 0
    assert ended["started"] <= ended["ended"]


@pytest.mark.parametrize("status", ["failed", "stopped"])
def test_a_run_that_did_not_finish_says_why(tmp_path: Path, status: str) -> None:
    run = run_json.RunRecord.new(tmp_path, seed=0, overrides=[])
    run.broken_off(status, "the loss became nan in epoch 2")
    ended = run_json.read_json(tmp_path / "run.json")
    assert (ended["status"], ended["error"]) == (status, "the loss became nan in epoch 2")


def _git(folder: Path, *words: str) -> None:
    command = [
        "git",
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@example.org",
        "-c",
        "commit.gpgsign=false",
        *words,
    ]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def test_the_environment_names_the_revision_and_whether_it_is_dirty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        _git(tmp_path, "init", "-q")
    except FileNotFoundError:
        pytest.skip("git is not installed")
    (tmp_path / "a").write_text("a", encoding="utf-8")
    _git(tmp_path, "add", "a")
    _git(tmp_path, "commit", "-qm", "first")
    monkeypatch.chdir(tmp_path)
    facts = environment.environment({"type": "cpu"})
    assert len(facts["git"]["revision"]) == 40
    assert facts["git"]["dirty"] is False
    assert facts["device"] == {"type": "cpu"}
    assert facts["packages"]["torch"]
    assert facts["python"] == platform.python_version()
    assert facts["cpu"]["name"]
    assert 1 <= facts["cpu"]["usable_cores"] <= facts["cpu"]["cores"]
    assert platform.node() not in json.dumps(facts) or len(platform.node()) < 4

    (tmp_path / "a").write_text("b", encoding="utf-8")
    state = environment.git_state(tmp_path)
    assert state is not None and state["dirty"] is True


def test_no_repository_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert environment.git_state(tmp_path) is None


@pytest.mark.parametrize(
    "error", [FileNotFoundError("git"), subprocess.TimeoutExpired("git", 5), PermissionError("git")]
)
def test_git_missing_or_hanging_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(subprocess, "run", fail)
    assert environment.git_state(tmp_path) is None


@pytest.fixture
def cpu_info(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Linux's file about the processor, which is not there yet; a machine that tells nothing else."""
    monkeypatch.setattr(environment, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setitem(sys.modules, "winreg", None)
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    return environment.CPU_INFO


def test_the_processor_is_named_on_linux(cpu_info: Path) -> None:
    cpu_info.write_text("processor\t: 0\nmodel name\t: Some CPU @ 3.00GHz\n", encoding="utf-8")
    assert environment.cpu_name() == "Some CPU @ 3.00GHz"
    cpu_info.write_text("processor\t: 0\nBogoMIPS\t: 50\n", encoding="utf-8")
    assert environment.cpu_name() == "riscv64"


def test_the_processor_is_named_on_macos(cpu_info: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(stdout="Apple M9\n"))
    assert environment.cpu_name() == "Apple M9"


def test_the_processor_is_named_on_windows(cpu_info: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = SimpleNamespace(
        HKEY_LOCAL_MACHINE=0, OpenKey=lambda *_: "key", QueryValueEx=lambda *_: ("Other CPU  ", 1)
    )
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    monkeypatch.setitem(sys.modules, "winreg", registry)
    assert environment.cpu_name() == "Other CPU"


def test_a_system_that_tells_nothing_gives_its_architecture(cpu_info: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert environment.cpu_name() == "riscv64"
    assert environment.usable_cores() == os.cpu_count()


CHOSEN = ("model", "data", "optimizer")


@pytest.mark.parametrize(
    "broken",
    [{"overrides": [3]}, {"resumed": [{"started": "now"}]}, {"resumed": [{"started": "now", "overrides": [None]}]}],
    ids=str,
)
def test_a_record_whose_words_are_no_words_is_none(tmp_path: Path, broken: dict[str, Any]) -> None:
    """A resume joins the words of all sessions, and a folder may be a stranger's."""
    run_json.RunRecord.new(tmp_path, seed=0, overrides=["seed=0"], choices=dict.fromkeys(CHOSEN, "one"), follows={})
    entry = run_json.read_json(tmp_path / "run.json")
    assert run_json.read_entry(tmp_path) is not None
    run_json.write_json(tmp_path / "run.json", entry | broken)
    assert run_json.read_entry(tmp_path) is None
