"""A job's own process: how it starts, and what it does."""

import multiprocessing
import os
import signal
import sys
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from dlexp.config.composed import Composed
from dlexp.config.loaded_once import loading_once
from dlexp.console.exit_code import answering
from dlexp.console.streams import log_to, log_to_console, write_to
from dlexp.errors import UserError
from dlexp.machine.cores import SHARERS
from dlexp.machine.processes import live_with_parent, take_environment, without_main
from dlexp.records.folder import LOG, OUTPUT
from dlexp.records.naming import making

# Characters that are told of a refusal: a pipe takes them at once, and nobody reads before the job has ended.
SENTENCE = 1000


def start(
    context: multiprocessing.context.BaseContext,
    job: Composed,
    folder: Path,
    *,
    quiet: bool,
    sharers: int,
    gpu: int | None,
) -> tuple[BaseProcess, Connection]:
    """Starts a job in a process of its own, one of `sharers` that divide the cores.

    `gpu` is the only one it may see, counted among those that we see. Through the pipe comes the sentence with which
    the job is refused, where it is: no record of the run tells that.
    """
    variables = os.environ | {SHARERS: str(sharers)}
    if gpu is not None:
        variables["CUDA_VISIBLE_DEVICES"] = _visible(gpu)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=run_child, args=(job, folder, quiet, variables, sender))  # type: ignore[attr-defined]
    with without_main():
        process.start()
    sender.close()
    return process, receiver


def run_child(job: Composed, folder: Path, quiet: bool, variables: dict[str, str], sender: Connection) -> None:
    """What a child does: one run, its output in a file of its folder when several jobs share a console."""
    take_environment(variables)
    sys.exit(answering(lambda: _train_with_parent(job, folder, quiet, sender)))


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


def _train_with_parent(job: Composed, folder: Path, quiet: bool, sender: Connection) -> int:
    live_with_parent()
    try:
        with making(folder):
            if quiet:
                write_to(folder / OUTPUT)
            log_to_console()
            return train_job(job, folder)
    except UserError as error:
        sender.send(str(error)[:SENTENCE])
        raise


def train_job(job: Composed, folder: Path) -> int:
    """Trains a job, or goes on with what its folder holds of it; returns the exit code.

    Raises:
        UserError, KeyboardInterrupt, StopRequested: as `run_experiment` does.
    """
    from dlexp.experiment.run import run_experiment
    from dlexp.experiment.saved_state import Resumption

    with log_to(folder / LOG) as begin_log, loading_once():
        run_experiment(job, folder, Resumption(job.words, shares=True, accepted=begin_log))
    return 0


def _visible(gpu: int) -> str:
    """Returns the name of the `gpu`-th of the GPUs that this process may see."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",")[gpu] if visible else str(gpu)
