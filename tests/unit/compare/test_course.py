"""When a training of a comparison counts as over."""

import json
from pathlib import Path
from typing import Any

import pytest
from made_runs import made_run

from dlexp.compare.course import Course
from dlexp.records.folder import RECORD
from dlexp.records.run_json import read_json
from dlexp.sweep.grid import Job

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
