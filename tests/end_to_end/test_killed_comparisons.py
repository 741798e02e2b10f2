"""Comparisons that are killed, or whose disk is full: the same command ends in the report of one left alone."""

import contextlib
import errno
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import jobs_of, start
from timeless import timeless

from dlexp.compare import course
from dlexp.config.composed import Composed
from dlexp.report.reading.plan import read_plan
from dlexp.sweep import ledger
from dlexp.sweep.launchers import job_process

pytestmark = [
    pytest.mark.usefixtures("known_pace"),
    pytest.mark.skipif(os.name != "posix", reason="signals are sent as on Linux and macOS"),
]

WORDS = ["compare", "optimizer=sgd,adam", "model.width=8", "tune=optimizer.lr", "trials=3", "seeds=2"]
WORDS += ["data.points_per_class=60", "epochs=2", "pictures=false", "threads=1"]
FOLDER = Path("outputs/compare-mlp-spiral-sgd-adam")
REPORT = FOLDER / "report"
TARGETS = ("parent", "jobs", "both")


def killed_once(job: Composed, *others: Any) -> None:
    """Stands for `run_child`: the first time, a trial and a final run are killed before they do anything."""
    for word, mark in (("optimizer.lr=0.0056", "trial"), ("seed=2", "final")):
        if {word, "optimizer=adam"} <= set(job.words) and not Path(mark).exists():
            Path(mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)
    job_process.run_child(job, *others)


@pytest.mark.slow
def test_a_killed_job_is_trained_by_the_same_command(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [*WORDS, "n_jobs=2"]
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "whole")
    assert cli(*words).code == 0
    whole = timeless(REPORT)
    monkeypatch.chdir(tmp_path / "killed")
    monkeypatch.setattr(job_process, "run_child", killed_once)
    codes = []
    for _ in range(3):
        ended = cli(*words)
        codes.append(ended.code)
        if ended.code:
            assert "the same command goes on" in ended.out and "SIGKILL" in ended.out, ended
            plan = read_plan(FOLDER)
            assert plan is not None and plan.looks == []
    assert codes == [1, 1, 0] and timeless(REPORT) == whole


def full_once(job: Composed, *others: Any) -> None:
    """Stands for `run_child`: the first time, the disk of a trial and of a final run is full."""
    import resource

    for word, mark in (("optimizer.lr=0.0056", "trial"), ("seed=2", "final")):
        if {word, "optimizer=adam"} <= set(job.words) and not Path(mark).exists():
            Path(mark).touch()
            resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
    job_process.run_child(job, *others)


@pytest.mark.slow
def test_a_full_disk_has_no_part_in_the_answer(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reports, codes = [], []
    for name, child in (("whole", job_process.run_child), ("full", full_once)):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        monkeypatch.setattr(job_process, "run_child", child)
        codes += [cli(*WORDS).code for _ in range(3)]
        reports.append(timeless(REPORT))
    assert codes == [0, 0, 0, 1, 1, 0] and reports[0] == reports[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "home",
    [
        pytest.param((ledger.run_json, "write_json"), id="ledger"),
        pytest.param((course, "write_plan"), id="plan", marks=pytest.mark.slow),
    ],
)
def test_a_disk_that_is_full_at_the_start_leaves_no_folder(
    cli, workdir: Path, monkeypatch: pytest.MonkeyPatch, home: tuple[Any, str]
) -> None:
    """Else the same command would begin anew in a folder of another name."""

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*home, full)
    ended = cli(*WORDS)
    assert ended.code == 1 and "No space left on device" in ended.err and "Traceback" not in ended.err
    assert list(workdir.glob("outputs/*/")) == []


def kill_at_random(process: subprocess.Popen[str], target: str, draw: random.Random) -> bool:
    """Kills the parent, its jobs or both at a random moment at which jobs run; returns whether it came to that."""
    while process.poll() is None:
        time.sleep(draw.uniform(0.2, 4.0))
        if jobs := jobs_of(process.pid):
            for number in {"parent": [process.pid], "jobs": jobs, "both": [process.pid, *jobs]}[target]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            return True
    return False


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_kill_9_at_random_moments(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command, killed again and again, ends in the report of one that nobody disturbed."""
    words = [*WORDS, "n_jobs=2", "epochs=150"]
    (tmp_path / "whole").mkdir()
    monkeypatch.chdir(tmp_path / "whole")
    assert cli(*words).code == 0
    whole, draw, kills, comparisons = timeless(REPORT), random.Random(0), dict.fromkeys(TARGETS, 0), 0
    wanted = 30 if os.environ.get("DLEXP_PROOF") == "full" else 3
    while sum(kills.values()) < wanted:
        comparisons += 1
        (tmp_path / f"killed-{comparisons}").mkdir()
        monkeypatch.chdir(tmp_path / f"killed-{comparisons}")
        code = 1
        while code:
            process = start(words, Path.cwd(), start_new_session=True)
            target = min(kills, key=lambda each: kills[each])
            if sum(kills.values()) < wanted and kill_at_random(process, target, draw):
                kills[target] += 1
            out, _ = process.communicate(timeout=300)
            code = process.returncode
            told = code == -signal.SIGKILL or "the same command goes on" in out
            assert code == 0 or told and "Traceback" not in out, out
        assert timeless(REPORT) == whole
        print(f"{comparisons} comparisons, killed so far: {kills}")
