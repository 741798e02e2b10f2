"""The files of a report: where they go, that they replace a report's alone, and that they are whole or as before."""

import hashlib
import os
from pathlib import Path

import pytest
from made_runs import made_run, made_sweep

from dlexp.errors import UserError
from dlexp.report import writing
from dlexp.report.making import make_answer
from dlexp.report.writing import place_of, write


def sweep(folder: Path) -> Path:
    arms = {"sgd": {"optimizer": "sgd"}, "adam": {"optimizer": "adam"}}
    return made_sweep(folder, arms, {"sgd": [0.9, 0.91, 0.905], "adam": [0.95, 0.951, 0.96]})


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_where_a_report_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one, other = sweep(Path("outputs/one")), sweep(Path("outputs/other"))
    assert place_of([one], None) == Path("outputs/one/report")
    assert place_of([one, other], None) == Path("outputs/report")
    assert place_of([one / "sgd_seed-0"], None) == Path("outputs/one/report")
    assert place_of([Path(".")], None) == Path("report")
    assert place_of([Path("outputs"), tmp_path / "outputs"], None) == Path("outputs/report")
    assert place_of([Path("outputs"), Path("../elsewhere")], None) == Path("../report")
    assert place_of([Path("/one"), Path("/other")], None) == Path("report"), "not into the root"
    assert place_of([one], Path("mine")) == Path("mine")


def test_names_in_any_script_are_drawn_without_a_word_of_matplotlib(tmp_path: Path) -> None:
    arms = {"one": {"model.activation": "激活函数"}, "two": {"model.activation": "गति"}}
    folder = made_sweep(tmp_path / "s", arms, {"one": [0.9, 0.91], "two": [0.95, 0.951]})
    names = {path.name for path in write(make_answer([folder]), tmp_path / "report")}  # a warning would be an error
    assert {"differences.png", "differences.svg"} <= names


def test_same_folders_same_bytes_and_run_folders_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = sweep(Path("s"))
    before = hashes(folder)
    first = {path.name for path in write(make_answer([folder]), folder / "report")}
    assert {"report.html", "report.md", "table.csv", "table.tex", "runs.csv", "report.json"} <= first
    assert {"differences.png", "differences.svg"} <= first
    once = hashes(folder)
    assert {name: own for name, own in once.items() if not name.startswith("report/")} == before
    write(make_answer([folder]), folder / "report")
    assert hashes(folder) == once
    assert str(tmp_path) not in (folder / "report" / "report.html").read_text(encoding="utf-8")
    assert len(make_answer([folder]).arms) == 2  # the report's own folder is no run


def test_pictures_that_an_older_report_had_go_and_others_files_stay(tmp_path: Path) -> None:
    folder = sweep(tmp_path / "s")
    place = folder / "report"
    write(make_answer([folder]), place)
    (place / "notes.txt").write_text("mine", encoding="utf-8")
    assert (place / "differences.png").is_file()
    write(make_answer([folder], where=["optimizer=sgd", "seed=0"]), place_of([folder], None))
    assert not (place / "differences.png").exists() and (place / "notes.txt").is_file()
    assert not list(place.glob(".unfinished*"))


def test_what_no_report_wrote_is_not_overwritten(tmp_path: Path) -> None:
    folder = sweep(tmp_path / "s")
    (folder / "report").mkdir()
    assert place_of([folder], None) == folder / "report"
    (folder / "report" / "report.md").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match=r"report holds files that no report wrote; --out=FOLDER names another place"):
        place_of([folder], None)
    with pytest.raises(UserError, match="is the folder of a run"):
        place_of([folder], folder / "sgd_seed-0" / "report")
    (tmp_path / "file").touch()
    (folder / "sgd_seed-0" / "inner").mkdir()
    (tmp_path / "link").symlink_to(folder / "sgd_seed-0" / "inner")
    with pytest.raises(UserError, match="is the folder of a run"):
        place_of([folder], tmp_path / "link")
    with pytest.raises(UserError, match="file is a file, and a folder of that name is wanted"):
        place_of([folder], tmp_path / "file")


def test_a_stranger_removes_nothing(tmp_path: Path) -> None:
    folder = sweep(tmp_path / "s")
    (folder / "report").mkdir()
    (tmp_path / "s" / "precious.md").write_text("mine", encoding="utf-8")
    names = '["../precious.md", "/etc/hosts.md", "..", 5, "x.py"]'
    (folder / "report" / "report.json").write_text(
        f'{{"written_by": "dlexp report", "files": {names}}}', encoding="utf-8"
    )
    (folder / "report" / "x.py").touch()
    write(make_answer([folder]), place_of([folder], None))
    assert (tmp_path / "s" / "precious.md").is_file() and (folder / "report" / "x.py").is_file()


def test_on_a_full_disk_the_old_report_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = sweep(tmp_path / "s")
    write(make_answer([folder]), folder / "report")
    before = hashes(folder / "report")
    monkeypatch.setattr(writing, "files", lambda answer: {"report.md": b"new", "missing/table.csv": b"new"})
    with pytest.raises(UserError, match=r"the report can't be written to .*; --out=FOLDER names another place"):
        write(make_answer([folder]), folder / "report")
    assert hashes(folder / "report") == before
    made_run(folder / "more", seed=9)
    assert os.listdir(folder / "report")
