"""Two threads on one core: held and let go, only two, and the sums stay the same."""

import os
import sys

import pytest
import torch

from dlexp.machine import one_core
from dlexp.machine.one_core import OneCore, idle_times

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a thread choose its cores")


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
    monkeypatch.setattr(one_core, "idle_times", lambda: dict(idle))
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
