"""What a report prints and writes as tables: it fits a terminal, and no name of a stranger breaks out of a file."""

import csv
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_answers import tuned_comparison
from made_runs import made_run, made_sweep

from dlexp.console.tables import width_of
from dlexp.errors import UserError
from dlexp.records.folder import METRICS
from dlexp.report import tables, texts
from dlexp.report.answer import Answer
from dlexp.report.data import as_data
from dlexp.report.making import make_answer
from dlexp.report.page.layout import page
from dlexp.report.reading.plan import read_plan, write_plan
from dlexp.report.terminal import lines

HOSTILE = [
    "<script>alert(1)</script>",
    "|a| `b` **c** [d](javascript:e)",
    r"\input{/etc/passwd} $x_1^2$ 50% #1 ~&{}",
    "=HYPERLINK(1)",
    "\x1b[2Jgone\r\nnew",
    "卷积神经网络 " * 6,
    "x" * 300,
    "\u202eright to left",
]


def hostile_answer(folder: Path, **options: Any) -> Answer:
    arms = {f"{number}": {"model.activation": word} for number, word in enumerate(HOSTILE)}
    values: dict[str, list[float | str]] = {name: [0.8 + 0.01 * int(name), 0.81] for name in arms}
    values["3"] = [0.9, "diverged"]
    return make_answer([made_sweep(folder / "sweep", arms, values)], **options)


def terminal(answer: Answer) -> list[str]:
    return [line for line, _ in lines(answer)]


def test_the_plan_stands_beside_what_was_done(tmp_path: Path) -> None:
    folder = tuned_comparison(tmp_path / "runs")
    plan = read_plan(folder)
    assert plan is not None
    write_plan(folder, replace(plan, departures=["margin=3.0 was typed after runs were there"]))
    answer = make_answer([folder])
    told, written = " ".join(" ".join(terminal(answer)).split()), texts.markdown(answer)
    assert "margin: 0.5 points: less does not matter here; as planned" in told
    assert "| margin | 0.5 points: less does not matter here | As planned |" in written
    for text in (told, written):
        assert "ealed while tuning, read once a final run" in text and "was typed after runs were there" in text
    assert [line for line in terminal(answer) if width_of(line) > 80] == []


@pytest.mark.parametrize("options", [{}, {"all_pairs": True}, {"rows": "model.activation"}, {"reach": 70}])
def test_a_report_fits_a_terminal_and_moves_no_cursor(tmp_path: Path, options: dict[str, Any]) -> None:
    told = terminal(hostile_answer(tmp_path, **options))
    assert len(told) >= 20
    assert [line for line in told if width_of(line) > 80 and " " in line.strip()] == []
    assert all(line.isprintable() for line in told)


def test_names_verdicts_and_branches_are_wrapped_and_not_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    long = {"model.width": 1024, "model.dropout": 0.25, "model.activation": "leaky_relu", "optimizer.lr": 0.00025}
    made_sweep(Path("s"), {"a": long, "b": {"model.width": 64}}, {"a": [0.9, 0.91, 0.902], "b": [0.7, 0.71, 0.712]})
    for seed in range(2):
        parent = {"by": "init_from", "folder": "../a_seed-0", "cell": "x"}
        made_run(
            Path(f"s/{'deep-' * 20}{seed}"), 0.9, seed=seed + 5, settings={**long, "note": "why " * 30}, parent=parent
        )
    answer = make_answer([Path("s")], margin=30)
    told = terminal(answer)
    assert [line for line in told if width_of(line) > 80] == []
    all_of_it = "".join(told).replace(" ", "")
    for arm in answer.arms:
        assert all_of_it.count(arm.name.replace(" ", "")) >= 3 and "…" not in all_of_it
    assert f"├─s/{'deep-' * 20}0" in all_of_it and "why" * 30 in all_of_it
    assert "bylessthan30points" in all_of_it


def test_seeds_do_not_run_into_names(tmp_path: Path) -> None:
    arms = {"a": {"epochs": 8}, "b": {"epochs": 9}, "c": {"epochs": 10}}
    answer = make_answer([made_sweep(tmp_path / "s", arms, {"a": [0.9, 0.8], "b": [0.7, 0.6, 0.5], "c": [0.5, 0.4]})])
    assert answer.method[0] == "Seeds 0 and 1 of epochs 8 and epochs 10; 0 to 2 of epochs 9."


