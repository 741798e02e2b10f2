"""Sets whose files are kept as they are published: made here, served on this machine, fetched, read, or refused."""

import gzip
import hashlib
import io
import struct
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch

from dlexp.config.build import told_content
from dlexp.config.compose import compose
from dlexp.data import kmnist, medmnist, svhn
from dlexp.data.fetch.files import Source
from dlexp.data.formats import medmnist_facts
from dlexp.errors import UserError

Served = Callable[[dict[str, bytes]], str]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *ignored: Any) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Puts files on a server and returns its address; the cache is an empty folder."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "DLEXP_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "server"
    folder.mkdir()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()

    def serve(files: dict[str, bytes]) -> str:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return f"http://127.0.0.1:{httpd.server_port}/"

    yield serve
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def with_files(source: Source, files: dict[str, bytes]) -> Source:
    sums = {name: hashlib.md5(content, usedforsecurity=False).hexdigest() for name, content in files.items()}
    assert sums.keys() == source.files.keys()
    return Source(source.name, source.folder, sums, sums, (), source.words)


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def test_kmnist(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.arange(5 * 28 * 28, dtype=np.uint32).astype(np.uint8).reshape(5, 28, 28)
    labels = np.array([3, 1, 4, 1, 5], dtype=np.uint8)
    files = {}
    for part, count in (("train", 5), ("t10k", 2)):
        files[f"{part}-images-idx3-ubyte.gz"] = gzip.compress(idx(images[:count]))
        files[f"{part}-labels-idx1-ubyte.gz"] = gzip.compress(idx(labels[:count]))
    monkeypatch.setattr(kmnist, "SOURCE", with_files(kmnist.SOURCE, files))
    root = tmp_path / "data"
    splits = kmnist.kmnist(root=str(root), download=True, url=served(files))
    assert splits.test is not None and len(splits.test) == 2
    assert splits.train.inputs.shape == (5, 1, 28, 28) and splits.train.targets.tolist() == [3, 1, 4, 1, 5]
    assert {path.name for path in (root / "KMNIST" / "raw").iterdir()} - {".kmnist.lock"} == set(files)
    assert len(kmnist.kmnist(root=str(root), download=False, url=None).train) == 5, "found, and nothing is unpacked"
    damaged = root / "KMNIST" / "raw" / "train-labels-idx1-ubyte.gz"
    damaged.write_bytes(damaged.read_bytes()[:-3])
    with pytest.raises(UserError, match="is not the published file of kmnist.*dlexp download kmnist"):
        kmnist.kmnist(root=str(root), download=False, url=None)


def test_svhn(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 4), dtype=np.uint8)
    files = {}
    for part, count in (("train", 4), ("test", 3)):
        file = io.BytesIO()
        scipy.io.savemat(file, {"X": images[..., :count], "y": np.array([[10], [1], [2], [9]], dtype=np.uint8)[:count]})
        files[f"{part}_32x32.mat"] = file.getvalue()
    monkeypatch.setattr(svhn, "SOURCE", with_files(svhn.SOURCE, files))
    splits = svhn.svhn(root=str(tmp_path), download=True, url=served(files))
    assert splits.test is not None and len(splits.test) == 3
    assert splits.train.targets.tolist() == [0, 1, 2, 9], "10 stands for the digit 0"
    assert torch.equal(
        splits.train.read(torch.tensor([2]))["inputs"][0], torch.from_numpy(images[..., 2]).movedim(2, 0)
    )
    for content in (b"no file", files["test_32x32.mat"][:150]):
        with pytest.raises(UserError, match=r"test_32x32.mat is no MATLAB file of images X and labels y"):
            svhn.parse_mat(content, "test_32x32.mat")


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
    name: str, channels: int, labels: int, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"{name}.npz": npz(channels, labels)}
    source = with_files(medmnist.source_of(name), files)
    monkeypatch.setattr(medmnist, "source_of", lambda asked: source)
    targets = "labels" if labels > 1 else "classes"
    root = {"root": str(tmp_path), "download": True, "url": served(files)}
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
