"""SVHN: MATLAB files are fetched and read, and what is none is refused."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch

from dlexp.data import svhn
from dlexp.errors import UserError


def test_svhn(publish: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 4), dtype=np.uint8)
    files = {}
    for part, count in (("train", 4), ("test", 3)):
        file = io.BytesIO()
        scipy.io.savemat(file, {"X": images[..., :count], "y": np.array([[10], [1], [2], [9]], dtype=np.uint8)[:count]})
        files[f"{part}_32x32.mat"] = file.getvalue()
    source, url = publish(svhn.SOURCE, files)
    monkeypatch.setattr(svhn, "SOURCE", source)
    splits = svhn.svhn(root=str(tmp_path), download=True, url=url)
    assert splits.test is not None and len(splits.test) == 3
    assert splits.train.targets.tolist() == [0, 1, 2, 9], "10 stands for the digit 0"
    assert torch.equal(
        splits.train.read(torch.tensor([2]))["inputs"][0], torch.from_numpy(images[..., 2]).movedim(2, 0)
    )
    for content in (b"no file", files["test_32x32.mat"][:150]):
        with pytest.raises(UserError, match=r"test_32x32.mat is no MATLAB file of images X and labels y"):
            svhn.parse_mat(content, "test_32x32.mat")
