"""`checkpoint.keep`: what stays of a run that has finished, what works with it, and weights that are one file."""

import os
import shutil
from pathlib import Path

import pytest
import torch

import dlexp
from dlexp import api
from dlexp.errors import UserError
from dlexp.records import checkpoints, run_json, weights
from dlexp.records.folder import BEST, LAST

TINY = ["data.points_per_class=40", "epochs=2", "batch_size=32", "pictures=false", "threads=1"]


def kept(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.pt")}


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "log.txt"}


def test_what_stays_of_a_finished_run(workdir: Path) -> None:
    everything = {"weights/best.pt", "weights/last.pt", "checkpoints/step-00000003.pt", "checkpoints/step-00000006.pt"}
    for keep, files in {"resume": everything, "best": {"weights/best.pt"}, "metrics": set()}.items():
        result = api.run([*TINY, "checkpoint.every_epochs=1", f"checkpoint.keep={keep}"], folder=keep)
        assert kept(result.folder) == files and run_json.read_json(result.folder / "run.json")["status"] == "finished"
        assert "test/accuracy" in result.metrics
    assert not Path("metrics/weights").exists() and not Path("best/checkpoints").exists()


def test_without_validation_the_last_weights_are_the_tested_ones(workdir: Path) -> None:
    folder = api.run([*TINY, "data.val_size=0", "checkpoint.keep=best"], folder="run").folder
    assert kept(folder) == {"weights/last.pt"}
    dlexp.load(folder)


def test_the_tested_weights_alone_serve_all_but_resume(workdir: Path, cli) -> None:
    whole = api.run(TINY, folder="whole").folder
    folder = api.run([*TINY, "checkpoint.keep=best"], folder="run").folder
    points = torch.rand(5, 2)
    assert torch.equal(dlexp.load(folder)(points), dlexp.load(whole)(points))
    ended = cli(*TINY, "init_from=run", "init=zeros", "hydra.run.dir=next")
    assert ended.code == 0 and "weights, taken from run: none is left as init drew it\n" in ended.out
    ended = cli("verify", "run")
    assert ended.code == 0 and "replayed from the beginning, is bit-identical" in ended.out
    before = content(folder)
    for words in (["epochs=20"], ["checkpoint.keep=resume"], ["checkpoint.keep=metrics"]):
        ended = cli("resume=run", *words)
        assert ended.code == 1 and ended.err == (
            "error: run keeps no state to go on from (checkpoint.keep=best);"
            " init_from=run starts a new run from its weights\n"
        )
    assert content(folder) == before
    for words in (["resume=run"], [*TINY, "resume=auto", "hydra.run.dir=run"]):
        ended = cli(*words)
        assert ended.code == 0 and "run is finished: " in ended.out and "makes it longer" not in ended.out


def test_a_folder_of_several_runs_is_told(workdir: Path, cli) -> None:
    api.run(TINY, folder="several/one")
    ended = cli(*TINY, "init_from=several")
    assert ended.code == 1 and "several is not the folder of a run; it holds several: several/one" in ended.err


def test_metrics_alone_say_what_is_missing(workdir: Path, cli) -> None:
    folder = api.run([*TINY, "checkpoint.keep=metrics"], folder="run").folder
    missing = "there are no weights in run: a run with checkpoint.keep=metrics keeps none"
    with pytest.raises(UserError, match=missing):
        dlexp.load(folder)
    ended = cli(*TINY, "init_from=run")
    assert ended.code == 1 and missing in ended.err
    ended = cli("resume=run", "epochs=20")
    assert ended.code == 1 and ended.err == (
        "error: run keeps no state to go on from (checkpoint.keep=metrics); train it again\n"
    )
    assert cli("verify", "run").code == 0


def test_a_finished_run_whose_states_were_deleted_is_not_begun_anew(workdir: Path, cli) -> None:
    folder = api.run(TINY, folder="run").folder
    shutil.rmtree(folder / "checkpoints")
    before = content(folder)
    ended = cli("resume=run", "epochs=20")
    assert ended.code == 1 and "keeps no state to go on from (its checkpoints are gone)" in ended.err
    assert content(folder) == before


def test_a_finished_run_becomes_smaller_later(workdir: Path) -> None:
    whole = api.run(TINY, folder="run")
    again = api.run(["resume=run", "checkpoint.keep=best"])
    assert kept(whole.folder) == {"weights/best.pt"} and again.metrics == whole.metrics


def test_a_run_that_has_not_finished_keeps_everything(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no look at the test set")

    monkeypatch.setattr("dlexp.experiment.closing.finish", broken)
    with pytest.raises(RuntimeError, match="no look"):
        api.run([*TINY, "checkpoint.keep=metrics"], folder="run")
    monkeypatch.undo()
    assert kept(workdir / "run") == {"weights/best.pt", "weights/last.pt", "checkpoints/step-00000006.pt"}
    assert "test/accuracy" in api.run([f"resume={workdir / 'run'}"]).metrics
    assert kept(workdir / "run") == set()


def saved(folder: Path, best: int, last: int) -> tuple[Path, Path]:
    for path, value in ((folder / BEST, best), (folder / LAST, last)):
        checkpoints.save(path, {"model": {"weight": torch.full((3,), value)}})
    return folder / BEST, folder / LAST


def test_the_same_weights_are_one_file(tmp_path: Path) -> None:
    best, last = saved(tmp_path / "other", 1, 2)
    weights.leave(tmp_path / "other", "resume", has_best=True)
    assert not best.samefile(last)

    best, last = saved(tmp_path / "run", 1, 1)
    for _ in range(2):
        weights.leave(tmp_path / "run", "resume", has_best=True)
        assert best.samefile(last) and kept(tmp_path / "run") == {"weights/best.pt", "weights/last.pt"}
    assert len(list(best.parent.iterdir())) == 2
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    assert kept(tmp_path / "copy") == kept(tmp_path / "run")
    checkpoints.save(last, {"model": {"weight": torch.zeros(3)}})  # the run goes on
    assert torch.equal(checkpoints.load(best)["model"]["weight"], torch.ones(3, dtype=torch.int64))


def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no links")

    monkeypatch.setattr(os, "link", refuse)
    best, last = saved(tmp_path, 1, 1)
    weights.leave(tmp_path, "resume", has_best=True)
    assert not best.samefile(last) and best.read_bytes() == last.read_bytes()


def test_what_cannot_be_removed_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    saved(tmp_path, 1, 2)

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    weights.leave(tmp_path, "metrics", has_best=True)
    assert "could not be removed (Permission denied)" in caplog.text
