"""A person's own images through the command line: transparency, names that are not UTF-8, batches of one."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from dlexp import api
from dlexp.errors import UserError
from dlexp.records.run_json import read_json

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="other systems' names are text")
SMALL = ["model=mlp", "model.width=16", "data=image_folder", "data.size=8", "optimizer=adam", "threads=1"]


def fill(folder: Path | str, *, count: int = 10, shades: tuple[int, int] = (40, 220)) -> None:
    for name, shade in zip(("dark", "light"), shades, strict=True):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
        for number in range(count):
            Image.new("L", (8, 8), shade).save(os.path.join(folder, name, f"{number}.png"))


@pytest.mark.parametrize("words", [[], ["data.in_memory=false", "data.workers=1"]])
def test_black_drawings_on_a_transparent_ground_are_learnt(workdir: Path, words: list[str]) -> None:
    random = np.random.default_rng(0)
    for name in ("upright", "level"):
        (workdir / "drawings" / name).mkdir(parents=True)
        for number in range(30):
            image, place = Image.new("RGBA", (8, 8)), int(random.integers(1, 6))
            box = (place, 1, place + 1, 6) if name == "upright" else (1, place, 6, place + 1)
            ImageDraw.Draw(image).rectangle(box, fill=(0, 0, 0, 255))
            image.save(workdir / "drawings" / name / f"{number}.png")
    result = api.run([*SMALL, "data.folder=drawings", "epochs=40", "optimizer.lr=0.01", "pictures=false", *words])
    assert result.metrics["test/accuracy"] == 1
    with pytest.raises(UserError, match=r"3 channels .* \[2, 4, 8, 8\]: a fourth channel is transparency"):
        api.load(result.folder)(torch.rand(2, 4, 8, 8))
    with pytest.raises(UserError, match="3 channels"):  # one channel would be taken for all three
        api.load(result.folder)(torch.rand(2, 1, 8, 8))


@pytest.mark.slow
@LINUX
def test_names_that_are_not_utf8(workdir: Path, cli) -> None:
    folder = os.path.join("images", os.fsdecode("图".encode("gbk")))
    fill(folder)
    for name, other in (("dark", "猫"), ("light", "狗")):
        os.rename(os.path.join(folder, name), os.path.join(folder, os.fsdecode(other.encode("gbk"))))
    words = [*SMALL, f"data.folder={folder}", "epochs=1"]
    ended, run = cli(*words, "hydra.run.dir=run"), workdir / "run"
    assert ended.code == 0 and "warning: names of folders that are not UTF-8 are taken for 狗, 猫" in ended.out
    assert read_json(run / "data.json")["class_names"] == ["狗", "猫"]
    assert set(read_json(run / "results.json")["per_class_accuracy"]) == {"狗", "猫"}
    assert (run / "plots" / "confusion_matrix.png").is_file()
    assert "taken for 狗, 猫" in (run / "log.txt").read_text(encoding="utf-8")
    assert api.load(run).class_names == ["狗", "猫"]
    assert cli("resume=run", "epochs=2").code == 0
    Path(folder, os.listdir(folder)[0], os.fsdecode(b"\xff.png")).write_bytes(b"no image")
    for in_memory in ("true", "false"):
        ended = cli(*words, f"data.in_memory={in_memory}", f"hydra.run.dir=damaged-{in_memory}")
        assert ended.code == 1 and "cannot be read: " in ended.err and r"\xff.png" in ended.err
        assert "Traceback" not in ended.out + ended.err
        record = workdir / f"damaged-{in_memory}" / "run.json"
        assert not record.exists() or read_json(record)["status"] == "failed"


@pytest.mark.parametrize(
    "words, because",
    [
        (["batch_size=1"], r"\(batch_size=1\)"),
        (["data.limit=1"], r"\(data.limit=1\)"),
        (["batch_size=13", "overfit_batches=2"], r"\(14 for training, batch_size=13\)"),
    ],
)
@pytest.mark.slow
def test_batch_norm_of_one_value_is_refused(workdir: Path, words: list[str], because: str) -> None:
    fill("images")
    small = ["model=resnet18", *SMALL[2:], "data.folder=images", "max_steps=1", "pictures=false"]
    sentence = rf"does not fit batches of one sample {because}: layer '.*' \(BatchNorm2d\) takes its means over a batch"
    with pytest.raises(UserError, match=sentence):
        api.run([*small, *words])
    assert api.run([*small, *words, "data.size=64"]).metrics, "more pixels are more values"


def test_batch_norm_that_is_frozen_takes_one_sample(workdir: Path) -> None:
    fill("images")
    words = ["model=resnet18", *SMALL[2:], "data.folder=images", "max_steps=1", "pictures=false", "batch_size=1"]
    assert api.run([*words, "freeze=[conv1*,norm1*,stage*]"]).metrics
