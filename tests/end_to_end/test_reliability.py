"""What docs/reliability.md promises, tried: kills, full disks, damaged files, sweeps at once, strangers' folders.

By default each is tried a few times; `DLEXP_PROOF=full pytest tests/end_to_end/test_reliability.py -m "" -s` tries all
and prints the figures of the table.
"""

import json
import os
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from conftest import start
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dlexp import api
from dlexp.errors import UserError
from dlexp.experiment import resume
from dlexp.machine import shortage
from dlexp.records import checkpoints, run_json
from dlexp.records.folder import saved_states

resource: Any = pytest.importorskip("resource", reason="limits as on Linux and macOS")
FULL = os.environ.get("DLEXP_PROOF") == "full"
pytestmark = [pytest.mark.skipif(os.name != "posix", reason="signals and limits as on Linux and macOS")]

TRAINING = ["data.points_per_class=400", "epochs=60", "batch_size=32", "optimizer=adam", "ema=ema", "model.dropout=0.1",
            "pictures=false", "threads=1"]  # fmt: skip
TINY = ["data.points_per_class=60", "epochs=2", "batch_size=32", "pictures=false", "threads=1"]


def metrics_of(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{key: value for key, value in json.loads(line).items() if not key.startswith("time/")} for line in lines]


def sessions(folder: Path) -> int:
    """Returns how often training began in a run folder, at its beginning or from a state."""
    entry = run_json.read_entry(folder)
    return 0 if entry is None else 1 + sum("step" in each for each in entry["resumed"])


@pytest.mark.slow
def test_kill_9_at_random_moments(workdir: Path) -> None:
    """One run, killed again and again while the same command goes on with it, ends as if nothing had happened."""
    words = [*TRAINING, "checkpoint.every_steps=7", f"epochs={480 if FULL else 180}"]
    whole = start([*words, "hydra.run.dir=whole"], workdir)
    out, _ = whole.communicate(timeout=300)
    assert whole.returncode == 0, out
    kills, wanted, draw = 0, 50 if FULL else 4, random.Random(0)
    while True:
        before = sessions(workdir / "run")
        process = start([*words, "hydra.run.dir=run", "resume=auto"], workdir)
        if kills < wanted:
            while kills % 5 != 4 and process.poll() is None and sessions(workdir / "run") == before:
                time.sleep(0.01)  # till it trains; each fifth is killed wherever it may be while it starts
            time.sleep(draw.uniform(0.0, 1.0 if kills % 5 != 4 else 4.0))
            process.kill()
            kills += process.wait() == -signal.SIGKILL
        out, _ = process.communicate(timeout=300)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, out
    entry = run_json.read_json(workdir / "run" / "run.json")
    print(f"{kills} kills, {sum('step' in each for each in entry['resumed'])} times resumed from a state")
    assert kills == wanted and sessions(workdir / "run") > wanted / 2 and entry["status"] == "finished"
    assert metrics_of(workdir / "whole") == metrics_of(workdir / "run")
    first, second = (checkpoints.load(workdir / name / "weights" / "last.pt")["model"] for name in ("whole", "run"))
    assert all(torch.equal(first[key], second[key]) for key in first)
    for path in (workdir / "run").rglob("*.pt"):
        checkpoints.load(path)
    assert not list((workdir / "run").rglob("*.tmp")), "the next start removes what was half-written at a kill"


def test_a_truncated_state_is_never_used(workdir: Path) -> None:
    """Cut at every kilobyte: named, and the state before it is used."""
    folder = api.run([*TINY, "checkpoint.every_epochs=1"], folder="run").folder
    newest, before = saved_states(folder)
    content = newest.read_bytes()
    cuts = range(0, len(content), 1024 if FULL else 8192)
    for size in cuts:
        newest.write_bytes(content[:size])
        with pytest.raises(UserError, match="it is damaged"):
            checkpoints.load(newest)
    assert checkpoints.load(before)["epoch"] == 1
    print(f"{len(cuts)} truncations of {len(content) // 1024} kB")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of another process, as on Linux")
