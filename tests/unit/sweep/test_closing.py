"""The end of a sweep whose report can't be written: its results are told all the same."""

import errno
import json
import logging
from pathlib import Path

import pytest
from made_runs import made_sweep

from dlexp.records.event_file import EventFile
from dlexp.records.folder import RECORD
from dlexp.report import writing
from dlexp.sweep.closing import write_report
from dlexp.sweep.plan import tell_end
from dlexp.sweep.stage import Ended

ARMS = {"sgd": {"optimizer": "sgd"}, "adam": {"optimizer": "adam"}}


def no_space(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_ends_no_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    folder = made_sweep(tmp_path / "s", ARMS, {"sgd": [0.9, 0.91], "adam": [0.95, 0.96]})
    monkeypatch.setattr(writing, "_replace", no_space)
    folders = sorted(folder.iterdir())
    reports = [json.loads((each / RECORD).read_text(encoding="utf-8")) for each in folders]
    varied = [{"optimizer": each.name.partition("_")[0], "seed": each.name[-1]} for each in folders]
    tell_end(Ended(folder, folders, reports, None), varied, draws=True)
    assert f"no report is drawn: the report can't be written to {folder / 'report'} (No space left" in caplog.text
    assert "compare it   python -m dlexp report" in caplog.text and "report       " not in caplog.text


def test_a_report_that_tensorboard_can_not_show_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    folder = made_sweep(tmp_path / "s", ARMS, {"sgd": [0.9, 0.91], "adam": [0.95, 0.96]})
    monkeypatch.setattr(EventFile, "image", no_space)
    page = write_report(folder)
    assert page is not None and page.is_file()
    assert "TensorBoard shows none of the pictures" in caplog.text
