"""Folders of images: trees, formats, sizes, damaged files, and too little memory."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from small import NO_FILES_OF_IMAGES

from dlexp.data import image_folder as module
from dlexp.data.facts import image_classes
from dlexp.data.formats.pixels import image_endings, read_image
from dlexp.data.image_folder import image_folder
from dlexp.data.splits import Splits
from dlexp.errors import UserError
from dlexp.machine import memory

SETTINGS: dict[str, Any] = {"background": "white", "size": 16, "channels": 3, "test_size": 0.25, "in_memory": True,
                            "workers": 2, "split_seed": 0, "val_size": 0.1, "limit": None, "device": "auto",
                            **NO_FILES_OF_IMAGES}  # fmt: skip
COLOURS = {"blue": (0, 0, 255), "red": (255, 0, 0)}


def fill(folder: Path, count: int = 4, suffixes: tuple[str, ...] = (".png", ".jpg", ".gif", ".BMP")) -> None:
    """Writes one-coloured images of mixed sizes and formats, one class a colour."""
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            image = Image.new("RGB", (20 + 7 * index, 30), colour)
            image.save(folder / name / f"{index}{suffixes[index % len(suffixes)]}")


def load(folder: Path, **changes: Any) -> Splits:
    return image_folder(folder=str(folder), **(SETTINGS | changes))


def read(path: Path, size: int, channels: int) -> Any:
    """Returns the pixels of an image that is not transparent anywhere."""
    pixels, was_transparent = read_image(path, size=size, channels=channels, background=(255, 255, 255))
    assert not was_transparent
    return pixels


def colours_fit(splits: Splits) -> bool:
    """Whether every image of every split has its class's colour (blue = 0, red = 1)."""
    return all(
        bool((split.inputs.float().mean((2, 3))[:, [2, 0]].argmax(1) == split.targets).all())
        for split in (splits.train, splits.val, splits.test)
        if split is not None
    )


@pytest.mark.parametrize("val_name", ["val", "valid", "Validation"])
def test_tree_with_splits(tmp_path: Path, val_name: str) -> None:
    for name, count in (("train", 4), (val_name, 2), ("test", 3)):
        fill(tmp_path / name, count)
    (tmp_path / "annotations").mkdir()
    splits = load(tmp_path)
    assert splits.val is not None and splits.test is not None
    assert [len(split.inputs) for split in (splits.train, splits.val, splits.test)] == [8, 4, 6]
    assert splits.train.inputs.shape[1:] == (3, 16, 16) and splits.train.inputs.dtype == torch.uint8
    assert splits.train.targets.dtype == torch.int64 and colours_fit(splits)
    assert image_classes(str(tmp_path)) == ["blue", "red"]


def test_tree_without_splits_is_split_by_seed(tmp_path: Path) -> None:
    fill(tmp_path, 10)
    splits, again, other = load(tmp_path), load(tmp_path), load(tmp_path, split_seed=1)
    assert splits.test is not None and again.test is not None and other.test is not None
    assert len(splits.train.inputs) == 15 and len(splits.test.inputs) == 5 and colours_fit(splits)
    assert torch.equal(splits.test.targets, again.test.targets)
    assert not torch.equal(splits.train.targets, other.train.targets) or not torch.equal(
        splits.test.targets, other.test.targets
    )


def test_a_part_of_each_class_is_for_testing(tmp_path: Path) -> None:
    fill(tmp_path, 8)
    for seed in range(3):
        splits = load(tmp_path, split_seed=seed)
        assert splits.test is not None and splits.test.targets.tolist() == [0, 0, 1, 1]
        assert splits.divided_by == ("data.test_size",)
    assert load(tmp_path, test_size=0).test is None and len(load(tmp_path, test_size=0).train) == 16


def test_a_tree_without_images_for_testing_takes_some_for_training(tmp_path: Path) -> None:
    fill(tmp_path / "train", 8)
    fill(tmp_path / "val", 3)
    splits = load(tmp_path)
    assert splits.val is not None and splits.test is not None and colours_fit(splits)
    assert [len(split) for split in (splits.train, splits.val, splits.test)] == [12, 6, 4]
    assert load(tmp_path, test_size=0).test is None
    fill(tmp_path / "test", 2)
    splits = load(tmp_path)
    assert splits.test is not None and (len(splits.train), len(splits.test)) == (16, 4) and splits.divided_by == ()


def test_class_called_train_is_a_class(tmp_path: Path) -> None:
    for name in ("car", "train"):
        (tmp_path / name).mkdir()
        Image.new("L", (8, 8)).save(tmp_path / name / "a.png")
    assert image_classes(str(tmp_path)) == ["car", "train"]
    assert len(load(tmp_path).train.inputs) == 1


