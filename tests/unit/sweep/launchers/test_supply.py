"""Jobs that come while others run: no worker waits for another, and those that lag are told to save and end."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dlexp.config.composed import Composed
from dlexp.errors import UserError
from dlexp.records import run_json
from dlexp.sweep.launchers import local
from dlexp.sweep.launchers.launcher import Launcher, launch_from

RECORD: dict[str, Any] = {
    "format_version": run_json.FORMAT_VERSION, "status": "running", "name": "x", "started": "", "overrides": [],
    "resumed": [], "seconds": None, "chosen_epoch": None, "metrics": {}, "error": None, "follows": {},
    "choices": {"model": "mlp", "data": "spiral", "optimizer": "sgd"},
}  # fmt: skip


class Process:
    """Stands for a job's process; `heard` are the signals it was sent."""

    def __init__(self) -> None:
        self.exitcode: int | None = None
        self.heard: list[str] = []
        self.pid = None

    def is_alive(self) -> bool:
        return self.exitcode is None

    def terminate(self) -> None:
        self.heard.append("terminate")


class Jobs:
    """Starts processes that end when a test says so. `began` is called with the number of each that starts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, began: Any) -> None:
        self.processes: list[Process] = []
        self.folders: list[Path] = []

        def start(context: Any, job: Composed, folder: Path, **given: Any) -> tuple[Process, Any]:
            self.processes.append(Process())
            self.folders.append(folder)
            began(self, len(self.processes))
            return self.processes[-1], SimpleNamespace(poll=lambda: False, close=lambda: None)

        monkeypatch.setattr(local, "start", start)


class Supply:
    """One job at a time, as it is asked for; `told` is who shall stop."""

    def __init__(self, parent: Path, total: int) -> None:
        self.total, self.num_done, self.parent, self.given = total, 0, parent, 0
        self.told: dict[Path, str] = {}

    def more(self) -> Sequence[tuple[Composed, Path]]:
        if self.given == self.total:
            return []
        self.given += 1
        return [(Composed({}, [], {}), self.parent / f"job-{self.given}")]

    def to_stop(self, running: Sequence[Path]) -> Mapping[Path, str]:
        assert len(set(running)) == len(running) <= 2
        return {folder: why for folder, why in self.told.items() if folder in running}


SETTINGS = {"device": "cpu", "jobs_per_gpu": None, "n_jobs": 2, "on_error": "continue"}


def test_no_worker_waits_for_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The first job ends only when the fifth has begun: a launcher that waited for both of a pair would never end."""
    supply = Supply(tmp_path, 5)

    def began(jobs: Jobs, number: int) -> None:
        assert supply.given == number, "a job is asked for when it may start, and not before"
        if number > 1:
            jobs.processes[-1].exitcode = 0
        if number == 5:
            jobs.processes[0].exitcode = 0

    jobs = Jobs(monkeypatch, began)
    ends = local.Local(SETTINGS).launch_from(supply, 5)
    assert list(ends.values()) == [None] * 5 and {*ends} == {*jobs.folders} and len(jobs.folders) == 5


def test_a_job_that_is_told_to_end_is_pruned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    supply = Supply(tmp_path, 2)

    def began(jobs: Jobs, number: int) -> None:
        folder = jobs.folders[-1]
        folder.mkdir()
        process = jobs.processes[-1]
        status = "stopped" if number == 1 else "finished"

        def terminate() -> None:
            process.heard.append("terminate")
            run_json.write_json(folder / "run.json", RECORD | {"status": status, "error": "stopped by SIGTERM"})
            process.exitcode = 143 if number == 1 else 0

        monkeypatch.setattr(process, "terminate", terminate)
        supply.told[folder] = f"it lags {number}"

    jobs = Jobs(monkeypatch, began)
    ends = local.Local(SETTINGS).launch_from(supply, 2)
    assert [each.heard for each in jobs.processes] == [["terminate"]] * 2, "each is told once"
    entries = [run_json.read_entry(folder) for folder in jobs.folders]
    assert [(each["status"], each["error"]) for each in entries if each] == [
        ("pruned", "it lags 1"),
        ("finished", "stopped by SIGTERM"),  # it came to its end before it heard
    ]
    assert list(ends.values()) == [None, None]


def test_after_a_failure_nothing_more_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    supply = Supply(tmp_path, 5)

    def began(jobs: Jobs, number: int) -> None:
        jobs.processes[-1].exitcode = 1

    Jobs(monkeypatch, began)
    ends = local.Local(SETTINGS | {"n_jobs": 1, "on_error": "stop"}).launch_from(supply, 5)
    assert len(ends) == supply.given == 1 and isinstance(ends[tmp_path / "job-1"], UserError)


def test_a_launcher_of_known_jobs_says_so() -> None:
    class Own(Launcher):
        is_here = True

    for each in (Own(), SimpleNamespace(launch=None)):
        with pytest.raises(UserError, match="search=qmc search.prune=none goes with every launcher"):
            launch_from(each)(Supply(Path(), 1), 1)
