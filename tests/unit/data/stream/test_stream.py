"""Images streamed from their files: the same as in memory, whatever happens to the processes that read them."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT, child_environment
from PIL import Image
from small import NO_FILES_OF_IMAGES, batches_of, divided

from dlexp import api
from dlexp.augment.crop import RandomCrop
from dlexp.augment.flip import RandomFlip
from dlexp.data import image_folder as module
from dlexp.data import statistics as statistics_module
from dlexp.data.image_folder import image_folder
from dlexp.data.partition import some_of_each
from dlexp.data.splits import Splits
from dlexp.data.statistics import statistics
from dlexp.data.stream import image_files, kept_figures, readers
from dlexp.data.stream.image_files import ImageFiles
from dlexp.errors import UnreadableError, UserError

LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes as on Linux")
SETTINGS: dict[str, Any] = {"background": "white", "size": 12, "channels": 3, "test_size": 0.25, "workers": 2,
                            "split_seed": 0, "val_size": 0.1, "limit": None, "device": "auto",
                            **NO_FILES_OF_IMAGES}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 40 images that all differ, of several formats and sizes."""
    folder, random = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for number in range(80):
        place = folder / ("dark", "light")[number % 2]
        place.mkdir(exist_ok=True)
        pixels = random.integers(0, 120, (12 + number % 5, 14, 3), dtype=np.uint8) + 120 * (number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(place / f"{number}{('.jpg', '.png', '.webp')[number % 3]}")
    return folder


def load(folder: Path, **changes: Any) -> Splits:
    return image_folder(folder=str(folder), **(SETTINGS | {"in_memory": False} | changes))


def files_of(folder: Path, num_workers: int = 2) -> ImageFiles:
    paths = sorted(str(path) for path in folder.rglob("*.*"))
    return ImageFiles(paths, size=12, channels=3, background=(255, 255, 255), num_workers=num_workers)


def readers_of(process: int) -> list[int]:
    """Returns the reader processes that a process has."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
            words = (place / "cmdline").read_bytes()
        except OSError:  # it has ended
            continue
        if parent == process and readers.MODULE.encode() in words:
            found.append(int(place.name))
    return sorted(found)


def test_epochs_are_those_of_images_in_memory_from_any_step_on(folder: Path) -> None:
    settings: Any = {"batch_size": 7, "mean": [0.5] * 3, "std": [0.2] * 3, "seed": 3, "channels_last": True}
    operations = [RandomCrop(padding=2, mode="reflect"), RandomFlip(probability=0.5)]
    both = [divided(load(folder, in_memory=in_memory), val_size=0.2, limit=40) for in_memory in (True, False)]
    assert statistics(both[0].train.inputs) == statistics(both[1].train.inputs)
    for name, training in (("train", True), ("val", False), ("test", False)):
        split, streamed = (getattr(splits, name) for splits in both)
        assert isinstance(streamed.inputs, ImageFiles) and streamed.inputs.shape == split.inputs.shape
        assert torch.equal(streamed.inputs[3:6], split.inputs[3:6]) and torch.equal(streamed.targets, split.targets)
        augment = operations if training else []
        whole, files = (batches_of(each, augment=augment, shuffle=training, **settings) for each in (split, streamed))
        for epoch, start in ((0, 0), (1, 2)):
            both_ways = zip(whole.epoch(epoch, start), files.epoch(epoch, start), strict=True)
            assert all(
                torch.equal(one[name], other[name]) for one, other in both_ways for name in ("inputs", "targets")
            )


@pytest.mark.parametrize("num_workers", [1, 5])
def test_batches_of_every_size_and_streams_at_once(folder: Path, num_workers: int) -> None:
    files = files_of(folder, num_workers)
    whole = files[:]
    order = torch.randperm(80)

    def follow(size: int) -> Iterator[None]:
        picks = torch.split(order, size)
        for pick, batch in zip(picks, files.stream(picks), strict=True):
            assert torch.equal(batch, whole[pick])
            yield

    for size in (1, 5, 64, 80, 100):
        assert sum(1 for _ in follow(size)) == -(-80 // size)
    streams = [follow(5), follow(3), follow(64)]
    for round_ in range(16):
        for stream in streams[: 1 + round_ % 3]:
            next(stream, None)
    assert files[torch.tensor([], dtype=torch.int64)].shape == (0, 3, 12, 12)


def test_mean_and_deviation_of_many_files_are_remembered_until_one_changes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in sorted(folder.rglob("*.png"))[:6]:
        shutil.copy(path, tmp_path)
    files = files_of(tmp_path)
    monkeypatch.setattr(kept_figures, "cache_folder", lambda: tmp_path / "cache")
    first = statistics(files)
    assert not (tmp_path / "cache").exists(), "the pass was short"
    monkeypatch.setattr(statistics_module, "WORTH_SECONDS", 0.0)
    monkeypatch.setattr(kept_figures, "SETTLED_SECONDS", 0.0)
    assert statistics(files) == first
    (file,) = (tmp_path / "cache" / "statistics").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(ImageFiles, "stream", None)  # nothing is read
        assert statistics(files) == first
    file.write_text("[[", encoding="utf-8")
    assert statistics(files) == first
    shutil.copy(next(folder.rglob("*.jpg")), files.paths[0])
    assert statistics(files) != first


def test_auto_streams_what_does_not_fit_and_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    assert isinstance(load(folder, in_memory="auto").train.inputs, torch.Tensor)
    asked: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: asked.append(device) or (20_000, 80_000))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert isinstance(load(folder, in_memory="auto", device="cpu").train.inputs, torch.Tensor)
    assert isinstance(load(folder, in_memory=True, device="cuda:1").train.inputs, torch.Tensor)
    assert asked == [], "how much a GPU has free is of no interest there"
    assert isinstance(load(folder, in_memory="auto", device="cuda:1").train.inputs, ImageFiles)
    assert asked == [torch.device("cuda", 1)]
    assert "the GPU has 0.0 GB free: streaming them from their files, by 2 processes" in caplog.text
    monkeypatch.setattr(module, "available_bytes", lambda: 20_000)
    assert isinstance(load(folder, in_memory="auto").train.inputs, ImageFiles)
    assert "80 images of 12×12 need 0.0 GB of memory, 0.0 GB are free: streaming" in caplog.text
    with pytest.raises(UserError, match="data.in_memory=false streams them"):
        load(folder, in_memory=True)


def test_one_process_a_core_is_shared_by_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(40), raising=False)
    assert image_files.default_workers() == 16
    monkeypatch.setenv("DLEXP_JOBS_AT_ONCE", "4")
    assert image_files.default_workers() == 10
    monkeypatch.setenv("DLEXP_JOBS_AT_ONCE", "64")
    assert image_files.default_workers() == 1


def test_systems_without_files_in_memory_share_a_removed_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(readers.os, "memfd_create", raising=False)
    whole = files_of(folder)[:]
    stream = files_of(folder).stream(torch.split(torch.arange(80), 30))
    assert torch.equal(torch.cat([batch.clone() for batch in stream]), whole)


@LINUX
def test_processes_live_on_heed_no_signals_and_are_replaced(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = files_of(folder)
    whole, before = files[:], readers_of(os.getpid())
    assert len(before) == 2
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
        for process in before:
            os.kill(process, number)
            assert os.getsid(process) != os.getsid(0), "Ctrl-C on the terminal goes to the whole session"
    assert torch.equal(files[:], whole) and readers_of(os.getpid()) == before
    os.kill(before[0], signal.SIGKILL)
    assert torch.equal(files[:], whole) and "ended, killed by SIGKILL (often: out of memory)" in caplog.text
    after = readers_of(os.getpid())
    assert len(after) == 2 and before[1] in after and before[0] not in after
    del files
    assert readers_of(os.getpid()) == []


def test_processes_that_can_not_live_are_a_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "MODULE", "dlexp.data.nothing")
    with pytest.raises(UserError, match=r"the processes that read images end: .* exit code 1, .* data.in_memory=true"):
        files_of(folder)[:]


@LINUX
@pytest.mark.parametrize(
    "end",
    [
        pytest.param("os.kill(os.getpid(), 9)", marks=pytest.mark.slow),
        pytest.param("sys.exit(3)", marks=pytest.mark.slow),
        pytest.param("raise KeyboardInterrupt", marks=pytest.mark.slow),
    ],
)
def test_processes_end_with_the_training_however_it_ends(folder: Path, end: str) -> None:
    code = f"""
import os, sys
from test_stream import *
stream = files_of(Path({str(folder)!r})).stream([torch.arange(8)] * 1000)
next(stream)
print(*readers_of(os.getpid()), flush=True)
sys.stdin.readline()
{end}
"""
    variables = child_environment()
    variables["PYTHONPATH"] = os.pathsep.join(
        [variables["PYTHONPATH"], str(Path(__file__).parent), str(ROOT / "tests")]
    )
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=variables) as process:
        assert process.stdin is not None and process.stdout is not None
        found = [int(word) for word in process.stdout.readline().split()]
        assert len(found) == 2
        process.stdin.write(b"\n")
    assert process.returncode in (-9, 3, -2, 130)
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{each}").exists() for each in found):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_file_that_can_not_be_read_is_named_when_its_batch_is_due(folder: Path, tmp_path: Path) -> None:
    for number in range(12):
        Image.new("L", (12, 12), number).save(tmp_path / f"{number:02}.png")
    (tmp_path / "09.png").write_bytes(b"no image")
    files = files_of(tmp_path)
    stream = files.stream(torch.split(torch.arange(12), 4))
    assert [batch[:, 0, 0, 0].tolist() for batch in (next(stream), next(stream))] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    with pytest.raises(UnreadableError, match=r"09\.png \(cannot identify image file .* Replace them"):
        next(stream)
    assert len(files[:9]) == 9
    with pytest.raises(UnreadableError, match=r"09\.png"):
        statistics(files)


def test_a_streamed_run_is_the_run_in_memory(folder: Path, workdir: Path) -> None:
    words = ["model=cnn", "data=image_folder", f"data.folder={folder}", "data.size=12", "augment=crop_flip", "epochs=2",
             "batch_size=8", "threads=1", "precision=float32", "data.workers=2"]  # fmt: skip
    whole = api.run([*words, "data.in_memory=true", "pictures=false"], folder="whole")
    streamed = api.run([*words, "data.in_memory=false"], folder="streamed")
    assert streamed.metrics == whole.metrics
    fingerprints = [[row["fingerprint/weights"] for row in run.history] for run in (whole, streamed)]
    assert fingerprints[0] == fingerprints[1]
    entries = [(run.folder / "run.json").read_text(encoding="utf-8") for run in (whole, streamed)]
    assert len({entry.partition('"cell": ')[2][:20] for entry in entries}) == 1, (
        "how images are read is not in the cell"
    )
    assert (streamed.folder / "plots" / "mistakes.png").exists()


def test_a_few_samples_are_of_all_classes_and_read_at_once(folder: Path) -> None:
    few = some_of_each(load(folder).train, 8, seed=0)
    assert isinstance(few.inputs, torch.Tensor) and few.inputs.shape == (8, 3, 12, 12)
    assert few.targets.bincount().tolist() == [4, 4]
    assert torch.equal(few.inputs, some_of_each(load(folder, in_memory=True).train, 8, seed=0).inputs)
    assert (few.inputs.float().mean(dim=(1, 2, 3)) > 120).long().tolist() == few.targets.tolist(), (
        "light ones are light"
    )


@pytest.mark.slow
def test_a_few_batches_are_learnt_by_heart_from_files_too(folder: Path, workdir: Path) -> None:
    words = ["model=cnn", "data=image_folder", f"data.folder={folder}", "data.size=12", "data.in_memory=false"]
    api.run([*words, "overfit_batches=2", "batch_size=8", "threads=1"], folder="run")
    assert "PASS" in (workdir / "run" / "log.txt").read_text(encoding="utf-8")


@LINUX
@pytest.mark.slow
def test_jobs_of_a_sweep_stream_at_once(run_cli: Any, folder: Path, workdir: Path) -> None:
    words = ["model=cnn", "data=image_folder", f"data.folder={folder}", "data.size=12", "epochs=1", "batch_size=8",
             "pictures=false", "data.in_memory=false", "n_jobs=2", "hydra.sweep.dir=sweep"]  # fmt: skip
    ended = run_cli(["-m", *words, "seed=0,1"])
    assert ended.code == 0 and len(list((workdir / "sweep").glob("*/weights/last.pt"))) == 2, ended.out


def test_transparent_images_are_laid_on_the_background_and_counted(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    shutil.copytree(folder, tmp_path / "images")
    for number in range(3):
        Image.new("RGBA", (12, 12), (50 * number, 0, 0, 100)).save(tmp_path / "images" / "dark" / f"new{number}.png")
    whole = load(tmp_path / "images", in_memory=True, background=[10, 200, 30]).train.inputs
    assert "3 of 83 images are transparent in places: laid on [10, 200, 30] (data.background)" in caplog.text
    caplog.clear()
    streamed = load(tmp_path / "images", background=[10, 200, 30]).train.inputs
    assert torch.equal(streamed[:], whole[:]) and statistics(streamed) == statistics(whole)
    said = [record.getMessage() for record in caplog.records if "transparent" in record.getMessage()]
    assert len(said) == 1
    assert f"of {len(streamed)} images read so far are transparent in places: laid on [10, 200, 30]" in said[0]


def test_statistics_on_another_background_are_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGBA", (12, 12), (0, 0, 0, 0)).save(tmp_path / "a.png")
    monkeypatch.setattr(kept_figures, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(statistics_module, "WORTH_SECONDS", 0.0)
    monkeypatch.setattr(kept_figures, "SETTLED_SECONDS", 0.0)
    for background, mean in (((255, 255, 255), 1.0), ((0, 0, 0), 0.0)):
        files = ImageFiles([str(tmp_path / "a.png")], size=12, channels=1, background=background, num_workers=1)
        assert statistics(files)[0] == [mean]


def test_the_processes_read_what_a_package_lets_pillow_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pillow_heif.py").write_text(
        "from PIL import Image, ImageFile\n"
        "class Fake(ImageFile.ImageFile):\n"
        "    format = 'FAKE'\n"
        "    def _open(self):\n"
        "        self._mode, self._size = 'L', (12, 12)\n"
        "        self.tile = [('raw', (0, 0, 12, 12), 1, ('L', 0, 1))]\n"
        "def register_heif_opener():\n"
        "    Image.register_open('FAKE', Fake, lambda start: start[:1] == b'F')\n",
        encoding="utf-8",
    )
    (tmp_path / "a.heic").write_bytes(b"F" + 144 * b"d")
    monkeypatch.syspath_prepend(str(tmp_path))
    files = ImageFiles([str(tmp_path / "a.heic")], size=12, channels=1, background=(0, 0, 0), num_workers=1)
    assert (files[:] == 100).all()