def test_thirty_arms_are_told_apart(tmp_path: Path) -> None:
    arms = {f"{n}": {"optimizer": "adamw", "optimizer.lr": n / 1000, "model.width": 64} for n in range(1, 31)}
    answer = make_answer([made_sweep(tmp_path / "s", arms, {name: [0.9, 0.91] for name in arms})])
    rows = [line for line in terminal(answer) if re.match(r"lr \S+ +9", line)]
    assert len(rows) == 30 and len({line.split()[1] for line in rows}) == 30


def test_numbers_stand_in_the_tables(tmp_path: Path) -> None:
    arms = {"sgd": {"optimizer": "sgd"}, "adam": {"optimizer": "adam"}}
    sweep = made_sweep(tmp_path / "s", arms, {"sgd": [0.90, 0.91, 0.92], "adam": [0.95, "diverged", "failed"]})
    answer = make_answer([sweep], against="sgd")
    found = tables.arms_table(answer)
    assert found.heads == ["arm", "test accuracy, %", "n", "failed", "diverged", "parameters", "time"]
    assert found.rows == [
        ["sgd", "91.0 ± 2.5", "3", "0", "0", "17,283", "10 s"],
        ["adam", "95.0", "1", "1", "1", "17,283", "10 s"],
    ]
    different = tables.differences_table(answer)
    assert different is not None and different.rows[0][-1].startswith("none: ")
    runs = tables.runs_table(answer)
    assert [row[2:5] for row in runs.rows if row[0] == "adam"] == [
        ["95.00", "3", "finished"],
        ["–", "–", "diverged"],
        ["–", "–", "failed"],
    ]


GRID = {f"{o}{lr}": {"optimizer": o, "optimizer.lr": lr} for o in ("sgd", "adam") for lr in (0.1, 0.01, 1.0)}


def test_a_table_by_rows_and_columns(tmp_path: Path) -> None:
    sweep = made_sweep(tmp_path / "s", GRID, {name: [0.5 + number / 100] for number, name in enumerate(GRID)})
    found = tables.cross_table(make_answer([sweep], rows="optimizer.lr", columns="optimizer"))
    assert found is not None and found.title == "Test accuracy, % by optimizer.lr and optimizer"
    assert found.heads[0] == r"optimizer.lr \ optimizer" and {*found.heads[1:]} == {"adam", "sgd"}
    by = {head: [row[column] for row in found.rows] for column, head in enumerate(found.heads)}
    assert [by[found.heads[0]], by["sgd"], by["adam"]] == [
        ["0.01", "0.1", "1"],
        ["51.00", "50.00", "52.00"],
        ["54.00", "53.00", "55.00"],
    ]
    for options, sentence in {
        ("optimizer.lr", None): r"several arms fall on one place of the table, since optimizer varies too",
        (
            "optimizer.l",
            None,
        ): r"--rows optimizer\.l: no run has a setting 'optimizer.l'\. Did you mean",
        ("epochs", "optimizer"): r"--rows epochs: all these runs have the same\. Arms differ in optimizer",
        ("optimizer", "optimizer"): r"are both optimizer",
    }.items():
        with pytest.raises(UserError, match=sentence):
            tables.cross_table(make_answer([sweep], rows=options[0], columns=options[1]))


def test_a_mean_of_those_that_are_left_says_so_in_every_table(tmp_path: Path) -> None:
    arms = {"sgd": {"optimizer": "sgd"}, "adam": {"optimizer": "adam"}}
    sweep = made_sweep(tmp_path / "s", arms, {"sgd": [0.90, 0.91, 0.92], "adam": [0.95, 0.96, "diverged"]})
    answer = make_answer([sweep], against="sgd", rows="optimizer")
    cross, others = tables.cross_table(answer), tables.others_table(answer)
    assert cross is not None and cross.rows == [["sgd", "91.0 ± 2.5"], ["adam", "95.5 (2 of 3)"]]
    assert others is not None
    by = {row[0]: dict(zip(others.heads, row, strict=True)) for row in others.rows}
    assert (by["sgd"]["val/accuracy, %"], by["adam"]["val/accuracy, %"]) == ("90.50", "95.00 (2 of 3)")
    assert by["adam"]["test/loss"] == "0.2400 (2 of 3)"
    text = page(answer)
    assert "95.00 (2 of 3)" in text and "90.50 ± 2.48<" in text