def test_a_split_without_classes_beside_classes_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path)
    (tmp_path / "test").mkdir()
    (tmp_path / "blue" / "0.png").rename(tmp_path / "test" / "0.png")
    load(tmp_path)
    assert "warning: " in caplog.text and "test is taken for a class" in caplog.text
    fill(tmp_path / "trn")
    fill(tmp_path / "tst")
    for name in (*COLOURS, "test"):
        shutil.rmtree(tmp_path / name)
    with pytest.raises(UserError, match="trn, tst, which hold no images"):
        load(tmp_path)


def test_other_files_are_left_out_and_folders_inside_a_class_belong_to_it(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    (tmp_path / "red" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "red" / "._0.png").write_bytes(b"x")
    (tmp_path / ".cache").mkdir()
    (tmp_path / "red" / "more").mkdir()
    Image.new("RGB", (9, 9), COLOURS["red"]).save(tmp_path / "red" / "more" / "x.webp")
    splits = load(tmp_path)
    assert splits.test is not None and len(splits.train.inputs) + len(splits.test.inputs) == 5
    assert colours_fit(splits)


def test_grey(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    assert load(tmp_path, channels=1).train.inputs.shape[1:] == (1, 16, 16)
    with pytest.raises(UserError, match="not 2"):
        load(tmp_path, channels=2)


def test_shorter_side_is_scaled_and_the_centre_cut_out(tmp_path: Path) -> None:
    wide = np.zeros((20, 60, 3), dtype=np.uint8)
    wide[:, 20:40] = 255  # only the middle third is white
    Image.fromarray(wide).save(tmp_path / "wide.png")
    Image.fromarray(wide.transpose(1, 0, 2)).save(tmp_path / "tall.png")
    for name in ("wide", "tall"):
        pixels = read(tmp_path / f"{name}.png", size=10, channels=3)
        assert pixels.shape == (3, 10, 10) and pixels[:, 2:-2, 2:-2].min() == 255


def test_upright_as_the_camera_noted(tmp_path: Path) -> None:
    half = np.zeros((16, 16, 3), dtype=np.uint8)
    half[:, :8] = 255  # white on the left; turned by 90 degrees clockwise it is on top
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(half).save(tmp_path / "a.jpg", exif=exif, quality=95)
    pixels = read(tmp_path / "a.jpg", size=16, channels=1)[0]
    assert pixels[:6].min() > 200 and pixels[-6:].max() < 50


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_every_mode_of_8_bits_becomes_bytes(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", (12, 12), (128, 128, 128, 255)).convert(mode)
    if mode == "1":
        image = Image.new(mode, (12, 12), 1)
    suffix = ".tif" if mode == "CMYK" else ".png"
    image.save(tmp_path / f"a{suffix}")
    pixels = read(tmp_path / f"a{suffix}", size=12, channels=3)
    assert pixels.dtype == np.uint8 and pixels.shape == (3, 12, 12)
    assert abs(int(pixels[0, 6, 6]) - (255 if mode == "1" else 128)) <= 2


@pytest.mark.parametrize(("mode", "value"), [("I;16", 700), ("I", 100_000), ("I", -1000), ("F", 0.3), ("F", 1e4)])
@pytest.mark.parametrize("size", [12, 5])
def test_more_bits_stay_as_they_are(tmp_path: Path, mode: str, value: float, size: int) -> None:
    Image.new(mode, (12, 14), value).save(tmp_path / "a.tif")
    for channels in (1, 3):
        pixels = read(tmp_path / "a.tif", size=size, channels=channels)
        assert pixels.dtype == np.float32 and pixels.shape == (channels, size, size)
        assert np.array_equal(pixels, np.full_like(pixels, value))


def test_pillow_knows_the_usual_endings() -> None:
    assert {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm"} <= image_endings()


def test_damaged_images_are_counted_and_named(tmp_path: Path) -> None:
    fill(tmp_path, 6)
    whole = (tmp_path / "red" / "0.png").read_bytes()
    (tmp_path / "red" / "0.png").write_bytes(whole[: len(whole) // 2])
    for index, name in enumerate(("1.jpg", "2.gif", "3.BMP")):
        (tmp_path / "red" / name).write_bytes(b"no image" * index)  # the first is empty
    with pytest.raises(UserError, match=r"4 of 12 images cannot be read: .*red.* and 1 more") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_too_large_for_memory_is_a_sentence_with_what_would_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 10)
    monkeypatch.setattr(module, "available_bytes", lambda: 200_000)
    with pytest.raises(UserError, match=r"data\.in_memory=false streams .*; data\.size=(\d+)") as caught:
        load(tmp_path, size=64)
    words = dict(word.rstrip(".").split("=") for word in str(caught.value).split() if word.startswith("data."))
    load(tmp_path, size=int(words["data.size"]))
    load(tmp_path, size=64, limit=int(words["data.limit"]))
    monkeypatch.setattr(module, "available_bytes", lambda: 10**12)
    load(tmp_path, size=64)


def test_limit_decodes_only_what_is_needed(tmp_path: Path) -> None:
    fill(tmp_path, 30)
    splits = load(tmp_path, limit=9, val_size=0.25)
    assert splits.test is not None and len(splits.test.inputs) == 9 and len(splits.train.inputs) == 13


def test_mistakes_in_the_tree_are_sentences(tmp_path: Path) -> None:
    def refused(sentence: str, folder: str | None = str(tmp_path)) -> None:
        with pytest.raises(UserError, match=sentence):
            image_folder(folder=folder, **SETTINGS)

    refused("data.folder=FOLDER", None)
    refused("is not a folder", str(tmp_path / "nowhere"))
    refused("at least two classes")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    refused("no images for training in 2 of 2 classes: a, b")
    fill(tmp_path / "train", 1)
    fill(tmp_path / "test", 1)
    (tmp_path / "test" / "green").mkdir()
    refused("classes that training lacks: green")


def test_available_memory_is_bounded_by_the_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory.available_bytes() > 0
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: SimpleNamespace(available=1_024_000))
    monkeypatch.setattr(memory, "CGROUP", tmp_path)  # a system without such limits
    assert memory.available_bytes() == 1_024_000
    for name, text in (("memory.max", "500"), ("memory.current", "400"), ("memory.stat", "anon 1\nfile 300\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert memory.available_bytes() == 400
    (tmp_path / "memory.max").write_text("max\n", encoding="utf-8")
    assert memory.available_bytes() == 1_024_000


@pytest.mark.parametrize("in_memory", [True, False])
def test_without_a_test_folder_a_part_of_the_training_images_is_tested(
    tmp_path: Path, in_memory: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    fill(tmp_path / "train", 10)
    fill(tmp_path / "val", 3)
    splits = load(tmp_path, in_memory=in_memory)
    assert splits.val is not None and splits.test is not None
    assert [len(split) for split in (splits.train, splits.val, splits.test)] == [15, 6, 5]
    assert f"{tmp_path} has no test split: data.test_size=0.25 of its training images become that" in caplog.text
    alone = load(tmp_path / "train", in_memory=in_memory).test
    assert alone is not None and torch.equal(splits.test.inputs[:], alone.inputs[:]), "as of a tree without splits"


def test_what_is_not_read_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    fill(tmp_path / "train", 4)
    for number in range(3):
        (tmp_path / "train" / "red" / f"{number}.xyz").touch()
        (tmp_path / "train" / "red" / f"no{number}").touch()
    Image.new("RGB", (8, 8)).save(tmp_path / "1.png")
    load(tmp_path)
    assert [record.getMessage() for record in caplog.records if "left out" in record.getMessage()] == [
        "6 files left out: 3 .xyz, 3 without an ending",
        f"warning: 1 image left out, in no folder {tmp_path}/SPLIT/CLASS: 1 in {tmp_path}",
    ]
    for path in (tmp_path / "train" / "blue").iterdir():
        path.unlink()
    with pytest.raises(UserError, match=r"training in 1 of 2 classes: blue. \(6 files left out: 3 .xyz, 3 without"):
        load(tmp_path)


@pytest.mark.parametrize(
    "background, pixel", [("white", [255] * 3), ("grey", [128] * 3), ("black", [0] * 3), ([9, 8, 7], [9, 8, 7])]
)
def test_transparent_images_are_laid_on_the_background(
    tmp_path: Path, background: Any, pixel: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    fill(tmp_path, 3)
    Image.new("RGBA", (8, 8), (1, 2, 3, 0)).save(tmp_path / "red" / "transparent.png")
    splits = load(tmp_path, background=background)
    assert splits.test is not None
    images = torch.cat([splits.train.inputs[:], splits.test.inputs[:]])
    assert sum(int((image == torch.tensor(pixel)[:, None, None]).all()) for image in images) == 1
    assert f"1 of 7 images are transparent in places: laid on {background} (data.background)" in caplog.text
