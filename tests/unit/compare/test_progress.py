"""How far a comparison is: what is left, by the clock and by what a training of each kind was told to take."""

import logging
from collections.abc import Mapping
from pathlib import Path

import pytest

from dlexp.compare import progress
from dlexp.compare.progress import Progress


class Clock:
    """Stands in for the time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)

    def train(self, shown: Progress, folder: Path, seconds: float, why: BaseException | None = None) -> None:
        shown.began(folder)
        self.now += seconds
        shown.ended(folder, why)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Clock:
    caplog.set_level(logging.INFO)
    return Clock(monkeypatch)


def finals(count: int) -> dict[Path, tuple[str, str]]:
    return {Path(str(number)): ("sgd", "finals") for number in range(count)}


def test_what_is_left_is_told_by_the_clock(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    shown = Progress(14, {("sgd", "finals"): 14}, {}, 1)
    shown.at(2, finals(14), [Path("12"), Path("13")])
    assert "about" not in shown._rest(), "before one has ended nobody knows"
    for number in range(2):
        clock.train(shown, Path(str(number)), 2.0)
        clock.now += 5.0  # between two trainings
    assert "[3/14] 0: finished   0 running, 11 left, about 22 s" in caplog.text
    assert "[4/14] 1: finished   0 running, 10 left, about 70 s" in caplog.text


def test_several_at_a_time(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    shown = Progress(8, {("sgd", "finals"): 8}, {}, 2)
    shown.at(0, finals(8), [])
    shown.began(Path("0"))
    clock.now += 4.0
    shown.began(Path("1"))
    clock.now += 6.0
    shown.ended(Path("0"), None)
    assert "0: finished   1 running, 6 left, about 32 s" in caplog.text, "10 s each, of one 4 s"


def test_final_runs_take_as_long_as_was_told_of_them(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """A training of the kind counts as the others of it did, one of another as was told, with the start met."""
    expected: Mapping[tuple[str, str], float | None] = {
        ("sgd", "trials"): 1.0,
        ("adam", "trials"): 2.0,
        ("sgd", "finals"): 10.0,
        ("adam", "finals"): 20.0,
    }
    left = {("sgd", "trials"): 2, ("adam", "trials"): 2, ("sgd", "finals"): 1, ("adam", "finals"): 1}
    shown = Progress(6, left, expected, 1)
    shown.at(0, {Path(f"{arm}-{n}"): (arm, "trials") for arm in ("sgd", "adam") for n in range(2)}, [])
    assert "0 running, 6 left, about 36 s" in shown._rest()
    clock.train(shown, Path("sgd-0"), 1.5)
    assert "5 left, about 38 s" in caplog.text, "1.5 + 2 × 2.5 + 10.5 + 20.5 s"
    clock.train(shown, Path("sgd-1"), 0.1, ValueError("diverged"))
    assert "4 left, about 36 s" in caplog.text, "what failed tells no time"
    assert shown.more(["sgd", "adam"], 1) == 8
    shown.at(1, {Path("sgd-2"): ("sgd", "trials"), Path("adam-2"): ("adam", "trials")}, [Path("sgd-2")])
    assert "0 running, 7 left, about 34 s" in shown._rest(), "one trial of adam, and the final runs"
    clock.train(shown, Path("adam-2"), 2.0)
    shown.at(6, {Path("a"): ("sgd", "finals"), Path("b"): ("adam", "finals")}, [Path("a")])
    assert shown._seconds_left() == pytest.approx(20.25)


def test_a_slower_pace_than_told_holds_for_the_others_too(clock: Clock) -> None:
    shown = Progress(2, {("sgd", "trials"): 1, ("sgd", "finals"): 1}, {("sgd", "trials"): 10, ("sgd", "finals"): 50}, 1)
    shown.at(0, {Path("a"): ("sgd", "trials")}, [])
    clock.train(shown, Path("a"), 32.0)
    assert shown._seconds_left() == pytest.approx(152.0), "2 s of start, and three times as long"
