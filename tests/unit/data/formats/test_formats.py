"""Finding, checking and parsing the files of published data sets; with the real ones where DLEXP_DATA has them."""

import gzip
import hashlib
import io
import os
import pickle
import struct
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import pytest
import torch
from platformdirs.macos import MacOS
from platformdirs.unix import Unix
from platformdirs.windows import Windows

from dlexp.data import cifar10, cifar100, fashion_mnist, mnist
from dlexp.data.fetch import download, files
from dlexp.data.fetch.archives import unpack
from dlexp.data.fetch.download import obtain
from dlexp.data.fetch.files import Source, cache_folder, search_roots
from dlexp.data.formats.cifar_batches import load_cifar, parse_batch
from dlexp.data.formats.idx import load_idx, parse_idx
from dlexp.data.splits import Split, Splits
from dlexp.data.statistics import statistics
from dlexp.errors import UserError

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")

REAL_ROOT = os.environ.get("DLEXP_DATA")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own, and no DLEXP_DATA."""
    monkeypatch.setattr(platformdirs, "PlatformDirs", Unix)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("DLEXP_DATA", raising=False)
    return tmp_path / "cache" / "dlexp"


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def idx(array: np.ndarray[Any, Any]) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def tiny_mnist() -> dict[str, bytes]:
    random = np.random.default_rng(0)
    arrays = [random.integers(0, 256, (6, 5, 4)), np.arange(6), random.integers(0, 256, (3, 5, 4)), np.arange(3)]
    return dict(zip(NAMES, map(idx, arrays), strict=True))


def python2_batch(images: np.ndarray[Any, Any], labels: list[int]) -> bytes:
    """A CIFAR batch as Python 2 with an old NumPy pickled it: byte strings, three names, state of an array."""
    raw = images.astype(np.uint8).tobytes()
    out = io.BytesIO()

    def text(value: bytes) -> bytes:
        return b"T" + struct.pack("<i", len(value)) + value

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    out.write(b"\x80\x02}(" + text(b"data"))
    out.write(b"cnumpy.core.multiarray\n_reconstruct\n" + b"cnumpy\nndarray\n" + b"K\x00\x85" + text(b"b") + b"\x87R")
    out.write(b"(K\x01" + number(len(images)) + number(3072) + b"\x86")
    out.write(b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R")
    out.write(b"(K\x03" + text(b"|") + b"NNN" + number(-1) + number(-1) + b"K\x00tb")
    out.write(b"\x89" + text(raw) + b"tb")
    out.write(text(b"labels") + b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e")
    return out.getvalue() + b"u."


def tiny_cifar() -> dict[str, bytes]:
    random = np.random.default_rng(0)
    names = cifar10.SOURCE.files
    return {name: python2_batch(random.integers(0, 256, (2, 3072)), [index, 9]) for index, name in enumerate(names)}


def gz_source(data: dict[str, bytes]) -> tuple[Source, dict[str, bytes]]:
    packed = {f"{name}.gz": gzip.compress(content) for name, content in data.items()}
    archives = {name: md5(content) for name, content in packed.items()}
    checksums = {name: md5(content) for name, content in data.items()}
    return replace(mnist.SOURCE, files=checksums, archives=archives, mirrors=()), packed


def tar_source(data: dict[str, bytes], prefix: str = "cifar-10-batches-py/") -> tuple[Source, bytes]:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in data.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    packed = out.getvalue()
    return replace(
        cifar10.SOURCE,
        files={name: md5(content) for name, content in data.items()},
        archives={"cifar-10-python.tar.gz": md5(packed)},
        mirrors=(),
    ), packed


def write(folder: Path, data: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in data.items():
        (folder / name).write_bytes(content)
    return folder


def read_mnist(source: Source, root: Path | None) -> Splits:
    return load_idx(source, root=None if root is None else str(root), download=False, url=None)


def read_cifar(source: Source, root: Path) -> Splits:
    return load_cifar(source, test_file="test_batch", label_key=b"labels", root=str(root), download=False, url=None)


@pytest.mark.parametrize(("lies_in", "root"), [("MNIST/raw", ""), ("MNIST/raw", "MNIST"), ("", "")])
@pytest.mark.parametrize("packed", [False, True])
def test_mnist_is_recognised(tmp_path: Path, lies_in: str, root: str, packed: bool) -> None:
    data = tiny_mnist()
    source, archives = gz_source(data)
    write(tmp_path / "data" / lies_in, archives if packed else data)
    splits = read_mnist(source, tmp_path / "data" / root)
    assert splits.train.inputs.shape == (6, 1, 5, 4) and splits.train.inputs.dtype == torch.uint8
    assert splits.train.targets.tolist() == list(range(6)) and splits.train.targets.dtype == torch.int64
    assert splits.train.inputs.numpy().tobytes() == data[NAMES[0]][16:]
    assert splits.test is not None and splits.test.inputs.numpy().tobytes() == data[NAMES[2]][16:]


def test_mnist_half_unpacked(tmp_path: Path) -> None:
    data = tiny_mnist()
    source, archives = gz_source(data)
    write(tmp_path, {NAMES[0]: data[NAMES[0]]} | {f"{name}.gz": archives[f"{name}.gz"] for name in NAMES[1:]})
    assert len(read_mnist(source, tmp_path).train.inputs) == 6


@pytest.mark.parametrize(
    ("lies_in", "root"), [("cifar-10-batches-py", ""), ("cifar-10-batches-py", "cifar-10-batches-py")]
)
def test_cifar_folder_is_recognised(tmp_path: Path, lies_in: str, root: str) -> None:
    data = tiny_cifar()
    source, _ = tar_source(data)
    write(tmp_path / lies_in, data)
    splits = read_cifar(source, tmp_path / root)
    assert splits.train.inputs.shape == (10, 3, 32, 32) and splits.test is not None
    assert splits.train.targets.tolist() == [0, 9, 1, 9, 2, 9, 3, 9, 4, 9] and splits.test.targets.tolist() == [5, 9]
    expected = np.random.default_rng(0).integers(0, 256, (2, 3072)).astype(np.uint8)
    assert splits.train.inputs[:2].numpy().tobytes() == expected.tobytes()
    splits.train.inputs[0] = 0  # writable memory of its own


def test_cifar_archive_put_there_by_hand(tmp_path: Path) -> None:
    source, packed = tar_source(tiny_cifar())
    write(tmp_path, {"cifar-10-python.tar.gz": packed})
    assert len(read_cifar(source, tmp_path).train.inputs) == 10
    assert not source.missing(tmp_path / "cifar-10-batches-py")
    assert not list(tmp_path.rglob("*.tmp"))


def test_archive_in_a_read_only_folder_is_unpacked_into_the_cache(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tiny_mnist()
    source, archives = gz_source(data)
    root = write(tmp_path / "fixed", archives)
    # Root may write anywhere, so the permission is taken away in words.
    allowed = files.is_writable
    monkeypatch.setattr(
        download, "is_writable", lambda folder: root not in (folder, *folder.parents) and allowed(folder)
    )
    assert len(read_mnist(source, root).train.inputs) == 6
    assert sorted(path.name for path in root.iterdir()) == sorted(archives)
    assert not source.missing(cache / "MNIST" / "raw")
    assert len(read_mnist(source, None).train.inputs) == 6  # found there the next time


def test_reading_writes_nothing(tmp_path: Path) -> None:
    data = tiny_mnist()
    source, _ = gz_source(data)
    write(tmp_path / "data", data)
    read_mnist(source, tmp_path / "data")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == sorted(data)


@pytest.mark.parametrize("damage", ["truncated", "changed", "foreign", "empty"])
def test_damaged_files_are_named_and_never_read(tmp_path: Path, damage: str) -> None:
    data = tiny_mnist()
    source, _ = gz_source(data)
    victim = NAMES[2]
    whole = data[victim]
    data[victim] = {
        "truncated": whole[:-1],
        "changed": whole[:20] + bytes([whole[20] ^ 1]) + whole[21:],
        "foreign": data[NAMES[0]],
        "empty": b"",
    }[damage]
    write(tmp_path, data)
    with pytest.raises(UserError, match=f"{victim}.*is not the published file of mnist.*download mnist"):
        read_mnist(source, tmp_path)


@pytest.mark.parametrize("damage", [slice(0, 100), slice(0, 0), slice(50, None)])
def test_damaged_archives_are_named(tmp_path: Path, damage: slice) -> None:
    source, packed = tar_source(tiny_cifar())
    write(tmp_path, {"cifar-10-python.tar.gz": packed[damage]})
    with pytest.raises(UserError, match=r"cifar-10-python\.tar\.gz .* is not the published archive"):
        read_cifar(source, tmp_path)


def hostile_tar(kind: str, data: dict[str, bytes], outside: Path) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in data.items():
            member = tarfile.TarInfo({"dots": f"../../{name}", "absolute": f"{outside}/{name}"}.get(kind, name))
            if kind in ("symlink", "hardlink"):
                member.type = tarfile.SYMTYPE if kind == "symlink" else tarfile.LNKTYPE
                member.linkname = str(outside / "secret")
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        extra = tarfile.TarInfo("../evil")
        extra.size = 3
        tar.addfile(extra, io.BytesIO(b"bad"))
    return out.getvalue()


@pytest.mark.parametrize("kind", ["dots", "absolute", "symlink", "hardlink"])
def test_no_path_leaves_the_folder(tmp_path: Path, kind: str) -> None:
    data = {"one": b"1", "two": b"2"}
    outside = write(tmp_path / "outside", {"secret": b"1"})
    packed = hostile_tar(kind, data, outside)
    root = write(tmp_path / "data", {"x.tar.gz": packed})
    source = Source("x", "x", {k: md5(v) for k, v in data.items()}, {"x.tar.gz": md5(packed)}, ())
    if kind in ("symlink", "hardlink"):
        with pytest.raises(UserError, match="lacks one, two"):
            obtain(source, root=str(root), download=False, url=None)
    else:
        folder = obtain(source, root=str(root), download=False, url=None)
        assert {name: (folder / name).read_bytes() for name in data} == data
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert not list(tmp_path.rglob("evil")) and (outside / "secret").read_bytes() == b"1"


def test_wrong_content_inside_a_right_archive_is_refused(tmp_path: Path) -> None:
    source, packed = tar_source({"one": b"1"})
    source = replace(source, files={"one": md5(b"other")})
    write(tmp_path, {"cifar-10-python.tar.gz": packed})
    with pytest.raises(UserError, match="one inside the archive"):
        unpack(source, tmp_path / "cifar-10-python.tar.gz", tmp_path, ["one"])
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-10-python.tar.gz"]


def test_full_disk_while_unpacking_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, packed = tar_source(tiny_cifar())
    write(tmp_path, {"cifar-10-python.tar.gz": packed})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device"):
        read_cifar(source, tmp_path)
    assert not [path for path in (tmp_path / "cifar-10-batches-py").iterdir() if path.suffix == ".tmp"]


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("pwned",)


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(_Evil(), protocol=2),
        pickle.dumps({"data": _Evil()}, protocol=0),
        pickle.dumps({b"data": np.zeros(3), b"labels": []}),
        pickle.dumps({b"labels": [1]}),
        pickle.dumps([1]),
        python2_batch(np.zeros((2, 3072)), [1]),
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"",
        b"\x80\x02" + b"\xff" * 50,
    ],
)
def test_foreign_pickles_are_refused_and_run_nothing(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="data_batch_1 is no CIFAR batch"):
        parse_batch(content, "data_batch_1", b"labels")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_damaged_pickles_end_in_a_sentence_or_in_images() -> None:
    whole = python2_batch(np.zeros((2, 3072)), [1, 2])
    random = np.random.default_rng(0)
    for _ in range(500):
        damaged = bytearray(whole)
        for _ in range(3):
            position = int(random.integers(0, 150)) if random.random() < 0.7 else int(random.integers(len(whole)))
            damaged[position] = int(random.integers(256))
        try:
            images, labels = parse_batch(bytes(damaged[: int(random.integers(1, len(whole) + 1))]), "x", b"labels")
        except UserError:
            continue
        assert images.shape == (len(labels), 3, 32, 32)


@pytest.mark.parametrize(
    "content",
    [b"", b"\0\0", b"\0\0\x08\x03\0\0", b"\0\0\x0d\x01\0\0\0\x01x", b"\0\0\x08\x01\0\0\0\x05xx", b"\x1f\x8b\x08\0" * 9],
)
def test_foreign_idx_files_are_sentences(content: bytes) -> None:
    with pytest.raises(UserError, match="^name "):
        parse_idx(content, "name")


def test_missing_files_and_no_download_is_a_sentence(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(UserError) as caught:
        obtain(cifar10.SOURCE, root=str(tmp_path / "empty"), download=False, url=None)
    for words in (str(tmp_path / "empty"), str(cache), "data_batch_5", "cifar-10-python.tar.gz"):
        assert words in str(caught.value)
    assert "python -m dlexp download cifar10" in str(caught.value) and "data.root=" in str(caught.value)
    assert not (tmp_path / "empty").exists()


def test_roots(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert search_roots(None) == [cache]
    monkeypatch.setenv("DLEXP_DATA", str(tmp_path / "shared"))
    assert search_roots(None) == [tmp_path / "shared", cache]
    assert search_roots(str(tmp_path / "mine")) == [tmp_path / "mine", cache]
    assert search_roots("~/mine")[0] == Path.home() / "mine"
    monkeypatch.chdir(tmp_path)
    assert search_roots("relative")[0] == tmp_path / "relative"


@pytest.mark.parametrize(
    ("system", "variables", "expected"),
    [
        (Unix, {}, ".cache/dlexp"),
        (Unix, {"XDG_CACHE_HOME": "not/absolute"}, ".cache/dlexp"),
        (Unix, {"XDG_CACHE_HOME": "/x"}, "/x/dlexp"),
        (MacOS, {}, "Library/Caches/dlexp"),
        (Windows, {}, "/local/dlexp"),
    ],
)
def test_cache_folder_of_every_system(
    system: type, variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.name == "nt":
        pytest.skip("the paths of this table are POSIX paths")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(platformdirs, "PlatformDirs", system)
    monkeypatch.setattr(platformdirs.windows, "get_win_folder", lambda name: "/local")  # only Windows can be asked
    assert cache_folder() == Path.home() / expected


def test_no_home_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    pwd = pytest.importorskip("pwd")

    def nobody(number: int) -> None:
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match="data.root"):
        cache_folder()


def test_every_source_is_complete() -> None:
    for source in (mnist.SOURCE, fashion_mnist.SOURCE, cifar10.SOURCE, cifar100.SOURCE):
        held = [name for archive in source.archives for name in source.held_in(archive)]
        assert sorted(held) == sorted(source.files)
        checksums = [*source.files.values(), *source.archives.values()]
        assert len(set(checksums)) == len(checksums) and all(len(text) == 32 for text in checksums)
        assert source.mirrors
    assert set(mnist.SOURCE.files.values()).isdisjoint(fashion_mnist.SOURCE.files.values())


@pytest.fixture
def real() -> str:
    if not REAL_ROOT:
        pytest.skip("set DLEXP_DATA to a folder with the real files")
    return REAL_ROOT


def load_real(source: Source, load: Any, root: str) -> Splits:
    if files.find(source, [Path(root)]) is None:
        pytest.skip(f"DLEXP_DATA has no {source.name}")
    splits = load(root=root, download=False, url=None)
    assert isinstance(splits, Splits)
    return splits


def counts(split: Split | None) -> list[int]:
    assert split is not None
    return [int(count) for count in split.targets.bincount()]


def test_real_cifar10(real: str) -> None:
    splits = load_real(cifar10.SOURCE, cifar10.cifar10, real)
    assert splits.train.inputs.shape == (50000, 3, 32, 32)
    assert counts(splits.train) == [5000] * 10 and counts(splits.test) == [1000] * 10
    mean, std, *_ = statistics(splits.train.inputs)
    assert mean == pytest.approx([0.4914, 0.4822, 0.4465], abs=5e-5)
    assert std == pytest.approx([0.2470, 0.2435, 0.2616], abs=5e-5)


def test_real_mnist(real: str) -> None:
    splits = load_real(mnist.SOURCE, mnist.mnist, real)
    assert splits.train.inputs.shape == (60000, 1, 28, 28) and splits.test is not None
    assert counts(splits.train)[:3] == [5923, 6742, 5958] and splits.test.targets[:4].tolist() == [7, 2, 1, 0]
    mean, std, *_ = statistics(splits.train.inputs)
    assert mean == pytest.approx([0.1307], abs=5e-5) and std == pytest.approx([0.3081], abs=5e-5)
