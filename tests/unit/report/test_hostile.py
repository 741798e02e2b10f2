"""Folders of a stranger: whatever stands in them, a report is made of the rest, and nobody waits or is led astray."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from made_runs import made_sweep

from dlexp.errors import UserError
from dlexp.records.folder import DATA, LOCK, METRICS, RECORD
from dlexp.records.naming import LEDGER_FILE
from dlexp.report.making import make_answer
from dlexp.report.plan import PLAN_FILE
from dlexp.report.runs import read_runs
from dlexp.report.writing import files, with_curves_checked

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
    assert files(answer)["report.html"] and len(answer.arms) == 2


@pytest.mark.parametrize("loss", [1e308, -1e308, 1e160, 1e70, -1e-170, 1e-59, 5e-324])
def test_metrics_that_no_float_can_square(tmp_path: Path, loss: float) -> None:
    for number, run in enumerate(sorted(sweep(tmp_path).glob("adam*"))):
        edit(run, metrics={"val/accuracy": 0.9, "test/accuracy": 0.9, "test/loss": loss * (1 - number / 10)})
    for metric in (None, "test/loss"):
        answer = make_answer([tmp_path], metric=metric)
        assert files(answer)["report.html"]
        adam = next(arm for arm in answer.arms if arm.name == "adam")
        assert adam.num_diverged == (3 if abs(loss) > 1e70 else 0)  # it says so


@pytest.mark.parametrize(
    "values", [(float("inf"), 1e-4, 1e-3), (1e308, 1e-4, 1e-3), (5e-324, 1e-4, 1e-3), (10**400, 1, 2)]
)
def test_settings_that_no_axis_can_show(tmp_path: Path, values: tuple[float, ...]) -> None:
    arms = {str(number): {"optimizer.lr": value} for number, value in enumerate(values)}
    made_sweep(tmp_path, arms, {name: [0.9, 0.91] for name in arms})
    answer = make_answer([tmp_path], rows="optimizer.lr")
    assert len(answer.arms) == 3 and files(answer)["report.md"]


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
