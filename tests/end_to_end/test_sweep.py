"""Sweeps: a process and a folder a job, a table at the end; none takes another down, and Ctrl-C ends all."""

import json
import logging
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import child_environment

from dlexp.config.axes import axes
from dlexp.config.composed import Composed
from dlexp.experiment.identity import Identity
from dlexp.records import run_json
from dlexp.records.naming import unique
from dlexp.sweep.arms import arms_table
from dlexp.sweep.launchers import job_process
from dlexp.sweep.ledger import open_ledger
from dlexp.sweep.plan import MOST_ROWS, tell_end
from dlexp.sweep.stage import Ended
from dlexp.sweep.table import table

SHORT = ["data.points_per_class=60", "max_steps=2", "pictures=false", "threads=1"]
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals are sent as on Linux and macOS")


def sweep_folder(workdir: Path) -> Path:
    (folder,) = sweep_folders(workdir)
    return folder


def sweep_folders(workdir: Path) -> list[Path]:
    return [path for path in (workdir / "outputs").iterdir() if path.is_dir()]


def statuses(folder: Path) -> dict[str, str]:
    return {path.parent.name: run_json.read_json(path)["status"] for path in folder.glob("*/run.json")}


def test_two_jobs(cli, workdir: Path) -> None:
    ended = cli("-m", "optimizer=sgd,adam", "model.width=8", *SHORT)
    assert ended.code == 0 and ended.err == "", ended
    folder = sweep_folder(workdir)
    assert folder.name == "sweep-mlp-spiral-optimizer" and statuses(folder) == {
        "optimizer-sgd": "finished",
        "optimizer-adam": "finished",
    }
    rows = ended.out.splitlines()
    (head,) = [index for index, row in enumerate(rows) if row.startswith("optimizer ")]
    assert rows[head].split() == ["optimizer", "val/accuracy", "test/accuracy", "time", "status"]
    jobs = sorted(rows[head + 2 : head + 4])
    assert [row.split()[0] for row in jobs] == ["adam", "sgd"]
    assert all(row.count("%") == 2 and "  finished" in row for row in jobs)
    assert ended.out.count(f"tensorboard --logdir {folder.relative_to(workdir)}") == 1, "not in each job"
    for name in ("optimizer-sgd", "optimizer-adam"):
        assert {"config.yaml", "metrics.jsonl", "log.txt", "weights"} <= {
            path.name for path in (folder / name).iterdir()
        }
        found = run_json.read_json(folder / name / "run.json")
        assert found["name"] == name and "model.width=8" in found["overrides"]
    assert run_json.read_json(folder / "optimizer-adam" / "run.json")["choices"]["optimizer"] == "adam"
    again = cli("-m", "optimizer=sgd,adam", *SHORT)
    assert again.code == 0 and len(sweep_folders(workdir)) == 2, "other cells, another folder"


@pytest.mark.slow
def test_a_list_of_options_is_one_value(cli, workdir: Path) -> None:
    images = ["data=fake", "data.shape=[1,8,8]", "data.num_samples=64", "data.num_test_samples=16", "batch_size=16"]
    words = ["-m", "augment=flip,[flip,mixup],[cutmix]", *images, *SHORT[1:]]
    ended = cli(*words)
    assert ended.code == 0 and ended.err == "", ended
    folder = sweep_folder(workdir)
    names = ["augment-cutmix", "augment-flip", "augment-flip-mixup"]
    assert sorted(statuses(folder)) == names and set(statuses(folder).values()) == {"finished"}
    entries = [run_json.read_json(folder / name / "run.json") for name in names]
    assert [entry["choices"]["augment"] for entry in entries] == ["[cutmix]", "flip", "[flip,mixup]"]
    told = {row.split()[0] for row in ended.out.splitlines() if "  finished" in row}
    assert told == {"flip", "[flip,mixup]", "[cutmix]"}
    again = cli(*words)
    assert "3 of them done already" in again.out
    wrong = cli("-m", "augment=flip,[flip,mixp]", *images, *SHORT[1:])
    assert wrong.code == 1 and "Did you mean 'mixup'?" in wrong.err and "augment-flip-mixp" in wrong.err


