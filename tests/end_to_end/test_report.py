"""python -m dlexp report: real runs, its options and mistakes, and that it needs neither torch nor a second."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, Ended, child_environment
from made_runs import made_run, made_sweep

TINY = ["data.points_per_class=60", "max_steps=4", "pictures=false", "threads=1"]
ARMS = {"sgd": {"optimizer": "sgd"}, "adam": {"optimizer": "adam"}}
VALUES = {"sgd": [0.90, 0.91, 0.905], "adam": [0.95, 0.951, 0.96]}


@pytest.mark.slow
def test_a_sweep_and_a_run_that_diverged(cli: Callable[..., Ended]) -> None:
    assert cli("-m", "optimizer=sgd,adam", "seed=0,1", *TINY).code == 0
    assert cli("optimizer=sgd", "optimizer.lr=1e25", *TINY).code == 1
    (sweep,) = Path("outputs").glob("sweep-*")
    ended = cli("report", str(sweep))
    assert ended.code == 0 and ended.err == ""
    assert "two runs an arm" in ended.out.lower()
    assert f"report  {sweep / 'report' / 'report.html'}" in ended.out
    ended = cli("report", "outputs", "--json")
    data = json.loads(ended.out)
    assert data["varied"] == ["optimizer", "optimizer.lr"] and not Path("outputs/report").exists()
    assert [(arm["name"], arm["n"], arm["diverged"]) for arm in data["arms"]][-1] == ("sgd lr 1e+25", 0, 1)


def made() -> str:
    """Makes a sweep whose jobs were typed in the order of ARMS."""
    made_sweep(Path("s"), ARMS, VALUES)
    names = [f"{name}_seed-{seed}" for name in ARMS for seed in range(3)]
    ledger = {"format_version": 2, "cells": {str(number): name for number, name in enumerate(names)}}
    Path("s/sweep.json").write_text(json.dumps(ledger), encoding="utf-8")
    return "s"


def test_options_in_any_order(cli: Callable[..., Ended]) -> None:
    ended = cli("--margin", "0.5", "report", made(), "--against=adam", "--metric", "val/accuracy", "--out", "out")
    assert ended.code == 0 and "against adam" in ended.out and "Validation accuracy" in ended.out
    assert Path("out/report.html").is_file() and not Path("s/report").exists()
    data = json.loads(cli("report", "s", "--json", "--where", "optimizer=adam", "--where=seed=0,1").out)
    assert [(arm["name"], arm["n"]) for arm in data["arms"]] == [("mlp on spiral with adam", 2)]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["x"], "there is no folder x"),
        (["s", "--metric", "f1"], "no run has the metric 'f1'. There are: test/accuracy"),
        (["s", "--against", "adm"], "adam"),
        (["s", "--margin", "-1"], "above 0"),
        (["s", "--margin", "wide"], "'wide' is no number"),
        (["s", "--where", "optimizer=muon"], "leaves no run; optimizer there is adam, sgd"),
        (["s", "--rows", "epochs"], "all these runs have the same"),
        (["s", "--rows", "seed"], "it makes no arm, though it varies between runs. Arms differ in optimizer"),
        (["s", "margin=1"], "margin=1 is typed --margin=1"),
        (["s", "--out", "s/sgd_seed-0"], "is the folder of a run"),
        (["s", "--agianst", "adam"], "did you mean --against"),
        ([], "report wants more words"),
    ],
)
def test_a_mistake_is_one_sentence_and_writes_nothing(
    cli: Callable[..., Ended], words: list[str], sentence: str
) -> None:
    made()
    ended = cli("report", *words)
    assert ended.code == 1 and ended.out == "" and sentence in ended.err and ended.err.count("\n") == 1
    assert sorted(path.name for path in Path().iterdir()) == ["s"] and not Path("s/report").exists()


def test_what_is_damaged_or_running_is_named(cli: Callable[..., Ended]) -> None:
    made()
    made_run(Path("s/x"), state="damaged")
    made_run(Path("s/y"), state="died", seed=7)
    ended = cli("report", "s")
    assert ended.code == 0 and "adam is better than sgd" in ended.out
    assert "s/x has a run.json that is damaged" in ended.out and "s/y died before its end" in ended.out


def test_curves_that_can_not_be_read_are_named_and_the_run_counts(cli: Callable[..., Ended]) -> None:
    made()
    Path("s/adam_seed-1/metrics.jsonl").write_text("{}\n{}\n", encoding="utf-8")
    assert "adam_seed-1 counts, but has no curve" in " ".join(cli("report", "s").out.split())
    data = json.loads(cli("report", "s", "--json", "--reach", "50").out)
    (adam,) = [arm for arm in data["arms"] if arm["name"] == "adam"]
    assert adam["n"] == 3 and [each is None for each in adam["reached"]] == [False, True, False]
    assert [each["folder"] for each in data["left_out"]] == ["s/adam_seed-1"]
    heads = [line.split() for line in cli("report", "s", "--reach", "50").out.splitlines() if line.startswith("arm ")]
    assert heads[0][1:] == ["did", "epochs", "steps", "time"] and "n" in heads[1], "what was asked for stands first"


def test_the_document_has_every_option_file_and_key(cli: Callable[..., Ended]) -> None:
    text = (ROOT / "docs" / "answers.md").read_text(encoding="utf-8").partition("## The report")[2]
    flags = set(re.findall(r"--[a-z-]+", cli("report", "--help").out)) - {"--help", "--config-dir"}
    assert len(flags) >= 10 and {flag for flag in flags if f"`{flag}" not in text} == set()
    assert cli("report", made(), "--reach=90").code == 0
    names = {path.name for path in Path("s/report").iterdir() if path.suffix not in (".png", ".svg")}
    assert len(names) >= 6 and {name for name in names if f"`{name}`" not in text} == set()
    data = json.loads(Path("s/report/report.json").read_text(encoding="utf-8"))
    keys = {*data, *data["arms"][0], *data["differences"][0]} - {"written_by", "files", "format_version", "title"}
    assert {key for key in keys if f"`{key}`" not in text} == {"command", "rows", "columns"}


def test_it_needs_no_torch(workdir: Path) -> None:
    made()
    block = "import sys; sys.modules['torch'] = None; from dlexp.__main__ import main; sys.exit(main(['report', 's']))"
    done = subprocess.run([sys.executable, "-c", block], capture_output=True, encoding="utf-8", env=child_environment())
    assert done.returncode == 0, done.stderr
    assert Path("s/report/differences.png").is_file()


def test_a_reader_that_goes_early_leaves_the_files(cli: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    """As in `report s | head -1`."""

    there: list[bool] = []
    made()
    monkeypatch.setattr("dlexp.commands.report._show", lambda answer: there.append(Path("out/report.html").exists()))
    assert cli("report", "s", "--out", "out").code == 0
    assert there == [True], "what follows may find nobody who reads"


def test_folders_that_are_read_only_are_read(cli: Callable[..., Ended]) -> None:
    made()
    for path in [*Path("s").rglob("*"), Path("s")]:
        os.chmod(path, 0o555 if path.is_dir() else 0o444)
    try:
        assert cli("report", "s", "--out", "out").code == 0
    finally:
        for path in [Path("s"), *Path("s").rglob("*")]:
            os.chmod(path, 0o755)
