"""MedMNIST: each set composes with its facts, is fetched with its own splits, and refused for another task."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlexp.config.build import told_content
from dlexp.config.compose import compose
from dlexp.data import medmnist
from dlexp.data.formats import medmnist_facts
from dlexp.errors import UserError


def npz(channels: int, labels: int, counts: tuple[int, int, int] = (6, 3, 2)) -> bytes:
    generator, file = np.random.default_rng(0), io.BytesIO()
    arrays = {}
    for part, count in zip(("train", "val", "test"), counts, strict=True):
        shape = (count, 28, 28, 3) if channels == 3 else (count, 28, 28)
        arrays[f"{part}_images"] = generator.integers(0, 256, shape, dtype=np.uint8)
        arrays[f"{part}_labels"] = generator.integers(0, 2, (count, labels), dtype=np.uint8)
    np.savez(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "channels", "labels"), [("pathmnist", 3, 1), ("breastmnist", 1, 1), ("chestmnist", 1, 14)]
)
def test_medmnist(
    name: str, channels: int, labels: int, publish: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"{name}.npz": npz(channels, labels)}
    source, url = publish(medmnist.source_of(name), files)
    monkeypatch.setattr(medmnist, "source_of", lambda asked: source)
    targets = "labels" if labels > 1 else "classes"
    root = {"root": str(tmp_path), "download": True, "url": url}
    splits = medmnist.medmnist(name=name, targets=targets, **root)
    assert splits.val is not None and splits.test is not None
    assert [len(each) for each in splits.named.values()] == [6, 3, 2]
    assert splits.train.inputs.shape == (6, channels, 28, 28) and splits.train.inputs.dtype == torch.uint8
    wanted = torch.float32 if labels > 1 else torch.int64
    assert splits.train.targets.dtype == wanted and splits.train.targets.shape == ((6, 14) if labels > 1 else (6,))
    other = "classes" if labels > 1 else "labels"
    with pytest.raises(UserError, match="task=multi_label" if labels > 1 else "task=classification"):
        medmnist.medmnist(name=name, targets=other, **root)
    with pytest.raises(UserError, match=r"is no NPZ of images and labels"):
        medmnist.parse_npz(files[f"{name}.npz"][:200], f"{name}.npz")


def test_each_set_of_medmnist_composes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(medmnist_facts.SETS) == 12
    for name, facts in medmnist_facts.SETS.items():
        data = compose(["data=medmnist", f"data.name={name}"]).config["data"]
        assert data["shape"] == [facts.channels, 28, 28] and data["num_outputs"] == len(facts.class_names)
        assert told_content(data) is not None
    with pytest.raises(UserError, match="Did you mean 'pathmnist'"):
        compose(["data=medmnist", "data.name=pathmnst"])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("DLEXP_DATA", raising=False)
    with pytest.raises(UserError, match="`python -m dlexp download medmnist data.name=octmnist`"):
        medmnist.medmnist(name="octmnist", targets="classes", root=None, download=False, url=None)
