"""How far a comparison is: what is left, by the clock."""

import logging
from pathlib import Path

import pytest

from dlexp.compare import progress
from dlexp.compare.progress import Progress


def test_what_is_left_is_told_by_the_clock(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    caplog.set_level(logging.INFO)
    shown = Progress(14, 1)
    shown.at(2)
    assert "about" not in shown._rest(), "before one has ended nobody knows"
    for number in range(2):
        shown.began(Path(str(number)))
        now += 2.0
        shown.ended(Path(str(number)), None)
        now += 5.0  # between two trainings
    assert "[3/14] 0: finished   0 running, 11 left, about 22 s" in caplog.text
    assert "[4/14] 1: finished   0 running, 10 left, about 45 s" in caplog.text


def test_several_at_a_time(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    caplog.set_level(logging.INFO)
    shown = Progress(8, 2)
    for name in ("a", "b"):
        shown.began(Path(name))
    now += 10.0
    shown.ended(Path("a"), None)
    shown.ended(Path("b"), None)
    assert "a: finished   1 running, 6 left, about 35 s" in caplog.text
    assert "b: finished   0 running, 6 left, about 30 s" in caplog.text
