"""When a training of a comparison counts as over."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_answers import plan_of, tuned_comparison
from made_runs import made_run

from dlexp.compare import there
from dlexp.compare.course import Course
from dlexp.compare.question import ask
from dlexp.records.folder import RECORD
from dlexp.records.run_json import read_json
from dlexp.sweep.grid import Job
from dlexp.sweep.stage import Stage

TRIAL, FINAL = (Job("a", [], {"arm": "a", key: "1"}) for key in ("trial", "seed"))
OOM = "CUDA out of memory: {} MiB are free"


def record(folder: Path, **changes: Any) -> dict[str, Any]:
    entry = read_json(folder / RECORD) | changes
    (folder / RECORD).write_text(json.dumps(entry), encoding="utf-8")
    return entry


@pytest.mark.parametrize(
    ("first", "second", "is_over"),
    [
        (OOM.format(3), OOM.format(4), True),
        (OOM.format(3), OOM.format(3), True),
        ("metrics.jsonl can't be written", OOM.format(3), False),
        (OOM.format(3), "metrics.jsonl can't be written", False),
    ],
)
def test_a_trial_that_failed_twice_counts_as_tried_whatever_it_said(
    tmp_path: Path, first: str, second: str, is_over: bool
) -> None:
    folder = made_run(tmp_path / "a", state="failed", error=first)
    course = Course.__new__(Course)
    course._before = {folder: None}
    before = record(folder)
    assert not course._is_over(TRIAL, folder, before), "it is tried once more"
    course._before = {folder: before}
    assert not course._is_over(TRIAL, folder, before), "a launcher that did not start it again tried nothing"
    again = record(folder, error=second, ended="2026-11-01T10:09:00+00:00")
    assert course._is_over(TRIAL, folder, again) == is_over and course._is_over(FINAL, folder, again)


def test_chosen_settings_stay_whatever_becomes_of_a_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(tuned_comparison(tmp_path, trials=2))
    record(tmp_path / plan.trials["sgd"][0], status="failed", error=OOM.format(3))
    monkeypatch.setattr(there, "checked", lambda jobs, read: Stage([], [], [], None))
    monkeypatch.setattr(there, "_left", lambda stage, folder, anew: ({}, []))
    words = ["optimizer=sgd,adam,adamw", "tune=optimizer.lr"]
    assert there.look(ask(words), plan, {}, tmp_path, anew=False).num_there == 3 * 2, "one that failed among them"
    tuned = replace(plan, seeds=[1])
    words = ["optimizer=sgd,adam,adamw", "tune=optimizer.lr", "seeds=[1]"]
    course = Course(ask(words), tuned, {}, None, None, folder=tmp_path, name="", anew=False)  # type: ignore[arg-type]
    trained: list[str] = []
    monkeypatch.setattr(Course, "_train", lambda _, jobs: trained.extend(job.name for job in jobs))
    course.run()
    assert trained == ["sgd_seed-1", "adam_seed-1", "adamw_seed-1"] and course.plan == tuned
