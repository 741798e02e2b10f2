"""Run folders that an older version wrote: named as such in one sentence, whatever is asked of them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from dlexp import api
from dlexp.config.stored import stored_run
from dlexp.records.folder import CONFIG, LOCK, METRICS, RECORD
from dlexp.records.run_json import read_entry, read_json, write_json
from dlexp.report.reading.run_files import settings_of

TINY = ["data.limit=60", "epochs=1", "pictures=false", "model.width=4", "threads=1"]
OLD = "was written by an older, unreleased version of dlexp"


def aged(folder: Path) -> None:
    """Makes of a run what it would have been before the move: other places of code, fewer facts, version 1."""
    entry = {
        key: value for key, value in read_json(folder / RECORD).items() if key not in ("measures", "metric", "data")
    }
    write_json(folder / RECORD, entry | {"format_version": 1})
    config = yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))
    config["criterion"]["_target_"], config["evaluation"]["_target_"] = (
        "dlexp.criteria.CrossEntropy",
        "dlexp.evaluation.Plain",
    )
    del config["launcher"]
    (folder / CONFIG).write_text(yaml.safe_dump(config), encoding="utf-8")
    rows = [json.loads(line) for line in (folder / METRICS).read_text(encoding="utf-8").splitlines()]
    lines = [json.dumps({key: value for key, value in row.items() if key != "kind"}) for row in rows]
    (folder / METRICS).write_text("\n".join([*lines, ""]), encoding="utf-8")


@pytest.fixture(scope="module")
def an_old_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "old"
    api.run(TINY, folder=folder)
    aged(folder)
    return folder


@pytest.fixture
def old(an_old_run: Path, workdir: Path) -> Path:
    return Path(shutil.copytree(an_old_run, "old"))


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != LOCK}


@pytest.mark.parametrize(
    "words",
    [
        ["verify", "old"],
        ["diff", "old", "old"],
        ["resume=old"],
        ["resume=old", "epochs=2", "accept_changes=true"],
        [*TINY, "hydra.run.dir=old"],
        [*TINY, "hydra.run.dir=old", "resume=auto"],
    ],
    ids=" ".join,
)
def test_an_older_run_is_named_as_such(old: Path, cli: Any, words: list[str]) -> None:
    before = content(old)
    ended = cli(*words)
    assert ended.code == 1 and ended.err.count("error: ") == 1
    assert f"error: old {OLD}" in ended.err and "init_from=old" in ended.err
    assert content(old) == before


def test_an_older_run_is_not_loaded(old: Path) -> None:
    with pytest.raises(api.UserError, match=OLD):
        api.load(old)


def test_a_newer_run_is_not_called_old(old: Path) -> None:
    write_json(old / RECORD, read_json(old / RECORD) | {"format_version": 1000})
    with pytest.raises(api.UserError, match="old was written by a newer version of dlexp"):
        api.load(old)


def test_the_weights_of_an_older_run_are_good(old: Path) -> None:
    assert api.run([*TINY, "init_from=old"], folder="new").metrics["test/loss"] > 0


def test_an_older_sweep_is_left_alone(old: Path, cli: Any) -> None:
    """Neither counted as done nor trained into, also where its folder is named."""
    sweep = [*TINY, "seed=0,1", "hydra.sweep.dir=sweep"]
    shutil.copytree(old, "sweep/seed-0")
    cell = read_json(old / RECORD)["cell"]
    write_json(Path("sweep/sweep.json"), {"format_version": 1, "cells": {cell: "seed-0"}})
    before = content(Path("sweep/seed-0"))
    assert cli("-m", *sweep).code == 0
    assert content(Path("sweep/seed-0")) == before
    statuses = {path.name: (read_entry(path) or {"status": "old"})["status"] for path in Path("sweep").glob("seed-*")}
    assert statuses == {"seed-0": "old", "seed-0-2": "finished", "seed-1": "finished"}


@pytest.mark.parametrize("words", [["resume=old"], ["verify", "old"]])
def test_a_run_whose_files_were_divided_otherwise_is_loaded_and_does_not_go_on(
    cli, workdir: Path, words: list[str]
) -> None:
    rows = "".join(f"{i},{i % 2}\n" for i in range(40))
    Path("table.csv").write_text("a,label\n" + rows, encoding="utf-8")
    api.run(["data=arrays", "data.file=table.csv", "epochs=1", "pictures=false", "threads=1"], folder="old")
    config = yaml.safe_load(Path("old", CONFIG).read_text(encoding="utf-8"))
    came = "ignore_columns categories header separator decimal encoding missing".split()
    config["data"] = {key: value for key, value in config["data"].items() if key not in came}
    Path("old", CONFIG).write_text(yaml.safe_dump(config), encoding="utf-8")
    before = content(Path("old"))
    ended = cli(*words)
    assert ended.code == 1 and "divided own files otherwise" in ended.err and "init_from=old" in ended.err, ended
    assert content(Path("old")) == before and "Traceback" not in ended.err
    assert api.load("old")(torch.zeros(1, 1)).shape == (1, 2)


def test_what_came_later_is_what_a_run_from_before_had(workdir: Path) -> None:
    new = api.run([*TINY, "data.drawing=cs231n"], folder=workdir / "new").folder
    old = Path(shutil.copytree(new, workdir / "old"))
    config = yaml.safe_load((old / CONFIG).read_text(encoding="utf-8"))
    del config["init"], config["model"]["residual"], config["data"]["drawing"], config["data"]["test_size"]
    (old / CONFIG).write_text(yaml.safe_dump(config), encoding="utf-8")
    entry = read_json(old / RECORD)
    write_json(old / RECORD, entry | {"choices": {k: v for k, v in entry["choices"].items() if k != "init"}})
    assert stored_run(old)[0] == stored_run(new)[0]
    assert settings_of(old, read_json(old / RECORD)) == settings_of(new, read_json(new / RECORD))
    assert torch.equal(api.load(old)(torch.zeros(1, 2)), api.load(new)(torch.zeros(1, 2)))
    longer = api.run(["resume=old", "epochs=2", "accept_changes=true"])
    assert longer.folder == Path("old") and read_json(old / RECORD)["status"] == "finished"
