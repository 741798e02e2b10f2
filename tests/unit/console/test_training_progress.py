"""What a person sees while it runs: on a terminal, in a file, and on consoles that know no UTF-8."""

import io
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from dlexp.console import training_progress
from dlexp.console.streams import ConsoleHandler, log_to
from dlexp.console.training_progress import epoch_line, estimate, format_seconds, make_progress
from dlexp.console.wording import describe
from dlexp.metric import LOSS, Metric

MEASURES = {"loss": LOSS, "accuracy": Metric(unit="%", higher_is_better=True)}
RECORD = {
    "epoch": 3,
    "step": 30,
    "train/accuracy": 0.813,
    "train/loss": 0.512,
    "train/recent_loss": 0.4,
    "val/loss": 0.47,
    "val/accuracy": 0.83,
    "time/samples_per_second": 1234.4,
}


class _Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr(training_progress, "time", clock)
    return clock


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> _Terminal:
    for name in ("NO_COLOR", "TTY_COMPATIBLE", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "140")
    return _Terminal()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.042, "0.04 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (130, "2 min 10 s"),
        (3599.7, "1 h 00 min"),
        (3 * 3600 + 5 * 60, "3 h 05 min"),
        (86399, "1 d 0 h"),
        (52 * 3600, "2 d 4 h"),
    ],
)
def test_seconds_in_words(seconds: float, words: str) -> None:
    assert format_seconds(seconds) == words


@pytest.mark.parametrize(
    ("per_step", "steps", "words"),
    [
        (0.0001, 50, "under a second"),
        (0.5, 100, "about 50 s"),
        (0.1, 7200, "about 12 min"),
        (1, 9000, "about 2.5 h"),
        (1, 3 * 86400, "about 3.0 days"),
    ],
)
def test_the_estimate_is_one_rounded_number(per_step: float, steps: int, words: str) -> None:
    assert estimate(per_step, steps) == words


def test_an_epoch_in_one_line() -> None:
    assert epoch_line(RECORD, 30, MEASURES, "2 min 10 s left") == (
        "epoch  3/30  train loss 0.512  accuracy 81.3 %  val loss 0.47  accuracy 83.0 %  1234 samples/s"
        "  2 min 10 s left"
    )
    assert describe(RECORD, MEASURES, "images").endswith("  1234 images/s")
    assert describe({"train/loss": float("nan"), "val/loss": None}, MEASURES) == "train loss nan  val loss nan"


def test_plain_lines_where_there_is_no_terminal(clock: _Clock) -> None:
    stream = io.StringIO()
    lines = make_progress(3, 10, MEASURES, stream)
    for epoch in (1, 2, 3):
        for step in range(1, 11):
            clock.now += 1
            lines.step(epoch, step, {"train/loss": 1.0})
        lines.epoch({"epoch": epoch, "train/loss": 1.0}, is_best=False)
    lines.message("done")
    lines.close()
    assert stream.getvalue().splitlines() == [
        "epoch 1/3  train loss 1  20 s left",
        "epoch 2/3  train loss 1  10 s left",
        "epoch 3/3  train loss 1",
        "done",
    ]


def test_a_thousand_fast_epochs_share_lines(clock: _Clock) -> None:
    stream = io.StringIO()
    lines = make_progress(1000, 1, MEASURES, stream)
    for epoch in range(1, 1001):
        clock.now += 0.002
        lines.epoch({"epoch": epoch, "train/loss": 1.0}, is_best=False)
    shown = stream.getvalue().splitlines()
    assert 3 <= len(shown) <= 6
    assert shown[-1].startswith("epoch 1000/1000")


@pytest.mark.parametrize("ends_early", [False, True])
def test_the_best_epoch_has_a_line(clock: _Clock, ends_early: bool) -> None:
    stream = io.StringIO()
    lines = make_progress(100, 1, MEASURES, stream)
    for epoch in range(1, 90 if ends_early else 101):
        clock.now += 1 / 64
        lines.epoch({"epoch": epoch}, is_best=epoch in (1, 20, 30, 60, 65, 87))
    if ends_early:
        lines.message("stopping early")
    lines.close()
    shown = [int(line.split("/")[0].removeprefix("epoch ")) for line in stream.getvalue().splitlines() if "/" in line]
    assert shown == [1, 30, 33, 65, 87, *([] if ends_early else [97, 100])], "20 and 60 were bettered in time"
    assert not ends_early or stream.getvalue().endswith("stopping early\n")


def test_a_resumed_run_judges_its_pace_by_its_own_steps(clock: _Clock) -> None:
    stream = io.StringIO()
    lines = make_progress(10, 100, MEASURES, stream)
    lines.step(9, 1, {})
    clock.now += 9.9
    lines.step(9, 100, {})
    lines.epoch({"epoch": 9, "train/loss": 1.0}, is_best=False)
    assert stream.getvalue().endswith("10 s left\n")


