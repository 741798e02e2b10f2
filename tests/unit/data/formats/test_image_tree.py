"""Which images a folder holds: names of splits and classes, what is hidden, links, names that are not UTF-8."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from dlexp.data.formats.file_names import named_splits
from dlexp.data.formats.image_tree import ImageTree, image_tree
from dlexp.errors import UserError

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="other systems' names are text, and links need rights")


def fill(folder: Path | str, *classes: str, count: int = 2) -> None:
    for name in classes:
        os.makedirs(os.path.join(folder, name), exist_ok=True)
        for number in range(count):
            Path(folder, name, f"{number}.png").touch()


def names(tree: ImageTree) -> dict[str, list[tuple[str, int]]]:
    """Returns path below the root and class number by split."""
    return {
        split: [(path.relative_to(tree.root).as_posix(), label) for path, label in tree.images(split, {".png"})]
        for split in tree.splits
    }


def test_nothing_hidden_and_nothing_of_a_system(tmp_path: Path) -> None:
    fill(tmp_path, "cat", "dog", "__MACOSX", ".thumbnails", "lost+found", count=1)
    for name in (".ipynb_checkpoints", "@eaDir/0.png", "sub/__MACOSX", "sub/@eaDir"):
        fill(tmp_path / "cat", name)
    (tmp_path / "cat" / "._0.png").touch()
    tree = image_tree(str(tmp_path))
    assert tree.class_names == ["cat", "dog"]
    assert names(tree) == {"all": [("cat/0.png", 0), ("dog/0.png", 1)]}


@LINUX
def test_each_real_file_is_there_once_whatever_links_there_are(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "images", tmp_path / "elsewhere"
    fill(root, "cat", "dog", count=10)
    fill(elsewhere, "more", "birds", count=3)
    for place, to in {
        "cat/up": "..",  # 820 images of 20, most of another class
        "dog/top": "/",
        "cat/of_dogs": "../dog",
        "cat/again.png": "0.png",
        "dog/a_cat.png": "../cat/1.png",
        "kitten": "cat",
        "all": ".",
        "cat/more": str(elsewhere / "more"),  # the rest is elsewhere, so it counts
        "dog/one.png": str(elsewhere / "more" / "0.png"),
        "bird": str(elsewhere / "birds"),
    }.items():
        (root / place).symlink_to(to)
    (elsewhere / "more" / "back").symlink_to(elsewhere / "more")
    (elsewhere / "more" / "to_root").symlink_to(root)
    tree = image_tree(str(root))
    assert tree.class_names == ["bird", "cat", "dog"]
    found = names(tree)["all"]
    assert len(found) == 3 + 10 + 3 + 10 + 1
    assert all(label == tree.class_names.index(path.split("/")[0]) for path, label in found)
    assert {("cat/more/2.png", 1), ("dog/one.png", 2), ("bird/0.png", 0)} <= set(found)
    assert len({os.path.realpath(root / path) for path, _ in found}) == 26, "one of them has a link in another class"
    left = {"kitten", "all", "cat/up", "cat/of_dogs", "cat/again.png", "dog/top", "dog/a_cat.png"}
    assert {link.relative_to(root).as_posix() for link in tree.links} == left | {"cat/more/back", "cat/more/to_root"}


@LINUX
def test_a_split_that_links_to_another_is_none(tmp_path: Path) -> None:
    fill(tmp_path / "train", "cat", "dog")
    fill(tmp_path / "test", "cat", "dog")
    (tmp_path / "val").symlink_to("test")
    tree = image_tree(str(tmp_path))
    assert list(tree.splits) == ["train", "test"] and len(tree.links) == 2


@pytest.mark.parametrize(
    "train, val, test",
    [
        ("training_set", "", "test_set"),
        ("seg_train/seg_train", "", "seg_test/seg_test"),
        ("asl_train/asl_train", "asl_dev", "asl_test"),
        ("train", "dev", "eval"),
        ("Train", "Valid", "Test"),
        ("train2017", "val2017", "test2017"),
        ("trainset", "valset", "testset"),
        ("train_images", "val_images", "test_images"),
        ("training/data", "validation/data", "evaluation"),
    ],
)
def test_folders_of_splits_have_many_names(tmp_path: Path, train: str, val: str, test: str) -> None:
    places = {split: place for split, place in (("train", train), ("val", val), ("test", test)) if place}
    for place in places.values():
        fill(tmp_path / place, "cat", "dog", count=1)
    tree = image_tree(str(tmp_path))
    assert tree.class_names == ["cat", "dog"]
    assert names(tree) == {
        split: [(f"{place}/cat/0.png", 0), (f"{place}/dog/0.png", 1)] for split, place in places.items()
    }


def test_classes_are_no_splits() -> None:
    assert named_splits(["cat", "steam_train", "crash test", "developer", "contest", "valley", "images"]) == {}
    assert named_splits(["train_test", "my_train"]) == {}
    assert named_splits(["my_train", "my_test"]) == {"train": ["my_train"], "test": ["my_test"]}


def test_splits_that_nobody_can_tell_are_refused(tmp_path: Path) -> None:
    def refused(sentence: str, *splits: str, flat: tuple[str, ...] = ()) -> None:
        root = tmp_path / "-".join((*splits, *flat))
        for place in splits:
            fill(root / place, "cat", "dog")
        fill(root, *flat)
        with pytest.raises(UserError, match=sentence) as caught:
            image_tree(str(root))
        assert "\n" not in str(caught.value)

    refused("has val and test with class folders, and no folder for training: it must be named train", "val", "test")
    refused("has test with class folders, and no class folders in .*train: it must", "test", flat=("train",))
    refused("has val and valid, which name the same split", "train", "val", "valid", "test")
    refused("has train and training, which", "train", "training")
    refused("the folders test, train and no class folders in them: .*/train/CLASS/image.jpg", flat=("train", "test"))
    refused(r"found \['data'\]. Did you mean data.folder=.*data\?", "data")


@LINUX
def test_names_that_are_not_utf8_are_read_as_what_they_may_be(tmp_path: Path) -> None:
    def named(*raw: bytes) -> ImageTree:
        root = tmp_path / str(len(list(tmp_path.iterdir())))
        for name in raw:
            fill(root, os.fsdecode(name))
        return image_tree(str(root))

    chinese = named("猫".encode("gbk"), "狗".encode("gbk"))  # the first alone would be "è" in UTF-8
    assert chinese.class_names == chinese.guessed_names == ["狗", "猫"]
    assert len(chinese.images("all", {".png"})) == 4
    western = named("café".encode("latin-1"), "thé".encode())
    assert western.class_names == ["café", "thé"] and western.guessed_names == ["café"]
    assert named(b"\x81", b"cat").class_names == ["\\x81", "cat"], "what is in no encoding is shown as its bytes"
    assert named("猫".encode(), "狗".encode()).guessed_names == []
    with pytest.raises(UserError, match="two folders that are both named café, in different encodings"):
        named("café".encode("latin-1"), "café".encode())


def test_a_folder_that_is_closed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "cat", "dog")
    tree, scan = image_tree(str(tmp_path)), os.scandir

    def closed(folder: str) -> Any:
        if folder.endswith("cat"):
            raise PermissionError(13, "Permission denied")
        return scan(folder)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(UserError, match="cat can't be opened: Permission denied"):
        tree.images("all", {".png"})


@pytest.mark.parametrize("outer", [("trn", "tst"), ("fold1", "fold2", "train")])
def test_splits_by_names_that_nobody_knows_are_no_classes(tmp_path: Path, outer: tuple[str, ...]) -> None:
    for name in outer[:2]:
        fill(tmp_path / Path(*outer[2:]) / name, "cat", "dog")
        Path(tmp_path, *outer[2:], name, "readme.txt").touch()
    with pytest.raises(
        UserError, match=rf"{outer[0]}, {outer[1]}, which hold no images .* cat, dog, .*data.folder=.*{outer[0]} "
    ):
        image_tree(str(tmp_path)).hold_to_classes({".png"})


def test_folders_inside_classes_may_have_the_same_names(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        fill(tmp_path / name, "images")
    image_tree(str(tmp_path)).hold_to_classes({".png"})
    for name in ("cat", "dog"):
        fill(tmp_path / name, "front", "side")
    fill(tmp_path, "cat", count=1)
    image_tree(str(tmp_path)).hold_to_classes({".png"})
