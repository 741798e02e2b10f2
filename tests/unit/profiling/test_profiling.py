"""`profile=torch`: what it writes, that the training stays the same bit for bit, and what a short run leaves."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from dlexp import api
from dlexp.config.cell import cell
from dlexp.config.compose import compose
from dlexp.profiling.throughput import peak_flops

IMAGES = ["data=fake", "data.shape=[3,12,12]", "data.num_samples=240", "data.num_test_samples=24", "model=cnn"]
WORDS = [*IMAGES, "model.widths=[4,8]", "model.dropout=0.3", "augment=crop_flip", "batch_size=16", "pictures=false",
         "threads=1", "device=cpu", "precision=float32", "log_steps=4"]  # fmt: skip
PROFILE = ["profile=torch", "profile.wait=6", "profile.warmup=1", "profile.active=3"]


@pytest.fixture(autouse=True)
def small_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlexp.profiling.throughput.LARGEST_ON_CPU", 512)


def summary(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "profile" / "summary.json").read_text(encoding="utf-8"))


def events(folder: Path) -> list[dict[str, Any]]:
    return json.loads(gzip.decompress((folder / "profile" / "trace.json.gz").read_bytes()))["traceEvents"]


def without_times(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{k: v for k, v in json.loads(line).items() if not k.startswith("time/")} for line in lines]


def test_a_profile_is_written_and_changes_nothing(workdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    plain = api.run([*WORDS, "epochs=2", "accumulate=2"], folder="plain")
    assert not (plain.folder / "profile").exists()
    profiled = api.run([*WORDS, *PROFILE, "epochs=2", "accumulate=2"], folder="profiled")
    assert without_times(plain.folder) == without_times(profiled.folder), "with the fingerprints of all weights"
    folder = profiled.folder / "profile"
    assert {path.name for path in folder.iterdir()} == {"trace.json.gz", "operators.txt", "summary.json"}

    found = summary(profiled.folder)
    assert found["recorded_batches"] == 3 and found["timed_batches"] == 3 and found["batch_size"] == 16
    assert found["samples_per_second"] == pytest.approx(16 / found["seconds_per_batch"])
    flops = json.loads((profiled.folder / "model.json").read_text(encoding="utf-8"))["flops"]
    assert found["flops_per_second"] == pytest.approx(3 * flops * found["samples_per_second"])
    assert found["utilization"] == pytest.approx(found["flops_per_second"] / found["peak_flops_per_second"])
    assert 0 < found["data_share"] < 1 and found["device_busy"] is None

    names = [event.get("name") for event in events(profiled.folder) if event.get("ph") == "X"]
    assert names.count("data") == 3 and len({name for name in names if name.startswith("ProfilerStep")}) == 3
    assert "aten::convolution_backward" in names
    table = (folder / "operators.txt").read_text(encoding="utf-8")
    assert len(table.splitlines()) == 11 and "convolution" in table and "ProfilerStep" not in table
    shares = [float(line.split()[-2]) for line in table.splitlines()[1:]]
    assert shares == sorted(shares, reverse=True) and 30 < sum(shares) <= 100.5
    assert table.strip() in caplog.text
    for piece in ("samples/s", "GFLOP/s of the", "making batches takes", "perfetto"):
        assert piece in caplog.text


def test_flops_are_those_of_the_images_seen(workdir: Path) -> None:
    grown = ["augment=growing", "augment.growing.sizes=[6]", "augment.growing.parts=[1.0]"]
    found = summary(api.run([*WORDS, *PROFILE, *grown, "epochs=1"], folder="run").folder)
    small = api.run([*WORDS, "augment=none", "data.shape=[3,6,6]", "max_steps=1"], folder="small").folder
    flops = json.loads((small / "model.json").read_text(encoding="utf-8"))["flops"]
    assert found["flops_per_second"] == pytest.approx(3 * flops * found["samples_per_second"])


def test_a_profile_makes_no_other_cell() -> None:
    assert cell(compose(WORDS).config) == cell(compose([*WORDS, *PROFILE]).config)


@pytest.mark.parametrize("steps", [1, 3, 5])
def test_a_short_run_writes_what_it_has(steps: int, workdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = api.run([*WORDS, *PROFILE, f"max_steps={steps}"], folder="run").folder
    found = summary(folder)
    assert found["recorded_batches"] == min(3, steps) and found["seconds_per_batch"] > 0
    assert 0 < found["data_share"] < 1
    assert ("only 1 of 3 batches" in caplog.text) == (steps == 1)


def test_epochs_shorter_than_the_profile(workdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What is recorded lies within one epoch, so no validation is between."""
    folder = api.run([*WORDS, *PROFILE, "data.limit=36", "epochs=8"], folder="run").folder
    assert summary(folder)["recorded_batches"] == 2 and "only 2 of 3 batches" in caplog.text
    steps = sorted(
        (e["ts"], e["ts"] + e["dur"]) for e in events(folder) if str(e.get("name")).startswith("ProfilerStep")
    )
    assert len(steps) == 2 and steps[1][0] - steps[0][1] < 5000, "microseconds"


def test_a_run_that_ends_before_its_profile_says_so(workdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    words = [*WORDS, *PROFILE, "profile.wait=40", "epochs=9", "patience=1", "optimizer.lr=1e-12"]
    folder = api.run(words, folder="run").folder
    assert not (folder / "profile").exists() and "before the profile's first: none is written" in caplog.text


def test_a_resumed_run_is_the_same(workdir: Path) -> None:
    ended = []
    for name, words in (("plain", []), ("profiled", PROFILE)):
        api.run([*WORDS, *words, "epochs=2", "max_steps=20"], folder=name)
        ended.append(without_times(api.run([f"resume={name}", "max_steps=30"]).folder))
    assert ended[0] == ended[1] and len(ended[0]) > 5
    assert summary(Path("profiled"))["recorded_batches"] == 3, "the part that went on was profiled anew"


def test_a_full_disk_does_not_end_the_training(workdir: Path, monkeypatch, caplog: pytest.LogCaptureFixture) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dlexp.profiling.profiler.whole_file", full)
    assert api.run([*WORDS, *PROFILE, "epochs=1"], folder="run").metrics["test/loss"] > 0
    assert "the profile can't be written: No space left on device" in caplog.text


def test_wrong_values_are_sentences(cli, workdir: Path) -> None:
    ended = cli("profile=torch", "profile.active=0", "profile.rows=x")
    assert ended.code == 1 and "profile.active=0 must be ≥ 1" in ended.err and "profile.rows=x" in ended.err
    assert "Did you mean 'torch'?" in cli("profile=troch").err and not list(workdir.iterdir())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_speed_of_matrix_products(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    state = torch.get_rng_state()
    found = peak_flops(torch.device("cpu"), dtype)
    assert found is not None and found > 1e8
    assert torch.equal(torch.get_rng_state(), state)

    def out_of_memory(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(torch, "randn", out_of_memory)
    assert peak_flops(torch.device("cpu"), dtype) is None
