"""What a run says that a signal ends."""

import logging
from pathlib import Path

import pytest

from dlexp.experiment.opening import _noted
from dlexp.records.folder import state_file
from dlexp.records.run_json import RunRecord


def test_a_run_that_is_stopped_says_whether_a_state_was_saved(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    facts = {"parent": None, "choices": {}, "name": "run"}
    for told in ("begins anew: no state was saved yet", "goes on from here"):
        caplog.clear()
        folder = tmp_path / told[:4]
        folder.mkdir()
        entry = RunRecord.new(folder, seed=0, overrides=[], **facts)
        if told == "goes on from here":
            state_file(folder, 3).parent.mkdir()
            state_file(folder, 3).touch()
        with pytest.raises(KeyboardInterrupt), _noted(entry, {"batch_size": 1}, folder):
            raise KeyboardInterrupt
        assert caplog.messages == [f"stopped; resume={folder} {told}"]
        assert entry.data["status"] == "stopped"
