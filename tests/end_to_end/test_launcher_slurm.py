"""launcher=slurm: what is submitted and what never twice, the table meanwhile, jobs that run, are preempted and end."""

import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import start
from fake_slurm import Cluster

from dlexp.config.build import build
from dlexp.config.compose import compose
from dlexp.errors import UserError
from dlexp.records import run_json, slurm_queue
from dlexp.sweep.launchers import slurm
from dlexp.sweep.plan import run_sweep

SHORT = ["data.points_per_class=60", "max_steps=2", "pictures=false", "threads=1"]
WORDS = ["-m", "launcher=slurm", "seed=1,2,3", *SHORT]
SWEEP = Path("outputs/sweep-mlp-spiral")


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """An empty cluster, whose commands are found first."""
    pytest.importorskip("submitit")
    if os.name != "posix":
        pytest.skip("the stand-ins are programs as Linux and macOS start them")
    found = Cluster(tmp_path_factory.mktemp("cluster"))
    monkeypatch.setenv("FAKE_SLURM", str(found.home))
    monkeypatch.setenv("PATH", f"{found.home / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return found


def rows(out: str) -> list[str]:
    """Returns the last column of the table of jobs."""
    lines = out.partition("---")[2].partition("\n")[2].partition("\n\n")[0].splitlines()
    return [re.split(r"  +", line)[-1] for line in lines]


def script() -> str:
    (path,) = SWEEP.glob("slurm/submitted/*_submission.sh")
    return path.read_text(encoding="utf-8")


def test_missing_jobs_are_one_array_and_the_prompt_is_back(cli, cluster: Cluster, workdir: Path) -> None:
    ended = cli(*WORDS, "launcher.partition=gpu", "launcher.mem=16G", "launcher.gpus_per_node=1")
    assert ended.code == 0 and ended.err == "", ended
    assert "3 jobs submitted: squeue --jobs=17 shows them, scancel 17 stops them" in ended.out
    assert rows(ended.out) == ["pending"] * 3
    assert cluster.states() == dict.fromkeys(["17_0", "17_1", "17_2"], "PENDING")
    for line in ("--partition=gpu", "--mem=16G", "--gpus-per-node=1", "--array=0-2%3", "--signal=USR1@90",
                 "--job-name=sweep-mlp-spiral"):  # fmt: skip
        assert f"#SBATCH {line}\n" in script()
    assert not re.search("--(time|wckey|account|cpus-per-task)", script()), "null is the cluster's default"
    assert not list(workdir.glob("outputs/*/*/run.json")), "nothing is trained at the prompt"


def test_slurms_words_reach_it(cli, cluster: Cluster, workdir: Path) -> None:
    ended = cli(
        *WORDS, "launcher.time=1-12:00:00", "launcher.cpus_per_task=4", "launcher.array_parallelism=2",
        "launcher.qos=low", "launcher.account=me", "launcher.constraint=a|b", "launcher.gres=gpu:a100:2",
        "+launcher.additional.exclude=n7",
        "launcher.setup=[module load cuda]", "hydra.sweep.dir=my runs/a=b, c",
    )  # fmt: skip
    assert ended.code == 0, ended
    (path,) = Path("my runs/a=b, c").glob("slurm/submitted/*_submission.sh")
    text = path.read_text(encoding="utf-8")
    for line in ("--time=1-12:00:00", "--cpus-per-task=4", "--array=0-2%2", "--qos=low", "--account=me",
                 "--constraint='a|b'", "--gres=gpu:a100:2", "--exclude=n7"):  # fmt: skip
        assert f"#SBATCH {line}\n" in text
    assert "\nmodule load cuda\n" in text
    assert re.search(r"^srun .*--cpus-per-task=4 ", text, re.MULTILINE), "a step has one core otherwise"


def test_the_same_command_never_submits_a_job_twice(cli, cluster: Cluster, workdir: Path) -> None:
    cli(*WORDS)
    for state, word in {"RUNNING": "running", "CONFIGURING": "pending", "SUSPENDED": "running"}.items():
        cluster.become("17_1", state)
        again = cli(*WORDS)
        assert again.code == 0 and "submitted" not in again.out and rows(again.out) == ["pending", word, "pending"]
    assert len(cluster.calls("sbatch")) == 1
    more = cli(*[word.replace("1,2,3", "1,2,3,4") for word in WORDS])
    assert "1 job submitted: squeue --jobs=18" in more.out and rows(more.out) == [
        "pending",
        "running",
        "pending",
        "pending",
    ]
    assert cluster.states() == {"17_0": "PENDING", "17_1": "SUSPENDED", "17_2": "PENDING", "18": "PENDING"}


@pytest.mark.parametrize("end", ["PREEMPTED", None])
def test_what_ended_unfinished_or_vanished_is_submitted_again(cli, cluster: Cluster, workdir: Path, end) -> None:
    cli(*WORDS)
    cluster.become("17_1", end)
    again = cli(*WORDS)
    assert again.code == 0 and rows(again.out) == ["pending"] * 3, again
    why = f"ended as {end}" if end else "left the queue"
    assert f"seed-2 is submitted again: job 17_1 {why}; it said: {workdir}/outputs/" in again.out
    assert "1 job submitted: squeue --jobs=18 shows" in again.out and len(cluster.calls("sbatch")) == 2
    assert {name: job.number for name, job in slurm_queue.read(SWEEP).items()} == {
        "seed-1": "17_0", "seed-2": "18", "seed-3": "17_2",
    }  # fmt: skip


def test_a_cluster_that_forgot_all_of_them(cli, cluster: Cluster, workdir: Path) -> None:
    """squeue calls a single unknown number invalid."""
    cli(*WORDS)
    for number in ("17_0", "17_1", "17_2"):
        cluster.become(number, None)
    assert "3 jobs submitted: squeue --jobs=18" in cli(*WORDS).out


def test_jobs_train_in_their_folders(cli, cluster: Cluster, workdir: Path) -> None:
    cli(*WORDS)
    assert [cluster.run("17_0"), cluster.run("17_2")] == [0, 0]
    assert cluster.run("17_2") == 0, "a cluster may queue a job again by itself"
    again = cli(*WORDS)
    assert "3 jobs, 2 of them done already" in again.out and rows(again.out) == ["finished", "finished", "pending"]
    entries = {path.parent.name: run_json.read_json(path) for path in SWEEP.glob("*/run.json")}
    assert {name: entry["seed"] for name, entry in entries.items()} == {"seed-1": 1, "seed-3": 3}
    log = (SWEEP / "seed-3/log.txt").read_text(encoding="utf-8")
    assert "seed=3" in entries["seed-3"]["overrides"] and "test accuracy" in log
    assert cluster.run("17_1") == 0 and cli(*WORDS).out.count("  finished") == 3
    assert len(cluster.calls("sbatch")) == 1


@pytest.mark.slow
def test_a_comparison_goes_on_stage_by_stage(cli, cluster: Cluster, workdir: Path) -> None:
    words = ["compare", "launcher=slurm", "optimizer=sgd,adam", "tune=optimizer.lr", "trials=1", "seeds=2", *SHORT]
    first = cli(*words)
    assert first.code == 0 and "0 of 2 trials are there; the same command goes on" in first.out, first
    assert cluster.states() == {"17_0": "PENDING", "17_1": "PENDING"}
    assert cluster.run("17_0") == 0
    assert "1 of 2 trials are there" in cli(*words).out and len(cluster.calls("sbatch")) == 1
    assert cluster.run("17_1") == 0
    second = cli(*words)
    assert second.code == 0 and "0 of 4 final runs are there" in second.out and len(cluster.calls("sbatch")) == 2
    assert [cluster.run(f"18_{number}") for number in range(4)] == [0] * 4
    last = cli(*words)
    assert last.code == 0 and len(cluster.calls("sbatch")) == 2 and "report  outputs/compare-mlp-spiral" in last.out


def test_a_job_that_failed_is_shown_and_submitted_when_asked(cli, cluster: Cluster, workdir: Path) -> None:
    typed = ["-m", "launcher=slurm", "optimizer.lr=0.1,1e30", *SHORT, "max_steps=9"]
    cli(*typed)
    assert [cluster.run("17_0"), cluster.run("17_1")] == [0, 1]
    again = cli(*typed)
    assert again.code == 1 and len(cluster.calls("sbatch")) == 1
    assert rows(again.out)[0] == "finished" and rows(again.out)[1].startswith("failed: the loss became")
    assert "1 failed before; launcher.retry_failed=true submits failed jobs once more" in again.out
    retried = cli(*typed, "launcher.retry_failed=true")
    assert retried.code == 0 and rows(retried.out) == ["finished", "pending"] and len(cluster.calls("sbatch")) == 2


def test_a_job_that_somebody_trains_here_is_running(cli, cluster: Cluster, workdir: Path, monkeypatch) -> None:
    monkeypatch.setattr(slurm, "is_held", lambda path: path.parent.name == "seed-2")
    ended = cli(*WORDS)
    assert rows(ended.out) == ["pending", "running", "pending"] and len(cluster.states()) == 2


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"n_jobs": 2}, "n_jobs=2 has no effect with launcher=slurm: launcher.array_parallelism=N"),
        ({"jobs_per_gpu": 1}, "launcher.gpus_per_node=N"),
        ({"on_error": "stop"}, "on_error=stop has no effect"),
    ],
)
def test_settings_without_effect(cluster: Cluster, setting: dict[str, object], sentence: str) -> None:
    config = compose(["launcher=slurm"]).config
    build(config["launcher"], config, launcher=True).begin()
    with pytest.raises(UserError, match=sentence):
        build(config["launcher"], config | setting, launcher=True).begin()


