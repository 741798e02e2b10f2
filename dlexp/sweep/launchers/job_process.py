"""A job's own process: how it starts, and what it does."""

import multiprocessing
import os
import signal
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

from dlexp.config.composed import Composed
from dlexp.console.exit_code import answering
from dlexp.console.streams import log_to_console, log_when_begun
from dlexp.machine.cores import SHARERS
from dlexp.machine.processes import live_with_parent, take_environment
from dlexp.records.folder import LOG, OUTPUT


def start(
    context: multiprocessing.context.BaseContext,
    job: Composed,
    folder: Path,
    *,
    quiet: bool,
    sharers: int,
    gpu: int | None,
) -> BaseProcess:
    """Starts a job in a process of its own, one of `sharers` that divide the cores.

    `gpu` is the only one it may see, counted among those that we see.
    """
    variables = os.environ | {SHARERS: str(sharers)}
    if gpu is not None:
        variables["CUDA_VISIBLE_DEVICES"] = _visible(gpu)
    process = context.Process(target=run_child, args=(job, folder, quiet, variables))  # type: ignore[attr-defined]
    process.start()
    return process  # type: ignore[no-any-return]


def run_child(job: Composed, folder: Path, quiet: bool, variables: dict[str, str]) -> None:
    """What a child does: one run, its output in a file of its folder when several jobs share a console."""
    take_environment(variables)
    folder.mkdir(parents=True, exist_ok=True)
    if quiet:
        output = open(folder / OUTPUT, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 (open until the end)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        sys.stdout = sys.stderr = output
    sys.exit(answering(lambda: _train_with_parent(job, folder)))


def run_submitted(job: Composed, folder: Path, here: Path, allowed: str) -> None:
    """What a job on a cluster does: one run, as if typed in `here` by who allowed the modules `allowed` (DLEXP_ALLOW).

    What a cluster hands on of a prompt's variables is its own choice.
    """
    # submitit lets a job go on after SIGTERM; until the run listens, it may end at once.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.chdir(here)
    os.environ["DLEXP_ALLOW"] = allowed
    if allowed:
        sys.path.insert(0, str(here))
    folder.mkdir(parents=True, exist_ok=True)
    log_to_console()
    sys.exit(answering(lambda: train_job(job, folder)))


def _train_with_parent(job: Composed, folder: Path) -> int:
    live_with_parent()
    log_to_console()
    return train_job(job, folder)


def train_job(job: Composed, folder: Path) -> int:
    """Trains a job, or goes on with what its folder holds of it; returns the exit code.

    Raises:
        UserError, KeyboardInterrupt, StopRequested: as `run_experiment` does.
    """
    from dlexp.experiment.run import run_experiment
    from dlexp.experiment.saved_state import Resumption

    begin_log, close = log_when_begun(folder / LOG)
    try:
        run_experiment(job, folder, Resumption(shares=True, accepted=begin_log))
    finally:
        close()
    return 0


def _visible(gpu: int) -> str:
    """Returns the name of the `gpu`-th of the GPUs that this process may see."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",")[gpu] if visible else str(gpu)