def test_a_full_disk_costs_nothing_but_time(workdir: Path) -> None:
    """A limit on the size of files stands for it: meanwhile nothing is half-written, afterwards nothing is missing."""
    words = [*TRAINING, "epochs=25", "checkpoint.every_steps=5", "log_steps=2"]
    whole = api.run(words, folder="whole").folder
    process = start([*words, "hydra.run.dir=run"], workdir)
    with process:
        assert process.stdout is not None and process.pid
        for line in process.stdout:
            if line.startswith("epoch"):
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
            if "could not be saved" in line and "state" in line:
                assert not list((workdir / "run").rglob("*.tmp"))
                assert [checkpoints.load(path) for path in saved_states(workdir / "run")]
                break
        else:
            pytest.fail("no save met the full disk")
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        out = process.stdout.read()
    assert process.returncode == 0 and "Traceback" not in out, out
    assert metrics_of(whole) == metrics_of(workdir / "run")
    points = [_scalars(folder, "details/train/recent_loss") for folder in (whole, workdir / "run")]
    assert points[0] == points[1] and len(points[0]) > 100


def _scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of another process, as on Linux")
def test_a_disk_that_stays_full_ends_in_a_sentence(workdir: Path) -> None:
    process = start([*TRAINING, "epochs=250", "hydra.run.dir=run"], workdir)  # seconds, and best weights once in one
    with process:
        assert process.stdout is not None and process.pid
        for line in process.stdout:
            if line.startswith("epoch"):
                resource.prlimit(
                    process.pid, resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY)
                )  # above log.txt's
                break
        out = process.stdout.read()
    assert process.returncode == 1 and "Traceback" not in out, out
    assert "best.pt could not be saved" in out and "error: the last state could not be saved: File too large" in out
    assert not list((workdir / "run").rglob("*.tmp"))


@pytest.mark.parametrize("error", [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has …"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("MPS backend out of memory (MPS allocated: 5.05 GB)"),
])  # fmt: skip
def test_out_of_memory_is_a_sentence(error: Exception) -> None:
    with pytest.raises(UserError, match=r"out of memory with batch_size=64 \(.*try batch_size=32 \(accumulate=2"):
        with shortage.explaining(batch_size=64):
            raise error
    with pytest.raises(RuntimeError, match="device-side assert"), shortage.explaining(batch_size=64):
        raise RuntimeError("CUDA error: device-side assert triggered")