def test_its_settings_are_checked(cli, cluster: Cluster, workdir: Path) -> None:
    ended = cli(*WORDS, "launcher.cpus_per_task=0", "launcher.wait=maybe", "launcher.additional=5")
    assert ended.code == 1 and "no job was started" in ended.err and not Path("outputs").exists(), ended
    assert "launcher.cpus_per_task=0 must be ≥ 1" in ended.err
    assert "launcher.wait=maybe must be true or false" in ended.err
    assert "launcher.additional=5 must be a mapping" in ended.err


def test_without_a_cluster_or_submitit(cli, cluster: Cluster, workdir: Path, monkeypatch) -> None:
    (cluster.home / "bin" / "sbatch").unlink()
    missing = cli(*WORDS)
    assert missing.code == 1 and "there is no sbatch on this machine" in missing.err and "Traceback" not in missing.err
    monkeypatch.setitem(sys.modules, "submitit", None)
    missing = cli(*WORDS)
    assert missing.code == 1 and "launcher=slurm needs submitit: pip install 'dlexp[slurm]'" in missing.err
    assert not Path("outputs").exists()


def test_a_dry_run_knows_the_queue_and_what_is_missing(cli, cluster: Cluster, workdir: Path) -> None:
    cli(*WORDS)
    cluster.become("17_1", "RUNNING")
    cluster.become("17_2", "PREEMPTED")
    told = cli(*WORDS, "dry_run=true")
    assert told.code == 0 and rows(told.out)[:3] == ["pending", "running", "to do"], told
    assert "1 job to do: " in told.out and len(cluster.calls("sbatch")) == 1
    cluster.refuse("squeue", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)")
    told = cli(*WORDS, "dry_run=true")
    assert told.code == 0 and "warning: squeue does not answer" in told.out and "3 jobs to do: " in told.out
    (cluster.home / "bin" / "sbatch").unlink()
    told = cli(*WORDS, "dry_run=true")
    assert told.code == 0 and told.out.count("warning: launcher=slurm starts jobs with sbatch") == 1, told


