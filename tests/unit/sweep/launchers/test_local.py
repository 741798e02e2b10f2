"""Between a sweep and its jobs: who hears which signal, who is ended, and what is said of a job's end."""

import importlib
import os
import runpy
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dlexp.config.composed import Composed
from dlexp.errors import UserError
from dlexp.machine import processes, signals
from dlexp.sweep.launchers import local
from dlexp.sweep.table import report

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals are sent as on Linux and macOS")


class Job:
    """Stands for a job's process, which ends when it hears one of `ends`: a signal, "terminate" or "kill"."""

    def __init__(self, pid: int, *ends: object) -> None:
        self.pid, self.ends = pid, ends
        self.heard: list[object] = []
        self.exitcode: int | None = None

    def hear(self, what: object) -> None:
        self.heard.append(what)
        if what in self.ends:
            self.exitcode = 1

    def terminate(self) -> None:
        self.hear("terminate")

    def kill(self) -> None:
        self.hear("kill")

    def is_alive(self) -> bool:
        return self.exitcode is None

    def join(self, timeout: float) -> None:
        pass


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Three jobs: one that does as it is told, one that does when it is told twice, and one that never does."""
    jobs = [Job(0, signal.SIGTERM), Job(1, "terminate"), Job(2, "kill")]
    monkeypatch.setattr(os, "kill", lambda pid, number: jobs[pid].hear(number))
    return jobs


def launched(jobs: list[Job], monkeypatch: pytest.MonkeyPatch, begins: Callable[[Job], Any], **settings: Any) -> Any:
    """Launches jobs, each of which begins with `begins`; returns what each ends with and what it was started with."""
    waiting, options = iter(jobs), []

    def poll() -> bool:  # as Windows answers where nobody holds the other end
        raise BrokenPipeError

    def start(context: Any, job: Composed, folder: Path, **given: Any) -> tuple[Job, Any]:
        options.append(given)
        process = next(waiting)
        begins(process)
        return process, SimpleNamespace(poll=poll, close=lambda: None)

    monkeypatch.setattr(local, "start", start)
    config = {"device": "cpu", "jobs_per_gpu": None, "n_jobs": 8, "on_error": "continue"} | settings
    runs = [Composed({}, [f"seed={job.pid}"], {}) for job in jobs]
    folders = [Path(f"seed-{job.pid}") for job in jobs]
    return local.Local(config).launch(runs, folders, num_cells=3), options


def stopped(jobs: list[Job], monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Launches jobs; the signal comes when the last of them has started."""
    launched(jobs, monkeypatch, lambda job: signal.raise_signal(number) if job is jobs[-1] else None)


@POSIX
def test_a_job_that_does_not_listen_is_ended(monkeypatch: pytest.MonkeyPatch, jobs: list[Job]) -> None:
    stopped(jobs, monkeypatch, signal.SIGTERM)
    told = [signal.SIGTERM, "terminate", "kill"]
    assert [job.heard for job in jobs] == [told[:1], told[:2], told]


@POSIX
def test_a_second_signal_ends_the_jobs_at_once(monkeypatch: pytest.MonkeyPatch, jobs: list[Job]) -> None:
    def join(timeout: float) -> None:
        if jobs[1].heard == [signal.SIGINT]:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(jobs[0], "join", join)
    stopped(jobs[:2], monkeypatch, signal.SIGINT)
    assert jobs[1].heard == [signal.SIGINT, "terminate"]


@POSIX
def test_a_job_that_starts_when_a_signal_comes_is_told(monkeypatch: pytest.MonkeyPatch, jobs: list[Job]) -> None:
    ends, _ = launched(jobs[:2], monkeypatch, lambda job: signal.raise_signal(signal.SIGTERM))
    assert [job.heard for job in jobs[:2]] == [[signal.SIGTERM], []]
    assert all(isinstance(end, signals.StopRequested) for end in ends)


@POSIX
def test_a_job_that_ends_when_a_signal_comes_has_a_result(monkeypatch: pytest.MonkeyPatch, jobs: list[Job]) -> None:
    monkeypatch.setattr(local, "reason", lambda code: signal.raise_signal(signal.SIGTERM))
    ends, _ = launched(jobs[:1], monkeypatch, lambda job: job.hear(signal.SIGTERM))
    assert isinstance(ends[0], signals.StopRequested)


@POSIX
def test_an_error_leaves_no_job_behind(monkeypatch: pytest.MonkeyPatch, jobs: list[Job]) -> None:
    def begins(job: Job) -> None:
        if job.pid == 1:
            raise OSError("no more processes")

    with pytest.raises(OSError, match="no more processes"):
        launched(jobs, monkeypatch, begins)
    assert [job.heard for job in jobs] == [[signal.SIGTERM], [], []]


@pytest.mark.parametrize("num_jobs, sharers", [(1, 1), (2, 2), (8, 3)])
def test_cores_are_shared_by_as_many_jobs_as_a_sweep_has(
    monkeypatch: pytest.MonkeyPatch, jobs: list[Job], num_jobs: int, sharers: int
) -> None:
    """Also when some are done: what is left computes with as many threads as beside the others."""
    _, options = launched(jobs[:1], monkeypatch, lambda job: job.hear(signal.SIGTERM), n_jobs=num_jobs)
    assert options == [{"quiet": False, "sharers": sharers, "gpu": None}]


def tell_of_the_server(sender: Connection) -> None:
    """Stands for a job: tells which process forked it, and which signals it does not hear."""
    processes.live_with_parent()
    sender.send((os.getppid(), signal.pthread_sigmask(signal.SIG_BLOCK, [])))


@POSIX
def test_the_server_outlives_signals_and_its_jobs_hear_them() -> None:
    context: Any = processes.children_context(local.PRELOAD)
    servers = []
    for number in (*signals.SIGNALS, None):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=tell_of_the_server, args=(sender,))
        process.start()
        sender.close()
        server, unheard = receiver.recv()
        process.join()
        assert process.exitcode == 0 and not set(signals.SIGNALS) & unheard
        servers.append(server)
        if number is not None:
            os.kill(server, number)
    assert len(set(servers)) == 1


@POSIX
def test_the_server_hears_no_signal_while_it_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = []
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    monkeypatch.setattr(
        importlib, "import_module", lambda name: blocked.append(signal.pthread_sigmask(signal.SIG_BLOCK, []))
    )
    try:
        runpy.run_module(local.PRELOAD)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert blocked and all(set(signals.SIGNALS) <= each for each in blocked)


@POSIX
def test_who_was_told_to_stop_is_not_told_again_when_the_parent_ends() -> None:
    with signals.listening() as heard, heard.patient():
        signals.stop_unless_asked()
        assert heard.requested == signal.SIGTERM
        signals.stop_unless_asked()  # a second signal would end this process


def test_why_a_job_failed() -> None:
    old: dict[str, Any] = {"status": "failed", "metrics": {}, "seconds": 1.0, "error": "the loss became nan"}
    died = UserError("exit code 1")
    assert report(old | {"seconds": 2.0}, old, died)["error"] == "the loss became nan"
    assert report(old, old, died)["error"] == "exit code 1", "it ended before it could write anything"
    assert report(old, old, KeyboardInterrupt())["error"] == "the loss became nan", "it was not started again"
    assert report(old | {"status": "running", "error": None}, old, died)["status"] == "died"
    assert report(None, None, died) | {"metrics": None} == {
        "status": "not started", "metrics": None, "seconds": None, "error": "exit code 1",
    }  # fmt: skip
