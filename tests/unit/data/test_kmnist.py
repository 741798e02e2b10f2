"""Kuzushiji-MNIST: packed files are fetched, kept and read as they are."""

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlexp.data import kmnist
from dlexp.errors import UserError


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def test_kmnist(publish: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.arange(5 * 28 * 28, dtype=np.uint32).astype(np.uint8).reshape(5, 28, 28)
    labels = np.array([3, 1, 4, 1, 5], dtype=np.uint8)
    files = {}
    for part, count in (("train", 5), ("t10k", 2)):
        files[f"{part}-images-idx3-ubyte.gz"] = gzip.compress(idx(images[:count]))
        files[f"{part}-labels-idx1-ubyte.gz"] = gzip.compress(idx(labels[:count]))
    source, url = publish(kmnist.SOURCE, files)
    monkeypatch.setattr(kmnist, "SOURCE", source)
    root = tmp_path / "data"
    splits = kmnist.kmnist(root=str(root), download=True, url=url)
    assert splits.test is not None and len(splits.test) == 2
    assert splits.train.inputs.shape == (5, 1, 28, 28) and splits.train.targets.tolist() == [3, 1, 4, 1, 5]
    assert {path.name for path in (root / "KMNIST" / "raw").iterdir()} - {".kmnist.lock"} == set(files)
    assert len(kmnist.kmnist(root=str(root), download=False, url=None).train) == 5, "found, and nothing is unpacked"
    damaged = root / "KMNIST" / "raw" / "train-labels-idx1-ubyte.gz"
    damaged.write_bytes(damaged.read_bytes()[:-3])
    with pytest.raises(UserError, match="is not the published file of kmnist.*dlexp download kmnist"):
        kmnist.kmnist(root=str(root), download=False, url=None)
