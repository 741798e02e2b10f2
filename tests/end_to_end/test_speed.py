"""What makes runs fast, held to what it must not change: no compiler at the start, exact results, zero denormals."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import COMPILES, Ended, child_environment
from resuming import CNN, metrics_of, resumes_exactly

from dlexp import api
from dlexp.batch import Batch
from dlexp.errors import UnreadableError
from dlexp.experiment import resume
from dlexp.records.result import Result
from dlexp.tasks.classification import Classification
from dlexp.train.batches import Batches
from dlexp.train.losses import Reading

HEAVY = ("torch._dynamo", "torch._inductor", "torch.distributed.tensor", "sympy")


RUN = "from dlexp.__main__ import main; main([*{words}, 'dry_run=true']); main({words})"
# What a job of a sweep does: its config was checked in another process.
JOB = """
from pathlib import Path
from dlexp.config.compose import compose; from dlexp.sweep.launchers.job_process import train_job
Path("job").mkdir()
train_job(compose({words}), Path("job"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("code", [RUN, pytest.param(JOB, marks=pytest.mark.slow)], ids=["run", "job"])
def test_a_run_with_everything_it_does_loads_no_compiler(workdir: Path, code: str) -> None:
    words = ["data.points_per_class=60", "epochs=2", "optimizer=adam", "grad_clip=1", "ema=ema"]
    code = f"import sys\n{code.format(words=words)}\nprint([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=child_environment())
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr
    assert list(workdir.rglob("plots")), "pictures and TensorBoard's graph were made"


def denormals() -> int:
    """How many of the small numbers that all threads compute are not zero, by their bits: a comparison would flush."""
    return int((torch.full((1 << 17,), 2e-38) * 1e-3).view(torch.int32).count_nonzero())


def test_denormal_numbers_are_zero_in_a_training_only(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(2)
    assert denormals() == 1 << 17, "no thread flushes before the run, and both are there"
    seen = []
    measure = Classification.measure

    def watched(task: Classification, outputs: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        seen.append(denormals())
        return measure(task, outputs, batch)

    monkeypatch.setattr(Classification, "measure", watched)
    words = ["data.points_per_class=60", "epochs=2", "pictures=false", "batch_size=50", "threads=2"]
    api.run(words, folder=workdir / "run")
    # The first two are the rehearsal's; training, validation and test follow.
    assert len(seen) > 8 and all(seen[:2]) and not any(seen[2:])
    assert denormals() == 1 << 17


def test_metrics_that_travel_for_long_are_logged_in_their_order(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU that is steps behind: only a save waits for lines, which say what held when they set out."""
    words = ["data.points_per_class=60", "epochs=2", "pictures=false", "batch_size=5", "log_steps=2",
             "checkpoint.every_steps=7"]  # fmt: skip
    at_once = metrics_of(api.run(words, folder=workdir / "at_once").folder)
    monkeypatch.setattr(Reading, "is_there", lambda reading: False)
    late = metrics_of(api.run(words, folder=workdir / "late").folder)
    clocks = {"time/train", "time/val", "time/samples_per_second"}
    assert [row.keys() for row in late] == [row.keys() for row in at_once]
    assert all({k: v for k, v in a.items() if k not in clocks} == {k: v for k, v in b.items() if k not in clocks}
               for a, b in zip(at_once, late, strict=True))  # fmt: skip


def test_metrics_on_their_way_are_not_lost_with_an_unreadable_image(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reading, "is_there", lambda reading: False)
    epoch = Batches.epoch

    def breaking(batches: Batches, *place: Any) -> Iterator[dict[str, torch.Tensor]]:
        yield from islice(epoch(batches, *place), 4)
        raise UnreadableError("09.png can't be read")

    monkeypatch.setattr(Batches, "epoch", breaking)
    with pytest.raises(UnreadableError):
        api.run(["data.points_per_class=60", "pictures=false", "batch_size=5", "log_steps=2"], folder=workdir / "run")
    assert [row["step"] for row in metrics_of(workdir / "run") if row["kind"] == "steps"] == [2, 4]


@pytest.mark.slow
@COMPILES
@pytest.mark.parametrize(
    "more", [[], ["accumulate=2", "grad_clip=1", "model.dropout=0.3", "augment=[flip,mixup]"]], ids=str
)
def test_compiled_training_resumes_exactly(every_state_is_kept: None, workdir: Path, more: list[str]) -> None:
    resumes_exactly([*CNN, "compile=true", *more], workdir, [5, 9])


@pytest.mark.slow
@COMPILES
def test_compiled_parts_and_small_images_resume_exactly(
    every_state_is_kept: None, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = resume.resume

    def go_on_in_another_process(*words: Any) -> Result:
        torch.compiler.reset()  # which remembers the sizes it has seen
        return go_on(*words)

    monkeypatch.setattr(resume, "resume", go_on_in_another_process)
    words = ["experiment=cifar10_94", "data=fake", "data.shape=[3,16,16]", "data.num_samples=60", "batch_size=10"]
    words += ["augment.growing.sizes=[12]", "augment.growing.parts=[0.5]"]
    small = ["model.widths=[8,8]", "compile=true", "epochs=4", "data.num_test_samples=20"]
    resumes_exactly([*words, *small, "pictures=false", "threads=1", "evaluation=plain"], workdir, [5, 14])


@pytest.mark.slow
@COMPILES
def test_compiled_training_learns_what_eager_training_learns(workdir: Path) -> None:
    losses = {}
    for compiled in ("false", "true"):
        folder = api.run([*CNN, "model.dropout=0", f"compile={compiled}"], folder=workdir / compiled).folder
        losses[compiled] = [row["train/loss"] for row in metrics_of(folder) if row["kind"] == "epoch"]
    assert losses["true"] == pytest.approx(losses["false"], rel=1e-3)
    assert losses["true"] != losses["false"], "was anything compiled?"


@pytest.mark.slow
def test_compiling_without_a_compiler_is_a_sentence(run_cli: Callable[..., Ended], tmp_path: Path) -> None:
    words = ["data.points_per_class=60", "epochs=1", "pictures=false", "compile=true"]
    ended = run_cli(words, CXX=str(tmp_path / "none"), TORCHINDUCTOR_CACHE_DIR=str(tmp_path / "cache"))
    assert ended.code == 1 and "error: compile=true needs a C++ compiler" in ended.err, ended
    assert "Traceback" not in ended.err
