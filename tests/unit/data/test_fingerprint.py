"""The fingerprint of a data set: another one for every change of content, the same for everything else."""

import itertools
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from dlexp.config.build import content_of, told_content
from dlexp.config.compose import compose
from dlexp.data import fingerprint
from dlexp.data.fingerprint import Content, of_arrays, of_files, of_splits
from dlexp.data.splits import Split, Splits
from dlexp.data.stream import kept_figures

PUBLISHED = ("mnist", "fashion_mnist", "kmnist", "cifar10", "cifar100", "svhn", "medmnist")
GENERATED = ("spiral", "linear", "fake", "blobs", "circles", "curve", "gates", "moons")


def fingerprint_of(*words: str) -> str:
    return content_of(compose(list(words)).config["data"]).fingerprint


@pytest.mark.parametrize("name", [*PUBLISHED, *GENERATED])
def test_published_and_generated_data_is_not_read(workdir: Path, name: str) -> None:
    words = [f"data={name}", *(["data.root=nowhere"] if name in PUBLISHED else [])]
    content = told_content(compose(words).config["data"])
    assert content is not None and (content.fingerprint == "generated") is (name in GENERATED)


def test_published_data_sets_differ() -> None:
    assert len({fingerprint_of(f"data={name}") for name in PUBLISHED}) == len(PUBLISHED)
    assert fingerprint_of("data=medmnist") != fingerprint_of("data=medmnist", "data.name=octmnist")


@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_every_change_of_a_table_shows(workdir: Path, kind: str) -> None:
    times = itertools.count()

    def write(rows: list[tuple[float, str]]) -> str:
        file = Path(f"data.{kind}")
        if kind == "csv":
            file.write_text("\n".join(["x,label", *(f"{x},{label}" for x, label in rows)]), encoding="utf-8")
        else:
            np.savez(file, x=np.array([x for x, _ in rows]), y=np.array([label for _, label in rows]))
        os.utime(file, ns=(0, next(times)))
        return fingerprint_of("data=arrays", f"data.file={file}")

    rows = [(float(n), "ab"[n % 2]) for n in range(10)]
    changes = {
        "the same": rows,
        "one more": [*rows, (3.0, "a")],
        "another value": [(0.5, "a"), *rows[1:]],
        "labels exchanged": [(0.0, "b"), (1.0, "a"), *rows[2:]],
        "a class renamed": [(x, {"a": "A", "b": "b"}[label]) for x, label in rows],
        "another order": rows[::-1],
    }
    found = {name: write(each) for name, each in changes.items()}
    assert len(set(found.values())) == len(changes), found
    assert write(rows) == found["the same"]


def test_every_change_of_files_shows(workdir: Path) -> None:
    for name in ("cat/1", "cat/2", "dog/1"):
        Path("images", name).parent.mkdir(parents=True, exist_ok=True)
        Path("images", name).write_text(name, encoding="utf-8")

    def found(root: str = "images", classes: tuple[str, ...] = ("cat", "dog")) -> str:
        return of_files([path for path in Path(root).rglob("*") if path.is_file()], Path(root), [*classes]).fingerprint

    whole = found()
    shutil.copytree("images", "moved")
    os.utime("moved/cat/1")
    assert found("moved") == whole, "neither the place nor the time counts"
    assert found(classes=("dog", "cat")) != whole
    Path("moved/cat/1").rename("moved/cat/3")
    assert found("moved") != whole
    Path("moved/cat/3").rename("moved/dog/3")
    assert found("moved") != whole
    Path("images/cat/1").write_text("cat/2", encoding="utf-8")
    assert found() != whole


def test_names_sizes_and_times_vouch_for_an_earlier_pass(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_figures, "cache_folder", lambda: workdir / "cache")
    monkeypatch.setattr(fingerprint, "WORTH_SECONDS", 0.0)
    file = workdir / "1"

    def write(text: str, age: float) -> None:
        file.write_text(text, encoding="utf-8")
        os.utime(file, (now - age, now - age))

    now = time.time()
    write("one", 60)
    first = of_files([file], workdir, [])
    write("two", 60)
    assert of_files([file], workdir, []) == first, "the file was not read again"
    for kept in workdir.glob("cache/*/*"):
        kept.write_text("null", encoding="utf-8")
    assert of_files([file], workdir, []) not in (first, Content("None", None)), "what was kept is damaged"
    write("two", 50)
    assert of_files([file], workdir, []) != first
    write("one", 0)
    just_written = of_files([file], workdir, [])
    write("two", 0)
    assert of_files([file], workdir, []) != just_written, "a file of this moment may change without another time"


def test_arrays_of_any_size_and_type() -> None:
    big = np.arange(3 * fingerprint.PIECE // 8, dtype=np.int64)
    changed = big.copy()
    changed[-1] += 1
    assert of_arrays([big]) == of_arrays([big.copy()]) != of_arrays([changed])
    assert of_arrays([np.zeros((0, 3))]) != of_arrays([np.zeros((3, 0))])
    assert of_arrays([np.zeros((2, 3))[:, ::2]]) == of_arrays([np.zeros((2, 2))])


def test_the_data_of_a_function_of_ones_own_is_hashed_when_it_is_loaded() -> None:
    def splits(value: float) -> Splits:
        part = Split(torch.full((4, 2), value), torch.arange(4))
        return Splits(train=part, test=part)

    assert of_splits(splits(1.0)) == of_splits(splits(1.0)) != of_splits(splits(2.0))
    part = splits(1.0).train
    told = [Split(**part.fields, groups=list(each)) for each in ("abcd", "abdc")]
    told += [Split(**part.fields, weights=[1, 2, 3, each]) for each in (4, 5)]
    assert len({of_splits(Splits(train=each, test=None)).fingerprint for each in [part, *told]}) == 5
    assert of_splits(Splits(train=part, test=None)) != of_splits(splits(1.0))
    assert of_splits(Splits(train=part, test=None, val=part)) != of_splits(splits(1.0))


def test_a_column_of_a_wider_array_has_a_content() -> None:
    wide = np.arange(12.0).reshape(4, 3)
    assert of_arrays([wide[:, 1]]) == of_arrays([wide[:, 1].copy()])