def test_a_refusal_of_sbatch_is_a_sentence(cli, cluster: Cluster, workdir: Path) -> None:
    cluster.refuse("sbatch", "sbatch: error: invalid partition specified: gpux")
    ended = cli(*WORDS, "launcher.partition=gpux")
    assert ended.code == 1 and ended.err.count("\n") == 1, ended
    assert "sbatch refuses the jobs: sbatch: error: invalid partition specified: gpux; none was submitted" in ended.err
    assert not Path("outputs").exists()
    assert not list(SWEEP.glob("slurm/*")), "nothing of it is left"


def test_a_queue_that_does_not_answer_is_no_empty_queue(cli, cluster: Cluster, workdir: Path) -> None:
    cli(*WORDS)
    cluster.refuse("squeue", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)")
    ended = cli(*WORDS)
    assert ended.code == 1 and "squeue does not answer (slurm_load_jobs error: Unable" in ended.err, ended
    assert "nothing was submitted" in ended.err and len(cluster.calls("sbatch")) == 1


@pytest.mark.parametrize("text", ["{", '{"jobs": {"seed-1": {"number": "--help", "output": ""}}}', '{"jobs": [1]}'])
def test_damaged_numbers_are_no_missing_numbers(tmp_path: Path, text: str) -> None:
    assert slurm_queue.read(tmp_path) == {}
    (tmp_path / "slurm").mkdir()
    (tmp_path / "slurm" / "jobs.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="jobs.json, which holds the numbers of this sweep's jobs, can't be read"):
        slurm_queue.read(tmp_path)


def test_folders_that_slurm_would_read_as_patterns(cli, cluster: Cluster, workdir: Path) -> None:
    ended = cli(*WORDS, "hydra.sweep.dir=here/%j")
    assert ended.code == 1 and "Slurm reads % in the name of a folder" in ended.err and not cluster.calls("sbatch")
    assert not Path("here").exists()


def test_a_single_run_is_not_started_on_a_cluster(cli, cluster: Cluster, workdir: Path) -> None:
    ended = cli("launcher=slurm", *SHORT)
    assert ended.code == 1 and "launcher=slurm starts the jobs of a sweep: add -m" in ended.err, ended
    assert not Path("outputs").exists()


@pytest.mark.parametrize(
    ("word", "instead"),
    [
        ("hydra/launcher=submitit_slurm", "launcher=local or launcher=slurm"),
        ("hydra/sweeper=optuna", "-m tries every combination"),
        ("hydra.launcher.partition=gpu", "those of the group launcher"),
    ],
)
def test_hydras_launchers_have_another_name_here(word: str, instead: str) -> None:
    with pytest.raises(UserError, match=instead):
        run_sweep(["-m", word, "seed=1,2"])


def test_the_nodes_have_what_the_prompts_machine_lacks(cli, cluster: Cluster, workdir: Path, monkeypatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("dlexp.config.rehearsal.available_bytes", lambda: 1)
    typed = ["-m", "seed=1,2", "device=cuda", "precision=float16", *SHORT]
    here = cli(*typed)
    assert here.code == 1 and "device=cuda, but" in here.err and "of memory are free" in here.err, here
    assert cli(*typed, "launcher=slurm").code == 0 and len(cluster.states()) == 2
    wrong = cli(*typed, "launcher=slurm", "model.width=[1,0]")
    assert wrong.code == 1 and "device" not in wrong.err, "what is wrong everywhere is told here"


def test_waiting(cli, cluster: Cluster, workdir: Path, monkeypatch) -> None:
    def sleep(seconds: float) -> None:
        waiting = [number for number, state in cluster.states().items() if state == "PENDING"]
        cluster.become(waiting[0], "OUT_OF_MEMORY") if waiting == ["17_2"] else cluster.run(waiting[0])

    monkeypatch.setattr(slurm, "time", SimpleNamespace(sleep=sleep))
    ended = cli(*WORDS, "launcher.wait=true")
    assert ended.code == 1 and "[2/3] seed-2: finished" in ended.out and "[3/3] seed-3: not started" in ended.out, ended
    assert rows(ended.out)[:2] == ["finished"] * 2
    assert rows(ended.out)[2].startswith("not started: job 17_2 ended as OUT_OF_MEMORY; it said: ")


def test_ctrl_c_while_waiting_leaves_the_jobs_alone(cli, cluster: Cluster, workdir: Path, monkeypatch) -> None:
    def sleep(seconds: float) -> None:
        cluster.run("17_0") if cluster.states()["17_0"] == "PENDING" else signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(slurm, "time", SimpleNamespace(sleep=sleep))
    ended = cli(*WORDS, "launcher.wait=true")
    assert ended.code == 130 and "the jobs go on: squeue --jobs=17 shows them, scancel 17 stops them" in ended.out
    assert rows(ended.out) == ["finished", "pending", "pending"] and not cluster.calls("scancel")


def test_a_busy_controller_does_not_end_the_waiting(cli, cluster: Cluster, workdir: Path, monkeypatch) -> None:
    refusal = cluster.home / "squeue.refuses"

    def sleep(seconds: float) -> None:
        if not refusal.exists() and len(cluster.calls("squeue")) < 5:
            cluster.refuse("squeue", "Socket timed out on send/recv operation")
            return
        refusal.unlink(missing_ok=True)
        cluster.run(next(number for number, state in cluster.states().items() if state == "PENDING"))

    monkeypatch.setattr(slurm, "time", SimpleNamespace(sleep=sleep))
    ended = cli(*WORDS, "launcher.wait=true")
    assert ended.code == 0 and rows(ended.out) == ["finished"] * 3, ended


def until(condition: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_a_preempted_job_goes_on(cli, cluster: Cluster, workdir: Path) -> None:
    """Real processes: sbatch's script, srun, submitit, the run; SIGTERM as a cluster sends it."""
    cluster.work()
    typed = ["-m", "launcher=slurm", "seed=1", "data.points_per_class=60", "pictures=false", "threads=1"]
    assert cli(*typed, "epochs=100000").code == 0
    metrics = SWEEP / "mlp-spiral-sgd" / "metrics.jsonl"
    until(lambda: metrics.exists() and metrics.stat().st_size)
    assert rows(cli(*typed, "epochs=100000").out) == ["running"]
    os.kill(int((cluster.home / "processes" / "17").read_text(encoding="utf-8")), signal.SIGTERM)
    until(lambda: cluster.states()["17"] == "FAILED")
    entry = run_json.read_json(SWEEP / "mlp-spiral-sgd" / "run.json")
    assert entry["status"] == "stopped" and entry["error"] == "stopped by SIGTERM"
    (output,) = SWEEP.glob("slurm/submitted/17_0_log.out")
    # A step under way is finished first, and said; an evaluation is cut at once.
    assert "goes on from here\nstopped by SIGTERM" in output.read_text(encoding="utf-8")

    again = cli(*typed, "epochs=100000")
    assert (
        "going on with mlp-spiral-sgd" in again.out
        and "mlp-spiral-sgd is submitted again: job 17 ended as FAILED" in again.out
    )
    until(lambda: len(run_json.read_json(SWEEP / "mlp-spiral-sgd" / "run.json")["resumed"]) == 1)
    until(lambda: "goes on after" in (SWEEP / "mlp-spiral-sgd" / "log.txt").read_text(encoding="utf-8"))
    os.kill(int((cluster.home / "processes" / "18").read_text(encoding="utf-8")), signal.SIGTERM)
    until(lambda: cluster.states()["18"] == "FAILED")


FRAGILE = """
import os
import torch
from torch import nn

class Fragile(nn.Linear):
    def forward(self, x):
        if self.training and self.is_killed and torch.is_grad_enabled():  # not in the rehearsal
            os.kill(os.getpid(), 9)
        return super().forward(x)

def fragile(*, num_outputs: int, seed: int) -> nn.Module:
    layer = Fragile(2, num_outputs)
    layer.is_killed = seed == 2
    return layer
"""


def own_model(workdir: Path) -> list[str]:
    """Writes a model that is killed with seed 2; returns the words that choose it."""
    (workdir / "fragile.py").write_text(FRAGILE, encoding="utf-8")
    (workdir / "own" / "model").mkdir(parents=True)
    node = "_target_: fragile.fragile\nnum_outputs: ${data.num_outputs}\nseed: ${seed}\n"
    (workdir / "own" / "model" / "fragile.yaml").write_text(node, encoding="utf-8")
    return ["--config-dir", "own", "allow=fragile", "model=fragile"]


@pytest.mark.slow
def test_waiting_for_processes_one_of_which_is_killed(cli, cluster: Cluster, workdir: Path, monkeypatch) -> None:
    """Also: a person's own module reaches the jobs, though the cluster hands on no variable of the prompt."""
    monkeypatch.setattr(slurm, "POLL_SECONDS", 0.2)
    cluster.work()
    typed = ["-m", "launcher=slurm", "seed=1,2,3", *own_model(workdir), *SHORT, "launcher.setup=[unset DLEXP_ALLOW]"]
    ended = cli(*typed, "launcher.wait=true")
    assert ended.code == 1, ended
    found = rows(ended.out)
    assert found[:2] == ["finished", "finished"], "what has no figure stands last"
    assert found[2].startswith("died: job 17_1 ended as FAILED; it said: ")
    again = cli(*typed)
    assert "3 jobs, 2 of them done already" in again.out and "seed-2 is submitted again" in again.out


@pytest.mark.slow
def test_two_at_once_submit_once(cluster: Cluster, workdir: Path) -> None:
    processes = [start(WORDS, workdir) for _ in range(2)]
    said = [process.communicate(timeout=240)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert sum("3 jobs submitted" in out for out in said) == 1 and len(cluster.calls("sbatch")) == 1
    assert [rows(out) for out in said] == [["pending"] * 3] * 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*still running:ResourceWarning")  # submitit leaves its processes to themselves
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_submitits_local_executor(cli, workdir: Path, monkeypatch) -> None:
    """The same launcher with processes of this machine in place of a cluster, which submitit starts itself."""
    submitit = pytest.importorskip("submitit")
    executors = []

    class Here(submitit.LocalExecutor):
        def __init__(self, folder: Path) -> None:
            super().__init__(folder)
            executors.append(self)

        def update_parameters(self, **of_slurm: object) -> None:
            super().update_parameters(timeout_min=5, stderr_to_stdout=True)

    def words_of(jobs: object) -> dict[str, str]:
        """What squeue would say: of these processes only that they live."""
        return {job.number: "RUNNING" for job in jobs if _lives(int(job.number))}  # type: ignore[attr-defined]

    monkeypatch.setattr(submitit, "SlurmExecutor", Here)
    monkeypatch.setattr(slurm_queue, "words", words_of)
    monkeypatch.setattr(slurm, "POLL_SECONDS", 0.2)
    monkeypatch.setattr(shutil, "which", lambda name: name)
    ended = cli(*WORDS, "launcher.wait=true")
    assert ended.code == 0 and rows(ended.out) == ["finished"] * 3, ended
    assert len(executors) == 1 and "3 of them done already" in cli(*WORDS).out
    entries = [run_json.read_json(path) for path in SWEEP.glob("*/run.json")]
    assert sorted(entry["seed"] for entry in entries) == [1, 2, 3] and not any(entry["resumed"] for entry in entries)


def _lives(pid: int) -> bool:
    try:
        ended, _ = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return False
    return ended == 0


@pytest.mark.slow
def test_a_search_is_submitted_stage_by_stage(cli, cluster: Cluster, workdir: Path) -> None:
    """The same command, typed again when the short trials have ended, submits the whole trainings of the best."""
    short = [word for word in SHORT if not word.startswith("max_steps")]
    search = ["-m", "launcher=slurm", "search=qmc", "trials=2", "optimizer.lr=tag(log,interval(1e-3,1))", *short]
    words = [*search, "search.epochs=1", "search.top=1", "epochs=2"]
    ended = cli(*words)
    assert ended.code == 0 and "2 jobs submitted" in ended.out and "of 2 trials 0 gave a value, 2 not done" in ended.out
    assert [cluster.run("17_0"), cluster.run("17_1")] == [0, 0]
    ended = cli(*words)
    assert ended.code == 0 and "whole trainings of the best 1 of 2" in ended.out and "1 job submitted" in ended.out
    again = cli(*words)
    assert "submitted" not in again.out and "of 1 whole trainings 0 finished, 1 not done" in again.out
    assert "the best is not known yet" in again.out
    assert cluster.run("18") == 0
    ended = cli(*words)
    assert ended.code == 0 and "best of 2 trials, trained whole: val/accuracy" in ended.out, ended
    (typed,) = re.findall(r"^train it +python -m dlexp (.*)$", ended.out, re.MULTILINE)
    assert "launcher" not in typed and len(cluster.calls("sbatch")) == 2
    refused = cli(*search, "search.prune=median", "epochs=9")
    assert refused.code == 1 and "choose while jobs run" in refused.err and len(cluster.calls("sbatch")) == 2


@pytest.mark.slow
def test_a_stage_is_submitted_when_the_one_before_it_is_done(cli, cluster: Cluster, workdir: Path) -> None:
    stages = "stages={first:['model.depth=1'],second:['init_from=stages.first','model.depth=2']}"
    words = [stages, "model.width=8", *SHORT, "launcher=slurm", "hydra.run.dir=here"]
    first = cli(*words)
    assert first.code == 0 and list(cluster.states()) == ["17"], first
    assert "1 of 1 go on elsewhere; the same command trains the stages that are left" in first.out
    waiting = cli(*words)
    assert waiting.code == 0 and list(cluster.states()) == ["17"], "never twice"
    assert cluster.run("17") == 0
    second = cli(*words)
    assert second.code == 0 and list(cluster.states()) == ["17", "18"], second
    assert cluster.run("18") == 0
    done = cli(*words)
    assert done.code == 0 and list(cluster.states()) == ["17", "18"] and "elsewhere" not in done.out, done
    first_entry, entry = (run_json.read_json(Path("here") / name / "run.json") for name in ("first", "second"))
    assert first_entry["status"] == entry["status"] == "finished" and entry["parent"]["cell"] == first_entry["cell"]