def test_a_bar_on_a_terminal(clock: _Clock, terminal: _Terminal) -> None:
    bar = make_progress(30, 100, MEASURES, terminal)
    for step in range(1, 101):
        clock.now += 0.01
        bar.step(3, step, {"train/loss": 0.5, "train/accuracy": 0.8, "time/samples_per_second": 999.0})
    drawn = terminal.getvalue()
    assert "epoch 3/30  step 91/100" in drawn and "train loss 0.5  accuracy 80.0 %  999 samples/s" in drawn
    assert "27 s left" in drawn
    # A hundred reports in one second are drawn at most about ten times.
    assert 5 <= drawn.count("train loss") <= 11
    bar.epoch(RECORD, is_best=True)
    bar.message("saved [best] weights")
    bar.close()
    bar.close()
    lines = terminal.getvalue()
    assert "val loss 0.47  accuracy 83.0 %" in lines
    assert "saved [best] weights" in lines


def test_a_dumb_terminal_gets_plain_lines(terminal: _Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    lines = make_progress(1, 1, MEASURES, terminal)
    lines.epoch({"epoch": 1, "train/loss": 1.0}, is_best=False)
    assert terminal.getvalue() == "epoch 1/1  train loss 1\n"


def test_log_lines_stay_above_the_bar(terminal: _Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", terminal)
    logger = logging.Logger("of this test")
    logger.addHandler(ConsoleHandler())
    bar = make_progress(1, 1, MEASURES, terminal)
    logger.warning("a line of the log")
    bar.close()
    assert sys.stdout is terminal
    assert "a line of the log\n" in terminal.getvalue()


PRINT = """
import sys, logging
from dlexp.console.streams import ConsoleHandler, setup_console
from dlexp.console.training_progress import make_progress
setup_console()
logging.getLogger().addHandler(ConsoleHandler())
print("must be ≥ 1 – 深 × “x” \\udc80")
print("ü ≤", file=sys.stderr)
logging.getLogger().warning("log ≥")
make_progress(1, 1, {}, sys.stdout).message("line ≥")
"""


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("ascii", r'must be >= 1 - ? x "x" \x80'),
        ("cp1252", r"must be >= 1 – ? × “x” \x80"),
        ("utf-8", r"must be ≥ 1 – 深 × “x” \x80"),
    ],
)
def test_output_survives_any_console(encoding: str, words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRINT],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        check=True,
    )
    lines = done.stdout.decode(encoding).splitlines()
    at_least = "≥" if encoding == "utf-8" else ">="
    assert lines == [words, f"log {at_least}", f"line {at_least}"]
    assert done.stderr.decode(encoding).strip().endswith("≤" if encoding == "utf-8" else "<=")


def test_streams_that_cannot_be_changed_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from dlexp.console.streams import setup_console

    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(sys, "stderr", None)
    setup_console()


def test_the_run_keeps_its_own_log(tmp_path: Path) -> None:
    root = logging.getLogger()
    handlers, level = list(root.handlers), logging.getLogger("dlexp").level
    with log_to(tmp_path / "log.txt") as begin_log:
        logging.getLogger("dlexp.somewhere").info("kept")
        assert not (tmp_path / "log.txt").exists()
        begin_log()
        logging.getLogger("dlexp.somewhere").info("≥ 深度")
    logging.getLogger("dlexp.somewhere").info("not any more")
    text = (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert "kept\n" in text and "≥ 深度" in text and "not any more" not in text
    assert root.handlers == handlers
    assert logging.getLogger("dlexp").level == level


class _Cell(io.StringIO):
    """What is shown below a cell: outputs in their order, those of a display replaced where they stand."""

    def __init__(self) -> None:
        super().__init__()
        self.outputs: list[str] = []

    def write(self, text: str) -> int:
        self.outputs.append(text)
        return len(text)

    def display(self, data: dict[str, str], *, raw: bool, display_id: bool) -> "_Cell":
        assert raw and display_id and not self.outputs
        self.outputs.append(data["text/plain"])
        return self

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        assert raw and data.keys() == {"text/plain"}
        self.outputs[0] = data["text/plain"]


@pytest.mark.parametrize("is_terminal", [False, True])
def test_a_notebook_shows_one_output_without_empty_lines(
    clock: _Clock, monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    """Colab's stream says that it is a terminal."""
    cell = type("OutStream", (_Cell,), {"__module__": "ipykernel.iostream", "isatty": lambda self: is_terminal})()
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=cell.display))
    progress = make_progress(2, 10, MEASURES, cell)
    numbers = {"train/loss": 0.5}
    for epoch in (1, 2):
        for step in range(1, 11):
            clock.now += 1.0
            progress.step(epoch, step, numbers)
            last = cell.outputs[0].splitlines()[-1]
            assert last.startswith(f"epoch {epoch}/2  step {step}/10  train loss 0.5")
        progress.epoch(RECORD | {"epoch": epoch}, is_best=False)
        assert len(cell.outputs[0].splitlines()) == epoch, "the step's line goes with its epoch"
    progress.message("stopping early")
    progress.close()
    lines = cell.outputs[0].splitlines()
    assert len(cell.outputs) == 1 and [line[:9] for line in lines] == ["epoch 1/2", "epoch 2/2", "stopping "]
    assert all(line == line.strip() for line in lines)
