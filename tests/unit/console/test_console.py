"""Lines that fit a terminal, of which nothing is cut, and what is said to nobody."""

import logging
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlexp.console.streams import ConsoleHandler
from dlexp.console.tables import fitted, width_of, wrapped

ROWS = [
    ["arm", "test accuracy, %", "n", "verdict"],
    ["sgd lr 0.1 momentum 0.9", "96.76 ± 0.15", "5", "better, by less than 0.5 points"],
    ["一个学习率", "–", "10", "none"],
]


@pytest.mark.parametrize("space", [80, 60, 50, 40])
def test_a_table_fits_and_keeps_every_word(space: int) -> None:
    rows = fitted(ROWS, space, right={1, 2})
    assert max(width_of(line) for lines in rows for line in lines) <= space
    for row, lines in zip(ROWS, rows, strict=True):
        assert sorted("".join("".join(lines).split())) == sorted("".join("".join(row).split()))
    assert any("96.76 ± 0.15" in line for line in rows[1]), "a number stays whole"


def test_without_an_end_each_row_is_a_line() -> None:
    assert [len(lines) for lines in fitted(ROWS, None, right={1, 2})] == [1, 1, 1]


def test_words_are_wrapped_and_paths_broken_at_their_parts() -> None:
    assert wrapped("a  b", 9) == ["a  b"] and wrapped("", 9) == [""]
    assert wrapped("one two three", 7) == ["one two", "three"]
    assert wrapped("in outputs/sweep-x/lr", 10) == ["in", "outputs/", "sweep-x/lr"]
    assert wrapped("学习率学习率", 5) == ["学习", "率学", "习率"]


def test_what_is_said_at_a_terminal_is_folded_and_commands_stay_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = [
        "5 seeds an arm show differences from 2.1 points on",
        "  sgd: optimizer.lr=tag(log,interval(1e-4,1)) batch_size=32",
        "look at it   tensorboard --logdir outputs/sweep-mlp-mnist-sgd",
        "report       outputs/sweep-mlp-mnist-sgd/report/report.html",
        "there since; python -m dlexp report outputs/sweep-mlp-mnist-sgd tells",
    ]
    record = logging.LogRecord("dlexp", logging.INFO, "", 0, "\n".join(told), None, None)
    monkeypatch.delenv("COLUMNS", raising=False)
    ConsoleHandler().emit(record)
    assert capsys.readouterr().out.splitlines() == told, "a file or a program has no end of a line"
    monkeypatch.setenv("COLUMNS", "49")
    ConsoleHandler().emit(record)
    assert capsys.readouterr().out.splitlines() == [
        "5 seeds an arm show differences from 2.1 points",
        "on",
        "  sgd: optimizer.lr=tag(log,interval(1e-4,1))",
        "    batch_size=32",
        *told[2:4],
        "there since;",
        "python -m dlexp report outputs/sweep-mlp-mnist-sgd tells",
    ]


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(blacklist_categories=("Cs", "Zs", "Cc"))), st.integers(2, 40))
def test_no_line_is_too_long_and_no_letter_lost(text: str, space: int) -> None:
    lines = wrapped(text, space)
    assert "".join(lines) == text and all(width_of(line) <= space for line in lines)


def test_a_reader_that_goes_ends_nothing() -> None:
    """As in `dlexp … | head -1`: a line to nobody is no reason to end a training."""
    code = (
        "import logging, sys, time; from dlexp.console.streams import log_to_console, write_line\n"
        "log_to_console(); log = logging.getLogger('dlexp'); log.info('first'); sys.stdin.readline()\n"
        "{}; log.info('x'); write_line(sys.stdout, 'y'); print('z', flush=True); print('done', file=sys.stderr)"
    )
    for lost in ("log.info('lost')", "write_line(sys.stdout, 'lost')"):
        words = [sys.executable, "-c", code.format(lost)]
        with subprocess.Popen(words, stdin=-1, stdout=-1, stderr=-1, encoding="utf-8") as process:
            assert process.stdin and process.stdout and process.stderr
            assert process.stdout.readline() == "first\n"
            process.stdout.close()
            process.stdin.close()
            assert process.stderr.read() == "done\n"
        assert process.returncode == 0