def test_a_failing_job_does_not_stop_the_others(cli, workdir: Path) -> None:
    ended = cli("-m", "optimizer.lr=0.1,1e30", "seed=1,2", "n_jobs=2", *SHORT, "max_steps=9")
    assert ended.code == 1 and "Traceback" not in ended.out + ended.err
    found = statuses(sweep_folder(workdir))
    assert len(found) == 4
    assert all((status == "finished") == ("lr-0.1_" in name) for name, status in found.items()), found
    assert set(found.values()) == {"failed", "finished"}
    rows = [row for row in ended.out.splitlines() if "failed:" in row]
    assert len(rows) == 2 and all("loss became" in row and "learning rate" in row for row in rows)
    lines = [row for row in ended.out.splitlines() if ": failed, the loss became" in row]
    assert sorted(row[:5] for row in lines) == ["[3/4]", "[4/4]"], ended.out
    outputs = [path.read_text(encoding="utf-8") for path in sweep_folder(workdir).glob("*/output.txt")]
    assert len(outputs) == 4, "the words of jobs that share a console are kept in their folders"
    assert sum("test accuracy" in text for text in outputs) == 2


def test_where_a_sweep_goes(cli, workdir: Path) -> None:
    ended = cli("-m", "seed=1,2", "hydra.sweep.dir=my runs/a=b, c", *SHORT)
    assert ended.code == 0, ended
    assert statuses(workdir / "my runs" / "a=b, c") == {"seed-1": "finished", "seed-2": "finished"}
    assert not (workdir / "outputs").exists()


def test_one_job_is_a_sweep_too(cli, workdir: Path) -> None:
    ended = cli("-m", "optimizer=adam", *SHORT)
    assert ended.code == 0 and statuses(sweep_folder(workdir)) == {"mlp-spiral-adam": "finished"}
    assert "mlp-spiral-adam" in ended.out.partition("val accuracy")[0], "named as the run alone would be"
    assert "python -m dlexp report outputs/sweep-mlp-spiral\n" in ended.out


def test_jobs_are_called_what_was_typed() -> None:
    words = ["model.batch_norm=true,false", "test=False,True", "pictures=choice(true,FALSE)", "optimizer.lr=1e-2"]
    assert axes(words, []) == [
        ["model.batch_norm=true", "model.batch_norm=false"],
        ["test=False", "test=True"],
        ["pictures=true", "pictures=FALSE"],
        ["optimizer.lr=1e-2"],
    ]


