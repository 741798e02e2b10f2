"""libgomp: every thread acts, idle ones sleep sooner, and two share a core while that is wanted; sums stay the same."""

import ctypes
import os
import sys
import threading
import time
from collections.abc import Iterator

import pytest
import torch

from dlexp.machine import openmp
from dlexp.machine.busy_cores import thread_times
from dlexp.machine.openmp import CHOSEN_BY, OneCore, ShortSpins, idle_times, in_all_threads

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="torch's wheels for Linux bring libgomp")


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in CHOSEN_BY:
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def idle_milliseconds() -> float:
    """What all threads but this one compute while this one, between two sums, sleeps 0.4 seconds altogether."""
    numbers, own = torch.ones(100_000), str(threading.get_native_id())
    numbers.sum()
    before = thread_times()
    for _ in range(20):
        numbers.sum()
        time.sleep(0.02)
    after = thread_times()
    return sum(after[name][0] - before[name][0] for name in before.keys() & after.keys() - {own}) / 1e6


def test_every_thread_acts(two_threads: None) -> None:
    acting = set()
    in_all_threads(lambda: acting.add(threading.get_native_id()), 2)
    assert len(acting) == 2
    assert threading.get_native_id() in acting


@pytest.mark.slow
@pytest.mark.skipif(not thread_times(), reason="this kernel does not tell what threads compute")
def test_idle_threads_sleep_sooner_until_the_end(two_threads: None) -> None:
    spins = ShortSpins()
    usual = idle_milliseconds()
    spins.begin()
    spins.begin()
    try:
        short = idle_milliseconds()
    finally:
        spins.end()
    again = idle_milliseconds()
    assert short < usual / 3, "100 looks for work instead of 300,000"
    assert short < again / 3


def test_sums_are_the_same(two_threads: None) -> None:
    torch.manual_seed(0)
    numbers, matrix = torch.randn(1_000_003), torch.randn(301, 301)
    usual = numbers.sum(), matrix @ matrix
    spins = ShortSpins()
    spins.begin()
    try:
        assert torch.equal(numbers.sum(), usual[0])
        assert torch.equal(matrix @ matrix, usual[1])
    finally:
        spins.end()


@pytest.mark.parametrize("name", CHOSEN_BY)
def test_what_a_person_has_chosen_is_left_alone(two_threads: None, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "5")
    assert_nothing_is_started()


@pytest.mark.parametrize("error", [OSError, TypeError])
def test_beside_another_openmp_nothing_happens(
    two_threads: None, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def no_library(name: None) -> None:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", no_library)
    in_all_threads(lambda: pytest.fail("who is this?"), 2)
    assert_nothing_is_started()


def assert_nothing_is_started() -> None:
    before = threading.active_count()
    spins = ShortSpins()
    spins.begin()
    try:
        assert threading.active_count() == before
    finally:
        spins.end()


@pytest.fixture
def cores() -> set[int]:
    found = os.sched_getaffinity(0)
    if len(found) < 2:
        pytest.skip("there is one core")
    return found


def test_two_threads_are_held_and_let_go(cores: set[int]) -> None:
    torch.set_num_threads(2)
    torch.ones(1 << 20).sum()
    core = OneCore()
    core.begin(2)
    try:
        assert core.holds and (held_on := os.sched_getaffinity(0)) < cores and len(held_on) == 1
        held = [os.sched_getaffinity(int(thread)) for thread in os.listdir("/proc/self/task")]
        assert held.count(held_on) >= 2, "the other thread of OpenMP too"
        core.begin(2)
    finally:
        core.end()
    assert not core.holds and os.sched_getaffinity(0) == cores
    assert all(os.sched_getaffinity(int(thread)) == cores for thread in os.listdir("/proc/self/task"))


def test_sums_are_the_same_to_the_bit(cores: set[int]) -> None:
    torch.set_num_threads(2)
    numbers = torch.rand(1 << 21, generator=torch.Generator().manual_seed(0))
    before = numbers.sum()
    core = OneCore()
    core.begin(2)
    try:
        assert torch.equal(numbers.sum(), before)
    finally:
        core.end()


@pytest.mark.parametrize("threads", [1, 3, 16])
def test_other_numbers_of_threads_stay_where_they_are(cores: set[int], threads: int) -> None:
    core = OneCore()
    core.begin(threads)
    assert not core.holds and os.sched_getaffinity(0) == cores
    core.end()


def test_quiet_is_what_the_other_cores_are(cores: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    idle = dict.fromkeys(cores, 0.0)
    monkeypatch.setattr(openmp, "idle_times", lambda: dict(idle))
    core = OneCore()
    core.begin(2)
    try:
        assert not core.is_quiet(1.0)
        (here,) = os.sched_getaffinity(0)
        idle[here] = 1.0
        assert not core.is_quiet(1.0), "that is where they compute"
        idle[min(cores - {here})] += 0.6
        assert core.is_quiet(1.0) and not core.is_quiet(1.0)
    finally:
        core.end()


def test_the_system_tells_of_each_core() -> None:
    found = idle_times()
    assert found.keys() >= os.sched_getaffinity(0) and all(seconds >= 0 for seconds in found.values())
