"""Groups and weights from a file, and groups from the names of images, for any data set."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dlexp.config.build import build_task, content_of, load_data, prepared, told_content
from dlexp.config.cell import cell
from dlexp.config.compose import compose
from dlexp.config.schema import LATER_OF_DATA
from dlexp.data.splits import Splits
from dlexp.errors import UserError

FAKE = ["data=fake", "data.shape=[4]", "data.num_samples=60", "data.num_test_samples=20"]


def node(*words: str) -> dict[str, Any]:
    found: dict[str, Any] = compose(list(words)).config["data"]
    return found


def divided(*words: str) -> Splits:
    config = compose(list(words)).config
    found: Splits = prepared(load_data(config["data"]), config["data"], build_task(config))
    return found


def written(path: Path, values: Any) -> Path:
    if path.suffix == ".npy":
        np.save(path, np.asarray(values))
    else:
        head = ["patient"] if path.suffix == ".csv" else []
        path.write_text("\n".join([*head, *map(str, values)]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (".txt", FAKE),
        (".csv", ["data=spiral", "data.points_per_class=20"]),
        (".npy", ["data=linear", "data.num_points=60"]),
    ],
)
def test_no_group_is_in_two_splits(tmp_path: Path, ending: str, words: list[str]) -> None:
    file = written(tmp_path / f"groups{ending}", [f"p{i % 12}" for i in range(60)])
    splits = divided(*words, f"data.group_file={file}", "data.val_size=0.25")
    assert splits.val is not None and len(splits.val) == 15
    assert not set(splits.train.groups) & set(splits.val.groups)  # type: ignore[arg-type]
    fold = divided(*words, f"data.group_file={file}", "data.folds=3", "data.fold=1").val
    assert fold is not None and len(set(fold.groups)) == 4  # type: ignore[arg-type]


def test_a_file_of_all_samples_is_held_against_the_test_split(tmp_path: Path) -> None:
    file = written(tmp_path / "groups.txt", [f"p{i // 5}" for i in range(80)])
    assert len(set(divided(*FAKE, f"data.group_file={file}").test.groups)) == 4  # type: ignore[union-attr, arg-type]
    written(file, [f"p{i % 12}" for i in range(80)])
    with pytest.raises(UserError, match="group p0 lies in the training and in the test split"):
        divided(*FAKE, f"data.group_file={file}")


def test_weights_draw_training_samples(tmp_path: Path) -> None:
    file = written(tmp_path / "weights.txt", [i % 2 for i in range(60)])
    weights = load_data(node(*FAKE, f"data.weight_file={file}")).train.weights
    assert weights.tolist() == [i % 2 for i in range(60)]


def test_a_table_is_divided_by_the_groups_of_a_file(tmp_path: Path) -> None:
    """The test split, which the table has not, is made of whole groups too."""
    np.savez(tmp_path / "table.npz", x=np.random.default_rng(0).normal(size=(60, 3)), y=np.arange(60) % 2)
    file = written(tmp_path / "groups.txt", [f"p{i // 6}" for i in range(60)])
    splits = divided("data=arrays", f"data.file={tmp_path / 'table.npz'}", f"data.group_file={file}")
    parts = [set(each.groups) for each in (splits.train, splits.val, splits.test) if each is not None]  # type: ignore[arg-type]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 10


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(60):
        path = tmp_path / "photos" / ("cat" if number % 2 else "dog") / f"p{number // 6}-{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), color=(number, 0, 0)).save(path)
    return tmp_path / "photos"


@pytest.mark.parametrize("more", [[], ["data.limit=20"], ["data.in_memory=false", "data.workers=1"]])
def test_images_are_divided_by_their_names(photos: Path, more: list[str]) -> None:
    words = ["data=image_folder", f"data.folder={photos}", "data.size=8", *more]
    splits = divided(*words, "data.group_pattern='/(p\\d+)-'")
    parts = [set(each.groups) for each in (splits.train, splits.val, splits.test) if each is not None]  # type: ignore[arg-type]
    assert sum(map(len, parts)) == len(set.union(*parts)) and len(parts) == 3
    if not more:
        assert set.union(*parts) == {f"p{number}" for number in range(10)}
    plain = divided(*words)
    assert plain.train.groups is None


def test_images_have_the_groups_and_weights_of_files(photos: Path, tmp_path: Path) -> None:
    """In the order of classes and names."""
    names = sorted(photos.rglob("*.png"))
    groups = written(tmp_path / "groups.txt", [path.name.partition("-")[0] for path in names])
    weights = written(tmp_path / "weights.npy", [float(path.stem.partition("-")[2]) for path in names])
    words = ["data=image_folder", f"data.folder={photos}", "data.size=8"]
    splits = load_data(node(*words, f"data.group_file={groups}", f"data.weight_file={weights}"))
    red = splits.train.inputs[:, 0, 0, 0].double()
    assert splits.train.weights.tolist() == red.tolist()
    assert [f"p{int(value) // 6}" for value in red] == splits.train.groups.tolist()
    by_name = load_data(node(*words, "data.group_pattern='p\\d+'"))
    assert by_name.train.groups.tolist() == splits.train.groups.tolist()


@pytest.mark.parametrize(
    ("words", "values", "sentence"),
    [
        (
            ["data.group_file=FILE"],
            ["a"] * 59,
            "has 59 values, and there are 60 training samples .or 80, of train, test",
        ),
        (["data.group_file=FILE"], ["a"] * 9 + [""] + ["a"] * 50, "can't be read: line 10 does not hold one value"),
        (["data.weight_file=FILE"], ["a"] * 60, "can't be read: 'a' in line 1 is no number of at least 0"),
        (["data.weight_file=FILE"], [1] * 9 + [-1] + ["nan"] * 50, "can't be read: '-1' in line 10 is no number"),
        (["data.group_file=none.txt"], [], "data.group_file=none.txt can't be read: there is no such file"),
        (["data.group_file=groups.md"], [], "must end in .txt .a value a line., .csv"),
        (
            ["data.group_pattern='p'"],
            [],
            "about the names of images' files, and this data set has none: data.group_file=",
        ),
    ],
)
def test_what_is_wrong_with_them_is_a_sentence(tmp_path: Path, words: list[str], values: Any, sentence: str) -> None:
    file = written(tmp_path / "file.txt", values)
    with pytest.raises(UserError, match=sentence):
        load_data(node(*FAKE, *[word.replace("FILE", str(file)) for word in words]))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["data.group_pattern='p[0-7]'"],
            "does not fit 12 of 60 files, .*: cat/p8-49.png, cat/p8-51.png, cat/p8-53.png, …",
        ),
        (["data.group_pattern='('"], "is no regular expression"),
        (["data.group_pattern='p'", "data.group_file=g.txt"], "both name the groups: one of them will do"),
    ],
)
def test_what_is_wrong_with_a_pattern_is_a_sentence(photos: Path, words: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        load_data(node("data=image_folder", f"data.folder={photos}", *words))


def test_groups_of_the_data_itself_are_not_replaced(tmp_path: Path) -> None:
    np.savez(tmp_path / "table.npz", x=np.ones((6, 3)), y=np.arange(6) % 2, groups=np.arange(6))
    file = written(tmp_path / "groups.txt", "abcdef")
    with pytest.raises(UserError, match=r"the data has groups of its own, so data\.group_file="):
        load_data(node("data=arrays", f"data.file={tmp_path / 'table.npz'}", f"data.group_file={file}"))


def test_what_the_files_hold_belongs_to_the_content(tmp_path: Path) -> None:
    file = written(tmp_path / "groups.txt", [f"p{i % 12}" for i in range(60)])
    words = [*FAKE, f"data.group_file={file}"]
    before = content_of(node(*words)).fingerprint
    assert before != content_of(node(*FAKE)).fingerprint == "generated"
    assert told_content(node(*words)) == content_of(node(*words))
    written(file, [f"p{i % 11}" for i in range(60)])
    assert content_of(node(*words)).fingerprint != before


def test_a_run_without_them_is_the_run_that_it_was() -> None:
    config = compose(FAKE).config
    older = config | {"data": {key: value for key, value in config["data"].items() if key not in LATER_OF_DATA}}
    assert len(older["data"]) == len(config["data"]) - len(LATER_OF_DATA) and cell(older) == cell(config)
    assert cell(config | {"data": config["data"] | {"group_file": "groups.txt"}}) != cell(config)
