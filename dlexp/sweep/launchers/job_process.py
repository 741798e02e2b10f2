"""A job's own process: how it starts, what it does, and what its end means."""

import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing.process import BaseProcess
from pathlib import Path

from dlexp.config.composed import Composed
from dlexp.console.exit_code import answering
from dlexp.console.streams import log_to, log_to_console
from dlexp.machine.cores import SHARERS
from dlexp.machine.signals import SIGNALS, stop_unless_asked

OUTPUT_FILE = "output.txt"


def children_context() -> multiprocessing.context.BaseContext:
    """Returns how children start: forked from a server that has torch loaded (11 ms a job), spawned without fork."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dlexp.sweep.launchers.preload"])
    return context


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
        output = open(folder / OUTPUT_FILE, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 (open until the end)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        sys.stdout = sys.stderr = output
    sys.exit(answering(lambda: _train(job, folder)))


def take_environment(variables: dict[str, str]) -> None:
    """Makes the parent's variables this process's own; a server that an earlier sweep started has those of then."""
    os.environ.clear()
    os.environ.update(variables)


def _train(job: Composed, folder: Path) -> int:
    """Trains a job, or goes on with what its folder holds of it."""
    live_with_parent()
    from dlexp.experiment.run import run_experiment
    from dlexp.experiment.saved_state import Resumption

    log_to_console()
    close = log_to(folder)
    try:
        run_experiment(job, folder, Resumption(shares=True))
    finally:
        close()
    return 0


def live_with_parent() -> None:
    """Leaves signals for all processes to the parent, which passes them on once; stops when the parent is killed."""
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # the server that forked it holds them back
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        stop_unless_asked()

    threading.Thread(target=watch, daemon=True, name="parent").start()


def _visible(gpu: int) -> str:
    """Returns the name of the `gpu`-th of the GPUs that this process may see."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",")[gpu] if visible else str(gpu)


def reason(exit_code: int | None) -> str:
    """Returns why a process ended, from its exit code: negative ones are signals."""
    if exit_code is None or exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    return f"killed by {name}" + (" (often: out of memory)" if name == "SIGKILL" else "")
