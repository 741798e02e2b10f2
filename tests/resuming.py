"""What a run that was interrupted is compared with: the same run, uninterrupted, bit for bit."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from dlexp import api
from dlexp.experiment import resume
from dlexp.records import checkpoints, run_json
from dlexp.records.folder import saved_states

SHORT = ["pictures=false", "threads=1", "precision=float32"]
CNN = ["model=cnn", "data=fake", "data.shape=[3,8,8]", "data.num_samples=120", "data.num_test_samples=40",
       "batch_size=8", "epochs=3", "log_steps=4", *SHORT]  # fmt: skip
RICH = ["augment=crop_flip", "augment.crop.padding=1", "ema=ema", "ema.every=2", "model.dropout=0.3", "accumulate=2"]


def metrics_of(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{key: value for key, value in json.loads(line).items() if not key.startswith("time/")} for line in lines]


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = checkpoints.load(folder / "weights" / "last.pt")["model"]
    return found


def as_killed_at(whole: Path, step: int, folder: Path) -> Path:
    """Copies a finished run as a `kill -9` just after the save of `step` would have left it."""
    shutil.copytree(whole, folder)
    for path in saved_states(folder):
        if int(path.stem.partition("-")[2]) > step:
            path.unlink()
    entry = run_json.read_json(folder / "run.json")
    run_json.write_json(folder / "run.json", entry | {"status": "running", "ended": None, "metrics": {}})
    return folder


def assert_same(one: Path, other: Path) -> None:
    assert metrics_of(one) == metrics_of(other)
    first, second = weights_of(one), weights_of(other)
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def resumes_exactly(words: Sequence[str], workdir: Path, steps: Sequence[int]) -> None:
    whole = api.run([*words, "checkpoint.every_steps=1"], folder=workdir / "whole").folder
    for step in steps:
        part = as_killed_at(whole, step, workdir / f"part-{step}")
        assert saved_states(part), "it would begin anew: the test wants the fixture every_state_is_kept"
        result = resume.resume(part, [])
        assert result.folder == part
        assert_same(whole, part)
