"""What refuses a run leaves nothing of it, however late it speaks: no folder, no ledger; what was there stays."""

import shutil
from pathlib import Path

import pytest

from dlexp import api
from dlexp.__main__ import main
from dlexp.errors import UserError
from dlexp.records import run_json
from dlexp.records.metrics import read_epochs

TINY = ["data.points_per_class=40", "epochs=1", "pictures=false", "threads=1"]
TABLE = ["data=arrays", "data.file=table.csv", "epochs=1", "pictures=false", "threads=1"]
IMAGES = ["data=fake", "data.shape=[3,8,8]", "data.num_samples=20", "model=cnn", "epochs=1", "threads=1"]
# Words that only what is done for a run can refuse: its data read, its weights found, its first step made.
LATE = {
    "weights that are not there": [*TINY, "init_from=nowhere"],
    "more folds than samples": [*TINY, "data.folds=500", "data.fold=0"],
    "nothing left to train on": [*TINY, "data.val_size=0.9999"],
    "more rounds than steps": [*TINY, "method=pruning", "method.rounds=5", "max_steps=1"],
    "classes that the data does not have": [*TABLE, "data.label_column=a", "data.class_names=[no,yes]"],
    "a column that is not there": [*TABLE, "data.group_column=b"],
    "weights that are no numbers": [*TABLE, "data.weight_file=words.txt"],
    "a first step": [*IMAGES, "method=contrastive", "augment=crop_flip", "batch_size=1"],
}


@pytest.fixture
def table(workdir: Path) -> list[str]:
    (workdir / "table.csv").write_text("a,y\n" + "".join(f"{i},{i % 2}\n" for i in range(40)), encoding="utf-8")
    (workdir / "words.txt").write_text("heavy\n" * 40, encoding="utf-8")
    return sorted(path.name for path in workdir.iterdir())


@pytest.mark.parametrize("words", LATE.values(), ids=LATE)
def test_a_refused_run_leaves_nothing(cli, workdir: Path, table: list[str], words: list[str]) -> None:
    for place in ([], ["hydra.run.dir=mine/run"]):
        ended = cli(*words, *place)
        assert ended.code == 1 and ended.err.startswith("error: ") and "Traceback" not in ended.err, ended
        assert sorted(path.name for path in workdir.iterdir()) == table


def test_what_lay_in_the_folder_stays(workdir: Path) -> None:
    mine = workdir / "mine"
    (mine / "plots").mkdir(parents=True)
    (mine / "notes.txt").write_text("own", encoding="utf-8")
    (workdir / "outputs").mkdir()
    with pytest.raises(UserError, match="no such file"):
        api.run([*TINY, "init_from=nowhere"], folder="mine")
    assert sorted(path.name for path in mine.iterdir()) == ["notes.txt", "plots"]
    with pytest.raises(UserError, match="no such file"):
        api.run([*TINY, "init_from=nowhere"])
    assert list((workdir / "outputs").iterdir()) == []


@pytest.mark.parametrize("num_jobs", [1, 2])
def test_a_refused_job_leaves_nothing(cli, workdir: Path, num_jobs: int) -> None:
    words = ["-m", "data.folds=500", "data.fold=0", "seed=1,2", f"n_jobs={num_jobs}", *TINY]
    ended = cli(*words)
    assert ended.code == 1 and ended.out.count("not started: data.folds=500 needs") == 2, ended
    assert list(workdir.iterdir()) == [] and "tensorboard" not in ended.out
    ended = cli(*words, "hydra.sweep.dir=a/sweep")
    assert ended.code == 1 and list(workdir.iterdir()) == []
    ended = cli("-m", "data.folds=500,2", "data.fold=0", f"n_jobs={num_jobs}", *TINY, "hydra.sweep.dir=sweep")
    assert ended.code == 1 and ended.out.count("not started: ") == 1
    assert [path.name for path in (workdir / "sweep").glob("*/")] == ["folds-2"], "its neighbour trains"


def test_a_refused_resume_changes_nothing(workdir: Path, table: list[str]) -> None:
    folder = api.run(TABLE, folder="run").folder
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    shutil.move("table.csv", "elsewhere.csv")
    with pytest.raises(UserError, match=r"table\.csv"):
        api.run(["resume=run", "epochs=2"])
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_what_has_trained_or_is_a_bug_leaves_its_record(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="loss became"):
        api.run([*TINY, "optimizer.lr=1e30", "epochs=3"], folder="broken")
    assert run_json.read_json(Path("broken/run.json"))["status"] == "failed"
    assert len(read_epochs(Path("broken"))) < 3

    def bug(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr("dlexp.experiment.description.describe", bug)
    with pytest.raises(KeyError):
        main([*TINY, "hydra.run.dir=bug"])
    assert "a bug" in Path("bug/log.txt").read_text(encoding="utf-8")