def test_where_nothing_validates_nothing_is_said_to_fall_short(tmp_path: Path) -> None:
    blind = made_run(tmp_path / "s" / "blind", settings={"optimizer": "adam"})
    lines = (json.loads(line) for line in (blind / METRICS).read_text(encoding="utf-8").splitlines())
    rows = [{key: value for key, value in row.items() if not key.startswith("val/")} for row in lines]
    (blind / METRICS).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(UserError, match="--reach 80: no run has val/accuracy after an epoch"):
        make_answer([tmp_path], reach=80)
    made_run(tmp_path / "s" / "sgd", settings={"optimizer": "sgd"})
    made_run(tmp_path / "s" / "adamw", settings={"optimizer": "adamw"}, state="diverged")
    answer = make_answer([tmp_path], reach=80)
    table = tables.reach_table(answer)
    assert table is not None and table.title.endswith("80 %, medians of the runs that did")
    assert {row[0]: row[1] for row in table.rows} == {"sgd": "1 of 1", "adam": "not validated", "adamw": "0 of 1"}
    assert "adam: validates nothing" in page(answer) and "adamw: no run did" in page(answer)


def test_a_stranger_writes_no_html_and_no_markdown(tmp_path: Path) -> None:
    text = texts.markdown(hostile_answer(tmp_path))
    prose = re.sub(r"```text\n.*?\n```", "", text, flags=re.DOTALL)
    assert not re.search(r"(?<!\\)<", prose) and not re.search(r"(?<!\\)\[d", prose)
    rows = [line for line in prose.splitlines() if line.startswith("|")]
    assert len(rows) >= 30
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} <= set(range(4, 12))
    assert all(line.isprintable() for line in text.splitlines())


def test_a_fence_is_longer_than_any_in_it(tmp_path: Path) -> None:
    made_run(tmp_path / "a", overrides=["model.activation=````"])
    assert "`````text\npython -m dlexp 'model.activation=````' seed=…\n`````" in texts.markdown(make_answer([tmp_path]))


def test_a_stranger_writes_no_formula(tmp_path: Path) -> None:
    answer = hostile_answer(tmp_path)
    rows = list(csv.DictReader(io.StringIO(texts.arms_csv(answer))))
    assert len(rows) == len(HOSTILE)
    assert [row["model.activation"] for row in rows if "HYPER" in row["model.activation"]] == ["'=HYPERLINK(1)"]
    by_name = {row["arm"]: row for row in rows}
    for arm in answer.arms:
        row = by_name[arm.name]
        assert float(row["test/accuracy"]) == arm.interval.mean and int(row["n"]) == len(arm.values)
    runs = list(csv.DictReader(io.StringIO(texts.runs_csv(answer))))
    assert len(runs) == 2 * len(HOSTILE) and {row["status"] for row in runs} == {"finished", "diverged"}


def test_latex_has_no_command_of_a_stranger(tmp_path: Path) -> None:
    text = texts.latex(hostile_answer(tmp_path))
    commands = set(re.findall(r"\\([A-Za-z]+)", "\n".join(line for line in text.splitlines() if line[:1] != "%")))
    ours = "begin end hline textbackslash textasciitilde textasciicircum textless textgreater textbar textasciigrave"
    assert commands <= set(f"{ours} bigskip pm ldots to surd textquotedbl textquotesingle".split())
    for line in text.splitlines():
        if not line.startswith("%"):
            assert not re.search(r"(?<!\\)[%#_~^]", line)
            assert len(re.findall(r"(?<!\\)\$", line)) % 2 == 0
    assert text.startswith("% ") and text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2
    assert text.splitlines()[1].startswith("% needs XeLaTeX")  # of the Chinese name


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no TeX")
def test_latex_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("test_texts.HOSTILE", [word for word in HOSTILE if word.isascii()])
    table = texts.latex(hostile_answer(tmp_path))
    (tmp_path / "table.tex").write_text(table, encoding="utf-8")
    head = r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{textcomp}"
    page = rf"{head}\begin{{document}}\input{{table}}\end{{document}}"
    (tmp_path / "page.tex").write_text(page, encoding="utf-8")
    subprocess.run(["pdflatex", "-interaction=batchmode", "-halt-on-error", "page"], cwd=tmp_path, check=True)


def test_the_data_is_json_and_sets_durations_apart(tmp_path: Path) -> None:
    answer = hostile_answer(tmp_path, reach=70)
    data = json.loads(json.dumps(as_data(answer), allow_nan=False))
    assert {arm["name"]: arm["mean"] for arm in data["arms"]} == {arm.name: arm.interval.mean for arm in answer.arms}
    assert [arm["n"] for arm in data["arms"]] == [len(arm.values) for arm in answer.arms]
    assert sum(len(arm["runs"]) for arm in data["arms"]) == 2 * len(HOSTILE)

    def durations(node: Any) -> int:
        if isinstance(node, dict):
            return sum(key.startswith("seconds") + durations(value) for key, value in node.items())
        return sum(map(durations, node)) if isinstance(node, list) else 0

    assert durations(data) >= 3 * len(HOSTILE)