@pytest.mark.slow
def test_spawn_where_there_is_no_forkserver(cli, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    ended = cli("-m", "seed=1,2", "n_jobs=2", *SHORT)
    assert ended.code == 0 and set(statuses(sweep_folder(workdir)).values()) == {"finished"}, ended


def killed_at_seed_2(job: Composed, *others: Any) -> None:
    """Stands for `run_child`: what the kernel does to a job that takes all memory."""
    if "seed=2" in job.words:
        os.kill(os.getpid(), signal.SIGKILL)
    job_process.run_child(job, *others)


@POSIX
@pytest.mark.parametrize("num_jobs", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_killed_job_leaves_the_others_alone(cli, workdir: Path, monkeypatch, num_jobs: int) -> None:
    monkeypatch.setattr(job_process, "run_child", killed_at_seed_2)
    ended = cli("-m", "seed=1,2,3", f"n_jobs={num_jobs}", *SHORT)
    assert ended.code == 1, ended
    assert statuses(sweep_folder(workdir)) == {"seed-1": "finished", "seed-3": "finished"}
    (row,) = [row for row in ended.out.splitlines() if row.startswith("2 ")]
    assert "SIGKILL" in row and "out of memory" in row


def test_the_table_tells_why_a_job_that_would_go_on_is_refused(cli, workdir: Path) -> None:
    words = ["-m", "seed=1,2", "n_jobs=2", *SHORT]
    assert cli(*words).code == 0
    folder = sweep_folder(workdir) / "seed-1"
    run_json.write_json(folder / "run.json", run_json.read_json(folder / "run.json") | {"status": "running"})
    for state in (folder / "checkpoints").iterdir():
        state.write_bytes(b"no state")
    ended = cli(*words)
    assert ended.code == 1
    (row,) = [row for row in ended.out.splitlines() if row.startswith("1 ")]
    assert "none of the states in" in row and "can be used" in row and "exit code" not in ended.out, ended.out


def test_a_grid_grows_and_rerun_begins_anew(cli, workdir: Path) -> None:
    assert cli("-m", "seed=1,2", *SHORT).code == 0
    folder = sweep_folder(workdir)
    before = (folder / "seed-1" / "metrics.jsonl").stat().st_mtime_ns
    ended = cli("-m", "seed=1,3", "n_jobs=2", *SHORT)  # what does not change a result does not count
    assert ended.code == 0 and "2 jobs, 1 of them done already" in ended.out
    assert set(statuses(folder)) == {"seed-1", "seed-2", "seed-3"}
    for name in ("seed-1", "seed-2"):
        entry = run_json.read_json(folder / name / "run.json")
        run_json.write_json(folder / name / "run.json", entry | {"code": "another"})
    ended = cli("-m", "seed=1,2", *SHORT)
    assert ended.code == 0 and "2 jobs, 2 of them done already" in ended.out
    assert "warning: other code than today's trained seed-1, seed-2; rerun=true" in ended.out
    assert (folder / "seed-1" / "metrics.jsonl").stat().st_mtime_ns == before
    ended = cli("-m", "seed=1,2", "rerun=true", *SHORT)
    assert ended.code == 0 and "done already" not in ended.out and len(sweep_folders(workdir)) == 2
    assert statuses(workdir / "outputs" / "sweep-mlp-spiral-2") == {"seed-1": "finished", "seed-2": "finished"}
    assert (folder / "seed-1" / "metrics.jsonl").stat().st_mtime_ns == before


def test_a_run_that_went_on_with_other_settings_is_another_cell(cli, workdir: Path) -> None:
    words = ["-m", "seed=1", *SHORT]
    assert cli(*words).code == 0
    folder = sweep_folder(workdir)
    assert cli(f"resume={folder / 'mlp-spiral-sgd'}", "max_steps=3").code == 0
    ended = cli(*words)
    assert ended.code == 0 and "done already" not in ended.out, ended
    assert statuses(folder) == {"mlp-spiral-sgd": "finished", "mlp-spiral-sgd-2": "finished"}
    assert [len(run_json.read_json(path)["resumed"]) for path in sorted(folder.glob("*/run.json"))] == [1, 0]
    run_json.write_json(
        folder / "mlp-spiral-sgd-2" / "run.json", run_json.read_json(folder / "mlp-spiral-sgd" / "run.json")
    )
    wanted = run_json.read_json(folder / "sweep.json")["cells"]
    names = {Identity(cell, "generated", None): "mlp-spiral-sgd" for cell in wanted}
    _, cells, _ = open_ledger(folder, "sweep", names, anew=False)
    assert [cell.folder.name for cell in cells.values()] == ["mlp-spiral-sgd-3"], "both names are taken by others"


def table_of(seed: int, file: str = "data.csv") -> None:
    """Writes a CSV of 60 rows, other ones for each seed."""
    random = np.random.default_rng(seed)
    rows = [f"{random.normal():.4f},{random.normal():.4f},{'ab'[n % 2]}" for n in range(60)]
    Path(file).write_text("\n".join(["x,y,label", *rows]), encoding="utf-8")


def test_changed_data_is_trained_again_beside_the_old_results(cli, workdir: Path) -> None:
    words = ["-m", "seed=1", "data=arrays", "data.file=data.csv", "batch_size=8", *SHORT[1:]]
    table_of(0)
    assert cli(*words).code == 0
    folder = workdir / "outputs" / "sweep-mlp-arrays"
    old = (folder / "mlp-arrays-sgd" / "run.json").read_bytes()
    os.utime("data.csv")
    assert "1 of them done already" in cli(*words).out, "its time says nothing"
    table_of(1)
    ended = cli(*words)
    assert ended.code == 0 and "done already" not in ended.out
    assert "the data changed since mlp-arrays-sgd ran: trained again beside it" in ended.out
    assert statuses(folder) == {"mlp-arrays-sgd": "finished", "mlp-arrays-sgd-2": "finished"}
    assert (folder / "mlp-arrays-sgd" / "run.json").read_bytes() == old
    new = run_json.read_json(folder / "mlp-arrays-sgd-2" / "run.json")
    assert new["cell"] == json.loads(old)["cell"] and new["data"] != json.loads(old)["data"]
    table_of(0)  # as it was: the old results are right again
    ended = cli(*words)
    assert "1 of them done already" in ended.out and "changed" not in ended.out
    assert run_json.read_json(folder / "sweep.json")["cells"] == {new["cell"]: "mlp-arrays-sgd"}
    table_of(1)
    assert "1 of them done already" in cli(*words).out
    table_of(0)  # the ledger names the other folder now
    ended = cli(*words, "dry_run=true")
    assert "nothing is left to do" in ended.out, "a dry run and the sweep find the same"


def test_data_that_can_not_be_read_here_is_not_known_to_have_changed(cli, workdir: Path) -> None:
    """As of the prompt of a cluster, where only the nodes have the data."""
    facts = ["data.shape=[2]", "data.num_outputs=2", "data.class_names=[a,b]", "model=linear"]
    words = ["-m", "seed=1", "data=arrays", "data.file=data.csv", *facts, "batch_size=8", *SHORT[1:]]
    table_of(0)
    assert cli(*words).code == 0
    Path("data.csv").rename("elsewhere.csv")
    ended = cli(*words)
    assert ended.code == 0 and "1 of them done already" in ended.out, ended
    assert "the data can't be read here, so nobody knows whether it changed since linear-arrays-sgd ran" in ended.out
    assert statuses(sweep_folder(workdir)) == {"linear-arrays-sgd": "finished"}


def test_changed_initial_weights_are_trained_again(cli, workdir: Path) -> None:
    words = ["data.points_per_class=60", "pictures=false", "max_steps=3", "epochs=1"]
    assert cli("hydra.run.dir=first", *words).code == 0
    assert cli("hydra.run.dir=second", "seed=3", *words).code == 0
    sweep = ["-m", "seed=7", "init_from=weights.pt", *words]
    shutil.copy("first/weights/last.pt", "weights.pt")
    assert cli(*sweep).code == 0
    shutil.copy("first/weights/last.pt", "elsewhere.pt")
    Path("elsewhere.pt").replace("weights.pt")
    assert "1 of them done already" in cli(*sweep).out
    shutil.copy("second/weights/last.pt", "weights.pt")
    ended = cli(*sweep)
    assert ended.code == 0 and "method's teacher changed since mlp-spiral-sgd ran" in ended.out
    assert statuses(sweep_folder(workdir)) == {"mlp-spiral-sgd": "finished", "mlp-spiral-sgd-2": "finished"}


def test_settings_that_change_no_result_make_no_sweep(cli, workdir: Path) -> None:
    ended = cli("-m", "seed=1,2", "threads=1,2,4", *SHORT[:-1])
    assert ended.code == 1 and not (workdir / "outputs").exists()
    assert "jobs that differ only in threads=1,2,4 are one experiment" in ended.err
    assert "seed" not in ended.err and "no job was started" in ended.err


def test_on_error_stop_starts_no_more(cli, workdir: Path) -> None:
    words = ["-m", "optimizer.lr=1e30,0.1,0.2", *SHORT, "max_steps=9"]
    ended = cli(*words, "on_error=stop")
    assert ended.code == 1 and list(statuses(sweep_folder(workdir)).values()) == ["failed"]
    rows = ended.out.splitlines()
    assert sum("not started: a job before it failed" in row for row in rows) == 2, ended.out
    ended = cli(*words)
    assert sorted(statuses(sweep_folder(workdir)).values()) == ["failed", "finished", "finished"]


GPU_MODEL = """
import os
from pathlib import Path
from torch import nn

class TellsGpu(nn.Linear):
    def forward(self, x):
        if self.training and x.device.type == "cpu":
            Path(f"gpu-of-{self.seed}").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "all"), encoding="utf-8")
        return super().forward(x)

def model(*, num_outputs: int, seed: int) -> nn.Module:
    layer = TellsGpu(2, num_outputs)
    layer.seed = seed
    return layer
"""


@pytest.mark.parametrize(
    ("words", "visible", "expected"),
    [
        (["n_jobs=2"], None, {"0", "1"}),
        pytest.param(["jobs_per_gpu=1"], "5,7", {"5", "7"}, marks=pytest.mark.slow),
        pytest.param(["device=cpu"], None, {"all"}, marks=pytest.mark.slow),
    ],
)
def test_jobs_are_spread_over_gpus(cli, workdir: Path, monkeypatch, words: list[str], visible, expected) -> None:
    """With two GPUs, which this torch only believes to have; each job sees one of them."""
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    (workdir / "tells_gpu.py").write_text(GPU_MODEL, encoding="utf-8")
    (workdir / "conf" / "model").mkdir(parents=True)
    node = "_target_: tells_gpu.model\nnum_outputs: ${data.num_outputs}\nseed: ${seed}\n"
    (workdir / "conf" / "model" / "tells_gpu.yaml").write_text(node, encoding="utf-8")
    ended = cli(
        "-m", "--config-dir", "conf", "allow=tells_gpu", "model=tells_gpu", "seed=1,2,3,4", "max_steps=40", *words,
        "data.points_per_class=60", "pictures=false", "threads=1",
    )  # fmt: skip
    assert ended.code == 0, ended
    assert {path.read_text(encoding="utf-8") for path in workdir.glob("gpu-of-*")} == expected


def started(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    """Waits until the condition holds; the process must not have ended by then."""
    deadline = time.monotonic() + 180
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def begin(workdir: Path, *words: str) -> subprocess.Popen[str]:
    endless = ["epochs=1000000", "pictures=false", "data.points_per_class=60", "threads=1"]
    return subprocess.Popen(
        [sys.executable, "-m", "dlexp", *endless, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        cwd=workdir,
        env=child_environment(),
        start_new_session=True,  # so that the signal reaches the parent only, as `kill -INT` would
        # A shell starts background processes with SIGINT ignored, and the tests may run in one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def has_metrics(workdir: Path, pattern: str) -> Callable[[], bool]:
    return lambda: any(path.stat().st_size for path in workdir.glob(f"outputs/{pattern}/metrics.jsonl"))


@POSIX
def test_ctrl_c_ends_a_run(workdir: Path) -> None:
    process = begin(workdir)
    started(process, has_metrics(workdir, "*"))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in out + err, (out, err)
    assert "stopped; resume=outputs/mlp-spiral-sgd goes on from here" in out
    folder = workdir / "outputs" / "mlp-spiral-sgd"
    found = run_json.read_json(folder / "run.json")
    assert found["status"] == "stopped" and found["seconds"] > 0
    assert (folder / "weights" / "last.pt").is_file()
    assert [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.slow
@POSIX
@pytest.mark.parametrize("num_jobs", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_ctrl_c_ends_a_sweep(workdir: Path, num_jobs: int) -> None:
    process = begin(workdir, "-m", "seed=1,2,3", f"n_jobs={num_jobs}")
    started(process, lambda: len(list(workdir.glob("outputs/*/*/metrics.jsonl"))) == num_jobs)
    started(process, has_metrics(workdir, "*/seed-1"))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in out + err, (out, err)
    rows = [row for row in out.splitlines() if row[:4] in ("1   ", "2   ", "3   ")]
    assert len(rows) == 3 and "stopped" in rows[0] and "not started" in rows[2], out
    assert statuses(sweep_folder(workdir))["seed-1"] == "stopped"


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR1"])
def test_a_terminal_tells_all_processes_at_once(workdir: Path, name: str) -> None:
    """So do `timeout` and clusters: the signal reaches the server that forks the jobs, too."""
    number = signal.Signals[name]
    process = begin(workdir, "-m", "seed=1,2")
    started(process, has_metrics(workdir, "*/seed-1"))
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number and "Traceback" not in out + err, (out, err)
    folder = sweep_folder(workdir)
    assert "1     " in out and "died" not in out and statuses(folder) == {"seed-1": "stopped"}, out
    assert (folder / "seed-1" / "weights" / "last.pt").is_file()


def test_names_are_unique_also_where_case_does_not_count() -> None:
    assert unique("a", {"b"}) == "a"
    assert unique("A", {"a"}) == "A-2"
    assert unique("a", {"a", "a-2"}) == "a-3"


def test_the_table() -> None:
    varied = [{"optimizer.lr": str(lr)} for lr in (0.1, 1)]
    done: dict[str, Any] = {
        "status": "finished",
        "metric": "val/accuracy",
        "measures": {"accuracy": {"unit": "%", "higher_is_better": True}},
        "metrics": {"val/accuracy": 0.5, "val/loss": 1.0},
        "seconds": 3,
        "error": None,
    }
    failed = {"status": "failed", "metrics": {}, "seconds": None, "error": "the loss\nbecame nan"}
    lines = table([(varied[0], done), (varied[1], failed)]).strip().splitlines()
    assert lines[0].split() == ["optimizer.lr", "val/accuracy", "time", "status"]
    assert lines[2].split() == ["0.1", "50.00", "%", "3.0", "s", "finished"]
    assert lines[3].split("  ")[-1] == "failed: the loss became nan" and " - " in lines[3]
    losses = {"metric": "val/loss", "metrics": {"val/loss": 0.123456, "test/loss": None, "test/accuracy": 1.0}}
    head, _, row = table([(varied[0], done | losses)]).strip().splitlines()
    assert head.split() == ["optimizer.lr", "val/loss", "test/loss", "time", "status"]
    assert row.split()[1:3] == ["0.1235", "-"]


def test_the_table_fits_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlexp.sweep.table.terminal_width", lambda: 80)
    varied = {"model.activation": "leaky_relu", "data.points_per_class": "100", "optimizer.weight_decay": "0.0005"}
    lost = ended_with(None, "failed") | {"error": "the loss became nan in epoch 2 at step 3 (learning rate 2.5e+09)"}
    rows = [(varied, ended_with(0.5)), *(({**varied, "model.activation": name}, lost) for name in ("relu", "tanh"))]
    text = table(rows)
    assert max(map(len, text.splitlines())) <= 80
    assert text.split().count("[1]") == 3 and text.count("[1] the loss became nan in epoch 2 at step 3") == 1
    for word in "50.00 25.00 % 100 0.0005 nan 3 2.5e+09) activation weight_ decay relu".split():
        assert word in text, "nothing is cut"


def test_equal_ones_stand_in_the_order_of_their_loss() -> None:
    rows = [({"lr": str(loss)}, ended_with(0.5)) for loss in (0.3, 0.1, 0.2)]
    for varied, found in rows:
        found["metrics"]["val/loss"] = float(varied["lr"])
    assert names_in(table(rows)) == ["0.1", "0.2", "0.3"] and table(rows).count("tie in validation") == 3


def ended_with(value: float | None, status: str = "finished", name: str = "accuracy") -> dict[str, Any]:
    measures = {"accuracy": {"unit": "%", "higher_is_better": True}, "loss": {"unit": "", "higher_is_better": False}}
    metrics = {} if value is None else {f"val/{name}": value, f"test/{name}": value / 2}
    error = "it broke" if status == "failed" else None
    shared = {"status": status, "seconds": 3, "error": error, "measures": measures}
    return {**shared, "metric": f"val/{name}", "metrics": metrics}


def names_in(text: str) -> list[str]:
    return [row.split()[0] for row in text.strip().splitlines()[2:]]


def test_jobs_stand_in_the_order_of_validation_and_the_best_is_marked() -> None:
    values = {"a": 0.5, "b": None, "c": 0.75, "d": None, "e": 0.25}
    states = {"b": "failed", "d": "stopped"}
    rows = [({"model": key}, ended_with(value, states.get(key, "finished"))) for key, value in values.items()]
    text = table(rows)
    assert names_in(text) == ["c", "a", "e", "d", "b"]
    assert [row for row in text.splitlines() if "best" in row] == [row for row in text.splitlines() if row[:1] == "c"]
    assert "finished, best in validation so far" in text, "what was stopped may be better"
    losses = [({"model": key}, ended_with(value, name="loss")) for key, value in values.items() if value]
    assert names_in(table(losses)) == ["e", "a", "c"] and table(losses).count("best in validation\n") == 1
    equal = [({"model": key}, ended_with(0.5)) for key in "ab"]
    assert table(equal).count("finished, tie in validation\n") == 2 and "best" not in table(equal)
    two = [({"model": key}, ended_with(0.5 if key == "c" else 0.7)) for key in "abc"]
    assert table(two).count("finished, tie in validation\n") == 2 and "best" not in table(rows[:2]), (
        "one value is no best one"
    )
    for key in ("data", "data.fold"):
        unsorted = [({key: varied["model"]}, found) for varied, found in rows]
        assert names_in(table(unsorted))[:5] == list("abcde") and "best" not in table(unsorted), key
    losses_of_their_own = [({"criterion": name["model"]}, found) for name, found in losses]
    assert names_in(table(losses_of_their_own)) == list("ace") and "best" not in table(losses_of_their_own)
    in_other_units = [({"task.standardise": name["model"]}, found) for name, found in losses]
    assert names_in(table(in_other_units)) == list("ace") and "best" not in table(in_other_units)


def test_means_over_seeds_by_arm() -> None:
    values: dict[str, list[float | None]] = {"a": [0.5, 0.6, 0.7], "b": [0.8, 0.82, 0.81], "c": [0.9, 0.9, None]}
    rows = [
        ({"model": model, "seed": str(seed)}, ended_with(value, "failed" if value is None else "finished"))
        for model, own in values.items()
        for seed, value in enumerate(own)
    ]
    assert "best" not in table(rows), "the best seed is nobody's choice"
    head, _, best, second, broken, meaning = arms_table(rows).strip().splitlines()
    assert head.split() == ["model", "val/accuracy", "test/accuracy", "seeds"]
    half = 4.302653 * 1.0 / 3**0.5  # Student's t with two degrees of freedom; a deviation of 1 point
    assert (
        best.split("  ")[0] == "b" and f"81.0 ± {half:.1f} %" in best and best.endswith(" 3       best in validation")
    )
    assert second.startswith("a ") and "60.0 ± 24.8 %" in second and second.endswith(" 3")
    assert broken.startswith("c ") and "90.0 %" in broken and broken.endswith(" 2 of 3  the same in every seed")
    assert "95 % interval" in meaning
    tie = arms_table([({**varied, "model": model}, found) for varied, found in rows[:3] for model in "ab"])
    assert tie.count("3      tie in validation\n") == 2
    only_seeds = arms_table([({"seed": varied["seed"]}, found) for varied, found in rows[:3]])
    assert "best" not in only_seeds and only_seeds.strip().splitlines()[2].startswith("60 ± 25 %")
    assert arms_table(rows[::3]) == "", "one run each"
    assert arms_table([({"model": varied["model"]}, found) for varied, found in rows]) == "", "no seed varies"
    assert arms_table([({"data.fold": "0", **varied}, found) for varied, found in rows]) == "", "folds are no seeds"
    assert arms_table([({"data": varied["model"], **varied}, found) for varied, found in rows]) == ""


def test_means_where_nothing_was_held_out() -> None:
    rows = [({"model": model, "seed": str(seed)}, ended_with(None)) for model in "ab" for seed in range(2)]
    for (_, found), value in zip(rows, [0.0, 1.0, 1.0, 1.0], strict=True):
        found["metrics"] = {"trained_on/accuracy": value}
    head, _, first, second, *_ = arms_table(rows).strip().splitlines()
    assert head.split() == ["model", "trained_on/accuracy", "seeds"] and "best" not in arms_table(rows)
    assert first.startswith("a ") and " 50 ± " in first, "in the order of the jobs: nothing was chosen by"
    assert second.startswith("b ") and "100 %" in second and second.endswith(" 2      the same in every seed")
    rows[0][1].update(ended_with(None, "failed"))
    assert " 1 of 2" in arms_table(rows)


def test_of_many_jobs_over_seeds_the_means_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    reports = [ended_with(0.5 + seed / 1000) for seed in range(MOST_ROWS)] + [ended_with(None, "failed")]
    varied = [{"seed": str(seed)} for seed in range(len(reports))]
    tell_end(Ended(tmp_path, [tmp_path] * len(reports), reports, None), varied, draws=False)
    assert (
        f"{MOST_ROWS} of {MOST_ROWS + 1}" in caplog.text
        and f"each run     python -m dlexp list {tmp_path} --sort val/accuracy" in caplog.text
    )
    assert caplog.text.count("failed: it broke") == 1 and "finished" not in caplog.text


def test_the_gap_to_the_training_samples_has_its_mean_too() -> None:
    values = {"a": [0.5, 0.6, 0.7], "b": [0.8, 0.8, 0.8]}
    rows = [
        ({"model": model, "seed": str(seed)}, ended_with(value))
        for model, own in values.items()
        for seed, value in enumerate(own)
    ]
    for _, found in rows:
        found["metrics"]["trained_on/accuracy"] = 0.9
    head, _, best, second, _ = arms_table(rows).strip().splitlines()
    assert head.split() == ["model", "val/accuracy", "test/accuracy", "trained_on/accuracy", "gap", "seeds"]
    assert best.split("  ")[0] == "b" and "  +50 points" in best and second.split("  ")[0] == "a", (best, second)
    assert "  +60 ± 12 points" in second and "  90.00 %" in second, second


@pytest.mark.slow
def test_a_sweep_ends_with_its_report_and_hparams_with_the_means_of_its_arms(cli, workdir: Path) -> None:
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups

    words = ["-m", "optimizer=sgd,adam", "seed=0,1", "data.points_per_class=60", "epochs=2", "threads=1", "n_jobs=2"]
    ended = cli(*words)
    folder = sweep_folder(workdir)
    place = folder.relative_to(workdir)
    assert ended.code == 0 and f"compare it   python -m dlexp report {place}\n" in ended.out, ended
    assert "seeds\n" in ended.out and {"differences.png", "report.json"} <= {
        p.name for p in (folder / "report").iterdir()
    }
    assert cli(*words).code == 0 and len(list((folder / "report").glob("events*"))) == 1, "once"
    assert cli("report", str(place)).code == 0, "its own files, which it replaces"

    runs = plugin_event_multiplexer.EventMultiplexer().AddRunsFromDirectory(str(folder)).Reload()
    tags = {run: set(found["tensors"]) for run, found in runs.Runs().items()}
    assert "sweep/differences" in tags.pop("report")
    assert len(tags) == 4 and not any(tag.startswith("sweep/") for each in tags.values() for tag in each)
    context = RequestContext()
    backend = backend_context.Context(TBContext(data_provider=data_provider.MultiplexerDataProvider(runs, str(folder))))
    asked = api_pb2.ListSessionGroupsRequest(slice_size=9, allowed_statuses=[api_pb2.STATUS_SUCCESS])
    groups = list_session_groups.Handler(context, backend, "", asked).run().session_groups
    assert {group.name: len(group.sessions) for group in groups} == {
        f"optimizer={name} in {folder.name}": 2 for name in ("sgd", "adam")
    }
    for group in groups:
        mean = next(each.value for each in group.metric_values if each.name.tag == "final/val/loss")
        entries = [run_json.read_json(folder / each.name / "run.json") for each in group.sessions]
        assert mean == pytest.approx(sum(entry["metrics"]["val/loss"] for entry in entries) / 2)
        assert {entry["varied"]["seed"] for entry in entries} == {"0", "1"}
    experiment = get_experiment.Handler(context, backend, "", api_pb2.GetExperimentRequest()).run()
    assert experiment.hparam_infos[0].name == "optimizer" and experiment.metric_infos[0].display_name == "val/accuracy"


def test_a_report_of_somebody_else_is_left_alone(cli, workdir: Path) -> None:
    words = ["-m", "optimizer=sgd,adam", "data.points_per_class=60", "epochs=1", "threads=1"]
    assert cli(*words, "pictures=false").code == 0
    folder = sweep_folder(workdir)
    assert not (folder / "report").exists(), "no pictures were asked for"
    (folder / "report").mkdir()
    (folder / "report" / "mine.txt").write_text("mine", encoding="utf-8")
    ended = cli(*words)
    assert ended.code == 0 and "no report is drawn" in ended.out and "compare it" in ended.out
    assert [path.name for path in (folder / "report").iterdir()] == ["mine.txt"]


def test_jobs_of_other_tasks_show_each_its_own_metric() -> None:
    accuracy = {"accuracy": {"unit": "%", "higher_is_better": True}}
    common = {"status": "finished", "seconds": 3, "error": None}
    classes = {"metric": "val/accuracy", "measures": accuracy, "metrics": {"val/accuracy": 0.5, "val/loss": 1.5}}
    values = {"metric": "val/loss", "measures": {"mae": {}}, "metrics": {"val/loss": 0.25, "test/loss": 0.75}}
    rows = [({"data": name}, common | each) for name, each in (("spiral", classes), ("linear", values))]
    head, _, first, second = table(rows).strip().splitlines()
    assert head.split() == ["data", "val", "test", "time", "status"]
    assert first.split()[:5] == ["spiral", "accuracy", "50.00", "%", "-"] and "1.5" not in first
    assert second.split()[:5] == ["linear", "loss", "0.25", "loss", "0.75"]
    both = table([({"data": name, "data.fold": "0"}, common | each) for name, each in (("s", classes), ("l", values))])
    assert both.splitlines()[-2:] == [
        "data=s: mean over 1 folds: val/accuracy 50.00 % (50.00 %)",
        "data=l: mean over 1 folds: val/loss 0.25 (0.25); test/loss 0.75 (0.75)",
    ]


def test_the_best_mean_over_folds_stands_first_and_is_marked() -> None:
    values = {"a": (0.5, 0.7), "b": (0.8, 0.6), "c": (0.9, None)}
    rows = [
        ({"model": name, "data.fold": str(k)}, ended_with(value, "failed" if value is None else "finished"))
        for name, own in values.items()
        for k, value in enumerate(own)
    ]
    means = [line.partition(": val")[0] for line in table(rows).splitlines()[-3:]]
    assert means == [
        "model=b: mean over 2 folds, best in validation",
        "model=a: mean over 2 folds",
        "model=c: mean over 1 of 2 folds",
    ]


def test_the_mean_over_folds_stands_below_the_table() -> None:
    def ended(value: float | None) -> dict[str, Any]:
        metrics = {} if value is None else {"val/loss": value, "test/loss": 2 * value}
        status = "failed" if value is None else "finished"
        return {"status": status, "metric": "val/loss", "metrics": metrics, "seconds": 3, "error": None}

    values = {("sgd", 0): 1.0, ("sgd", 1): 2.0, ("adam", 0): 3.0, ("adam", 1): None}
    rows = [({"optimizer": name, "data.fold": str(k)}, ended(value)) for (name, k), value in values.items()]
    assert table(rows).splitlines()[-2:] == [
        "optimizer=sgd: mean over 2 folds: val/loss 1.5 (1, 2); test/loss 3 (2, 4)",
        "optimizer=adam: mean over 1 of 2 folds: val/loss 3 (3); test/loss 6 (6)",
    ]
    assert "mean" not in table([({"optimizer": "sgd"}, ended(1.0))])
