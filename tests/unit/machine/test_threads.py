"""Threads beside other programs: idle ones sleep soon, and a run that waits for cores says so once."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from conftest import child_environment

from dlexp import api
from dlexp.machine import busy_cores
from dlexp.machine.busy_cores import BusyCores, thread_times, waiting_share
from dlexp.machine.threads import CHOSEN_BY, short_spinning

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="torch's wheels for Linux bring libgomp")
# Says what stood in the environment at the moment when torch is imported, and takes it for an end.
WATCH = """
import os, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print("spins:", os.environ.get("GOMP_SPINCOUNT"), flush=True)
            os._exit(0)
sys.meta_path.insert(0, Watch())
"""
WAYS = {
    "command": "from dlexp.__main__ import main; main(['max_steps=1'])",
    "find": "from dlexp.__main__ import main; main(['find', 'lr'])",
    "run": "from dlexp import run; run(['max_steps=1'])",
    "load": "from dlexp import load; load('.')",
}


@pytest.fixture
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CHOSEN_BY:
        monkeypatch.delenv(name, raising=False)


def spins_at_import_of_torch(way: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", WATCH + WAYS[way]],
        capture_output=True,
        encoding="utf-8",
        env=child_environment() | variables,
        timeout=60,
    )
    return done.stdout.rpartition("spins: ")[2].strip() or done.stderr


@pytest.mark.parametrize("way", WAYS)
def test_idle_threads_sleep_soon(nothing_chosen: None, workdir: Path, way: str) -> None:
    assert spins_at_import_of_torch(way) == "10000"


@pytest.mark.parametrize("name", CHOSEN_BY)
def test_what_a_person_has_set_is_left_alone(
    nothing_chosen: None, monkeypatch: pytest.MonkeyPatch, workdir: Path, name: str
) -> None:
    monkeypatch.setenv(name, "5")
    before = dict(os.environ)
    with short_spinning():
        assert dict(os.environ) == before
    assert dict(os.environ) == before


def test_the_environment_is_afterwards_as_it_was(nothing_chosen: None) -> None:
    with pytest.raises(KeyError), short_spinning():
        assert os.environ["GOMP_SPINCOUNT"] == "10000"
        raise KeyError
    assert "GOMP_SPINCOUNT" not in os.environ


@LINUX
@pytest.mark.slow
def test_jobs_of_a_sweep_get_it_from_the_server_that_forks_them(nothing_chosen: None, workdir: Path) -> None:
    """The server is a Python of its own, which has it from the command's environment and loads torch."""
    (workdir / "sitecustomize.py").write_text(
        WATCH.replace("os._exit(0)", "sys.meta_path.remove(self)"), encoding="utf-8"
    )
    code = "from dlexp.__main__ import main; main(['-m', 'seed=0,1', 'max_steps=1', 'pictures=false', 'epochs=1'])"
    path = os.pathsep.join([str(workdir), child_environment()["PYTHONPATH"]])
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env=child_environment() | {"PYTHONPATH": path},
        encoding="utf-8",
    )
    assert done.returncode == 0
    assert set(re.findall("spins: .*", done.stdout)) == {"spins: 10000"}


class Machine:
    """Simulated clocks: every second a run's threads want `threads` cores, and wait for `share` of what they want."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, threads: int, share: float) -> None:
        self.seconds, self.threads, self.share = 0.0, threads, share
        monkeypatch.setattr(busy_cores.time, "perf_counter", lambda: self.seconds)
        monkeypatch.setattr(busy_cores, "thread_times", self.times)

    def times(self) -> dict[str, tuple[int, int]]:
        wanted = int(self.seconds * 1e9)
        waited = int(wanted * self.share)
        return {str(thread): (wanted - waited, waited) for thread in range(self.threads)}

    def told(self, busy: BusyCores, seconds: int = 60) -> list[str]:
        """What is said in that time, asked ten times a second."""
        said = []
        for _ in range(10 * seconds):
            self.seconds += 0.1
            said.append(busy.sentence())
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


def test_nothing_is_said_of_an_idle_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, threads=2, share=0.1)
    busy = BusyCores(2, has_readers=False)
    assert machine.told(busy) == []
    machine.share, machine.seconds = 0.9, 600.0
    assert len(machine.told(busy)) == 1, "until it is no longer idle"


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


@LINUX
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
    monkeypatch.setattr(busy_cores, "thread_times", lambda: {"1": (10, 10 * next(turns))})
    result = api.run(["data.points_per_class=60", "batch_size=5", "epochs=2", "pictures=false", "log_steps=2"])
    said = "the machine is busy: this run waits 100 % of the time for a core\n"
    assert capsys.readouterr().out.count(said) == 1
    assert (result.folder / "log.txt").read_text(encoding="utf-8").count(said.strip()) == 1
