"""dlexp.runs: a dict a run, all with the same keys; dlexp.runs_frame: the same in pandas."""

import sys
from pathlib import Path

import pytest
from made_runs import made_run, made_sweep

import dlexp
import dlexp.errors


def sweep(folder: Path) -> Path:
    arms = {"sgd": {"optimizer": "sgd"}, "adam": {"optimizer": "adam", "optimizer.lr": 0.003}}
    return made_sweep(folder / "s", arms, {"sgd": [0.9, "diverged"], "adam": [0.95, "died"]})


def test_a_row_a_run(tmp_path: Path) -> None:
    rows = dlexp.runs(sweep(tmp_path))
    assert [row["name"] for row in rows] == ["adam_seed-0", "adam_seed-1", "sgd_seed-0", "sgd_seed-1"]
    assert [row["status"] for row in rows] == ["finished", "died", "finished", "failed"]
    assert [row["test/accuracy"] for row in rows] == [0.95, None, 0.9, None]
    assert [(row["optimizer"], row["optimizer.lr"], row["seed"]) for row in rows][::2] == [
        ("adam", 0.003, 0),
        ("sgd", 0.1, 0),
    ]
    assert rows[0]["optimizer.momentum"] is None and rows[2]["optimizer.momentum"] == 0.9
    assert rows[3]["diverged"] is True and rows[0]["parameters"] == 17283 and rows[0]["seconds"] == 10.0
    assert len({tuple(row) for row in rows}) == 1
    assert dlexp.runs([tmp_path]) == rows == dlexp.runs(str(tmp_path))


def test_no_setting_stands_in_the_place_of_what_came_out(tmp_path: Path) -> None:
    made_run(tmp_path / "a", 0.9, settings={"status": "winning", "folder": "elsewhere", "test/accuracy": 1.0})
    (row,) = dlexp.runs(tmp_path)
    assert (row["status"], row["folder"], row["test/accuracy"]) == ("finished", str(tmp_path / "a"), 0.9)


def test_what_can_not_be_read_is_warned_of(tmp_path: Path) -> None:
    made_run(tmp_path / "a")
    made_run(tmp_path / "b", state="damaged")
    with pytest.warns(UserWarning, match="b has a run.json that is damaged"):
        assert len(dlexp.runs(tmp_path)) == 1
    with pytest.raises(dlexp.errors.UserError, match="there is no folder"):
        dlexp.runs(tmp_path / "c")


def test_the_same_as_a_frame(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    frame = dlexp.runs_frame(sweep(tmp_path))
    assert frame.shape[0] == 4 and list(frame.columns) == list(dlexp.runs(tmp_path / "s")[0])
    means = frame[frame.status == "finished"].groupby("optimizer")["test/accuracy"].mean()
    assert means.to_dict() == {"adam": 0.95, "sgd": 0.9}


def test_without_pandas_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(dlexp.errors.UserError, match=r"runs_frame needs pandas: pip install 'dlexp\[frame\]'"):
        dlexp.runs_frame(sweep(tmp_path))
