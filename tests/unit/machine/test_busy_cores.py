"""Threads beside other programs: a run that waits for cores lets its idle threads sleep, and says so once."""

import os
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from dlexp import api
from dlexp.machine import busy_cores
from dlexp.machine.busy_cores import BusyCores, thread_times, waiting_share


class Core:
    """Stands in for what holds two threads on one core."""

    holds = quiet = False

    def begin(self, threads: int) -> None:
        self.holds = threads == 2

    def end(self) -> None:
        self.holds = False

    def is_quiet(self, seconds: float) -> bool:
        assert seconds == pytest.approx(1, abs=0.2)
        return self.quiet


class Machine:
    """Simulated clocks: every second a run's threads want `threads` cores, and wait for `share` of what they want."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, threads: int, share: float) -> None:
        self.seconds, self.threads, self.share, self.waited = 0.0, threads, share, 0.0
        monkeypatch.setattr(busy_cores.time, "perf_counter", lambda: self.seconds)
        monkeypatch.setattr(busy_cores, "thread_times", self.times)
        self.spins: list[str] = []
        monkeypatch.setattr(busy_cores, "ShortSpins", lambda: self)
        self.core = Core()
        monkeypatch.setattr(busy_cores, "OneCore", lambda: self.core)

    def begin(self) -> None:
        self.spins.append("short")

    def end(self) -> None:
        self.spins.append("usual")

    def times(self) -> dict[str, tuple[int, int]]:
        waited, wanted = int(self.waited * 1e9), int(self.seconds * 1e9)
        return {str(thread): (wanted - waited, waited) for thread in range(self.threads)}

    def told(self, busy: BusyCores, seconds: int = 60) -> list[str]:
        """What is said in that time, asked ten times a second."""
        said = []
        for _ in range(10 * seconds):
            self.seconds += 0.1
            self.waited += 0.1 * self.share
            said.append(busy.look())
        return [sentence for sentence in said if sentence]


@pytest.mark.parametrize(
    "threads, jobs, words",
    [
        (2, 1, "the 2 threads of this run wait 45 % of the time for a core; threads=1 may be faster"),
        (1, 4, "this run waits 45 % of the time for a core; a lower n_jobs may be faster"),
        (2, 4, "the 2 threads of this run wait 45 % of the time for a core; threads=1 or a lower n_jobs may be faster"),
        (1, 1, "this run waits 45 % of the time for a core"),
    ],
)
def test_a_busy_machine_is_told_once(monkeypatch: pytest.MonkeyPatch, threads: int, jobs: int, words: str) -> None:
    monkeypatch.setenv("DLEXP_JOBS_AT_ONCE", str(jobs))
    machine = Machine(monkeypatch, threads=threads, share=0.45)
    assert machine.told(BusyCores(threads, has_readers=False)) == [f"the machine is busy: {words}"]


def test_nothing_is_said_of_an_idle_machine_or_of_a_short_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, threads=2, share=0.05)
    busy = BusyCores(2, has_readers=False)
    assert machine.told(busy) == []
    machine.share = 0.9
    assert machine.told(busy, seconds=3) == []
    machine.share = 0.05
    assert machine.told(busy, seconds=2) == []
    machine.share = 0.9
    assert machine.told(busy, seconds=3) == []
    assert len(machine.told(busy, seconds=4)) == 1


def test_idle_threads_sleep_while_the_machine_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, threads=2, share=0.01)
    busy = BusyCores(2, has_readers=True)  # so they are not held on one core
    machine.told(busy, seconds=4)
    assert set(machine.spins) == {"usual"}
    machine.share = 0.2
    machine.told(busy, seconds=4)
    assert machine.spins[-1] == "short"
    machine.share = 0.01
    machine.told(busy, seconds=4)
    assert machine.spins[-1] == "usual"
    machine.share = 0.2
    machine.told(busy, seconds=4)
    busy.close()
    assert machine.spins[-2:] == ["short", "usual"]


def test_threads_on_one_core_are_let_go_when_the_others_are_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, threads=2, share=0.3)
    busy = BusyCores(2, has_readers=False)
    machine.told(busy, seconds=3)
    assert machine.core.holds and machine.spins[-1] == "short"
    machine.share = 0.01
    machine.told(busy, seconds=3)
    assert machine.core.holds, "they wait for each other there, so that their share tells nothing"
    machine.core.quiet = True
    machine.told(busy, seconds=3)
    assert not machine.core.holds and machine.spins[-1] == "usual"
    machine.core.quiet, machine.share = False, 0.3
    beside_readers = BusyCores(2, has_readers=True)
    machine.told(beside_readers, seconds=3)
    assert not machine.core.holds


def test_a_machine_that_was_busy_while_the_run_began_is_known_before_the_first_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = Machine(monkeypatch, threads=2, share=0.3)
    machine.seconds, machine.waited = 10.0, 3.0
    busy = BusyCores(2, has_readers=False)
    assert machine.core.holds and machine.spins == ["short"]
    busy.close()


def test_one_thread_has_no_idle_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, threads=1, share=0.9)
    machine.told(BusyCores(1, has_readers=False))
    assert "short" not in machine.spins


def test_nothing_is_said_beside_readers_of_the_runs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Machine(monkeypatch, threads=2, share=0.9).told(BusyCores(2, has_readers=True)) == []


def test_nothing_is_said_where_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, threads=2, share=0.9)
    monkeypatch.setattr(busy_cores, "thread_times", dict)
    assert machine.told(BusyCores(2, has_readers=False)) == []


def test_threads_that_come_and_go_do_not_count() -> None:
    before = {"1": (100, 50), "2": (900, 900)}
    after = {"1": (130, 60), "3": (700, 700)}
    assert waiting_share(before, after) == 0.25
    assert waiting_share(before, before) == 0.0
    assert waiting_share({}, after) == 0.0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_the_kernel_tells_what_threads_wait() -> None:
    if not Path("/proc/self/schedstat").exists():
        pytest.skip("this kernel was built without it")
    before = thread_times()
    sum(range(3_000_000))
    after = thread_times()
    assert after.keys() >= {str(os.getpid())}
    assert sum(after[str(os.getpid())]) > sum(before[str(os.getpid())])


def test_a_run_says_it(monkeypatch: pytest.MonkeyPatch, workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    turns: Iterator[int] = count(1)
    monkeypatch.setattr(busy_cores, "WINDOW_SECONDS", 0.0)
    monkeypatch.setattr(busy_cores, "TOLD_SECONDS", 0.0)
    monkeypatch.setattr(busy_cores, "thread_times", lambda: {"1": (10, 10 * next(turns))})
    result = api.run(["data.points_per_class=60", "batch_size=5", "epochs=2", "pictures=false", "log_steps=2"])
    said = "the machine is busy: this run waits 100 % of the time for a core\n"
    assert capsys.readouterr().out.count(said) == 1
    assert (result.folder / "log.txt").read_text(encoding="utf-8").count(said.strip()) == 1