def test_torchrun_is_refused(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    ended = cli(*TINY)
    assert ended.code == 1 and "torchrun" in ended.err and "Traceback" not in ended.err


@pytest.mark.slow
def test_identical_sweeps_at_once_share_the_work(workdir: Path) -> None:
    count = 8 if FULL else 3
    words = ["-m", "seed=1,2,3", *TINY]
    processes = [start(words, workdir) for _ in range(count)]
    for process in processes:
        out, _ = process.communicate(timeout=600)
        assert process.returncode == 0 and out.count("finished") >= 3, out
    (folder,) = [path for path in (workdir / "outputs").iterdir() if path.is_dir()]
    for name in ("seed-1", "seed-2", "seed-3"):
        entry = run_json.read_json(folder / name / "run.json")
        assert entry["status"] == "finished" and entry["resumed"] == []
    assert len(list(folder.glob("*/run.json"))) == 3
    print(f"{count} identical sweeps at once: 3 cells, each trained once")


@pytest.mark.slow
def test_a_sweep_with_accidents_is_completed_by_the_same_command(workdir: Path) -> None:
    """One job is killed, one fails, one runs out of memory; then the same command ends with all of them."""
    (workdir / "accidents.py").write_text(ACCIDENTS, encoding="utf-8")
    conf = workdir / "conf" / "model"
    conf.mkdir(parents=True)
    (conf / "fragile.yaml").write_text(
        "_target_: accidents.fragile\nshape: ${data.shape}\nnum_outputs: ${data.num_outputs}\nseed: ${seed}\n",
        encoding="utf-8",
    )
    count = 20 if FULL else 5
    words = ["-m", "--config-dir", "conf", "allow=accidents", "model=fragile",
             f"seed={','.join(map(str, range(1, count + 1)))}", *TINY]  # fmt: skip
    (workdir / "trouble").touch()
    first = start(words, workdir)
    out, _ = first.communicate(timeout=900)
    rows = [row for row in out.splitlines() if row[:1].isdigit()]
    assert first.returncode == 1 and sum(row.endswith("finished") for row in rows) == count - 3, out
    assert "SIGKILL" in out and "asked to fail" in out and "out of memory with batch_size=32" in out, out
    (workdir / "trouble").unlink()
    again = start(words, workdir)
    out, _ = again.communicate(timeout=600)
    rows = [row for row in out.splitlines() if row[:1].isdigit()]
    assert again.returncode == 0 and sum(row.endswith("finished") for row in rows) == count, out
    assert f"{count - 3} of them done already" in out
    print(f"{count} jobs, 3 accidents: {count - 3} results, then {count}")


ACCIDENTS = """
import os, resource, signal
from pathlib import Path
from torch import nn
import torch

class Fragile(nn.Module):
    def __init__(self, shape, num_outputs, seed):
        super().__init__()
        self.layer, self.seed = nn.Linear(shape[0], num_outputs), seed

    def forward(self, x):
        if self.training and torch.is_grad_enabled() and Path("trouble").exists():  # not in the rehearsal
            if self.seed == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            if self.seed == 2:
                raise ValueError("asked to fail")
            if self.seed == 3:
                resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
                torch.zeros(1 << 33)
        return self.layer(x)

def fragile(*, shape: list[int], num_outputs: int, seed: int) -> nn.Module:
    return Fragile(shape, num_outputs, seed)
"""


class TestStrangersFolder:
    """A run folder from elsewhere may hold anything: nothing of it is run."""

    @pytest.fixture
    def folder(self, workdir: Path) -> Path:
        return api.run(TINY, folder="run").folder

    def change(self, folder: Path, **values: Any) -> None:
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        (folder / "config.yaml").write_text(yaml.safe_dump(config | values), encoding="utf-8")

    @pytest.mark.parametrize("group", ["model", "optimizer", "scheduler", "criterion", "task", "ema", "data"])
    def test_a_foreign_target(self, folder: Path, group: str) -> None:
        harm = {"_target_": "os.system", "command": "touch harm"}
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        self.change(folder, **{group: config[group] | harm if group == "data" else harm})
        with pytest.raises(UserError, match="'os.system' is not allowed"):
            resume.resume(folder, ["epochs=3"])
        assert not Path("harm").exists()

    def test_a_callback_of_hydras(self, folder: Path) -> None:
        self.change(folder, hydra={"callbacks": {"harm": {"_target_": "os.system", "command": "touch harm"}}})
        resume.resume(folder, ["epochs=3"])
        assert not Path("harm").exists()

    def test_a_pickle_with_a_payload(self, folder: Path) -> None:
        class Harm:
            def __reduce__(self) -> Any:
                return os.system, ("touch harm",)

        for path in [*saved_states(folder), *(folder / "weights").iterdir()]:
            torch.save({"format_version": 1, "model": Harm()}, path)
        with pytest.raises(UserError, match="can be used"):
            resume.resume(folder, ["epochs=3"])
        with pytest.raises(UserError, match="can't be read"):
            api.load(folder)
        with pytest.raises(UserError, match="can't be read"):
            api.run([*TINY, f"init_from={folder}"], folder="new")
        assert not Path("harm").exists()

    def test_python_in_yaml(self, folder: Path) -> None:
        (folder / "config.yaml").write_text("model: !!python/object/apply:os.system ['touch harm']\n", encoding="utf-8")
        with pytest.raises(UserError, match="is not the folder of a run"):
            resume.resume(folder, [])
        assert not Path("harm").exists()

    @pytest.mark.parametrize("name", ["../../elsewhere", "../elsewhere", "ABSOLUTE"])
    def test_a_ledger_that_points_elsewhere(self, cli, workdir: Path, name: str) -> None:
        sweep = workdir / "outputs" / "sweep-mlp-spiral"
        sweep.mkdir(parents=True)
        place = name.replace("ABSOLUTE", str(workdir / "elsewhere"))
        words = ["seed=1", *TINY]
        ended = cli(*words, "--cell")
        cell = ended.out.split()[2].rstrip(":")
        ledger = {"format_version": run_json.FORMAT_VERSION, "cells": {cell: place}}
        run_json.write_json(sweep / "sweep.json", ledger)
        assert cli("-m", *words).code == 0
        (trained,) = workdir.rglob("run.json")
        assert trained.parents[1].name.startswith("sweep-mlp-spiral") and not (sweep / place).exists()


def test_verify_and_diff(cli, workdir: Path) -> None:
    words = [*TINY, "checkpoint.every_epochs=1"]
    for name, extra in (("one", []), ("same", []), ("other", ["optimizer.lr=0.02"])):
        assert cli(*words, f"hydra.run.dir={name}", *extra).code == 0
    ended = cli("verify", "one")
    assert ended.code == 0 and "epoch 2, replayed from step-" in ended.out and "is bit-identical" in ended.out
    for path in saved_states(Path("same")):
        path.unlink()
    assert "epoch 1, replayed from the beginning, is bit-identical" in cli("verify", "same").out
    rows = (
        (Path("same") / "metrics.jsonl")
        .read_text(encoding="utf-8")
        .replace('"fingerprint/weights": "', '"fingerprint/weights": "0')
    )
    (Path("same") / "metrics.jsonl").write_text(rows, encoding="utf-8")
    ended = cli("verify", "same")
    assert ended.code == 1 and "differs from its record" in ended.out
    ended = cli("diff", "one", "other")
    assert "optimizer.lr: 0.1 → 0.02" in ended.out
    assert "in epoch 1 the weights differ" in ended.out and "environment: the same" in ended.out
    shutil.copytree("one", "copy")
    assert "the same in all 2 epochs, bit for bit" in cli("diff", "one", "copy").out
    assert cli("diff", "one").code == 1 and cli("verify", "nowhere").code == 1


def test_verify_needs_the_weights_a_run_began_with_only_from_the_beginning(cli, workdir: Path) -> None:
    api.run([*TINY, "seed=3"], folder="first")
    words = [*TINY, "init_from=first", "checkpoint.every_epochs=1"]
    for name in ("states", "none"):
        api.run(words, folder=name)
    for path in saved_states(Path("none")):
        path.unlink()
    assert cli("verify", "none").code == 0
    shutil.rmtree("first")
    assert cli("verify", "states").code == 0
    api.run([*TINY, "seed=4"], folder="first")
    ended = cli("verify", "none")
    assert ended.code == 1 and "method's teacher changed since none was trained" in ended.err


def test_init_from_and_freeze(cli, workdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    old = api.run([*TINY, "model.width=20"], folder="old").folder
    caplog.clear()
    new = api.run([*TINY, "model.width=20", f"init_from={old}", "freeze=[linear1.*]", "seed=5"], folder="new").folder
    assert "starts from" in caplog.text and "frozen: 2 of" in caplog.text
    before = checkpoints.load(old / "weights" / "best.pt")["model"]
    after = checkpoints.load(new / "weights" / "last.pt")["model"]
    assert [name for name in before if torch.equal(before[name], after[name])] == ["linear1.weight", "linear1.bias"]
    wider = cli(*TINY, "model.width=30", "init_from=old")
    assert wider.code == 0 and "of another shape" in wider.out
    for words, piece in [
        (["init_from=nowhere.pt"], "no such file"),
        (["freeze=[nothing.*]"], "matches none"),
        (["freeze=['*']"], "leaves no parameter"),
        (["model=cnn", "data=fake", "data.num_samples=60", "init_from=old"], "none of the"),
    ]:
        ended = cli(*TINY[1:], *words)
        assert ended.code == 1 and piece in ended.err and "Traceback" not in ended.err, ended
        assert "run folder" not in ended.out and (words[0].startswith("freeze") <= (" → " not in ended.out)), ended
