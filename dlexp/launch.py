"""Jobs as child processes: each in a process of its own, so that none can take another down."""

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import RunMode
from omegaconf import DictConfig

from dlexp import record
from dlexp.errors import UserError
from dlexp.lock import is_held
from dlexp.stops import StopRequested, listening
from dlexp.table import report

log = logging.getLogger(__name__)

POLL_SECONDS = 0.02
# A job that was told to stop finishes its step and saves; one that does not end by then is ended.
PATIENCE_SECONDS = 60.0
OUTPUT_FILE = "output.txt"


@dataclass(frozen=True)
class _Child:
    """A job that runs: its process, and the place (0, 1, … below the number of jobs at once) it has."""

    process: BaseProcess
    slot: int


def begin(config: DictConfig) -> None:
    """Starts the server that jobs are forked from, so that it loads torch (4 s) while the jobs are being checked."""
    if config.jobs_per_gpu is not None:  # how many jobs share the threads is known when the GPUs are counted
        return
    _share_threads(int(config.n_jobs))
    if children_context().get_start_method() == "forkserver":
        forkserver.ensure_running()


def launch(jobs: list[list[str]], first_index: int, config: DictConfig, loader: ConfigLoader) -> list[JobReturn]:
    """Runs the jobs, `n_jobs` at once, and returns one result each, in order.

    A failed job's result carries the reason. After a signal the jobs that did not end by themselves carry it, and after
    a failure with `on_error=stop` those that did not start say so.
    """
    folders = [_folder(words, index, config, loader) for index, words in enumerate(jobs, first_index)]
    num_gpus = _num_gpus(config)
    at_once = min(num_gpus * config.jobs_per_gpu if config.jobs_per_gpu and num_gpus else int(config.n_jobs), len(jobs))
    _share_threads(at_once)
    os.environ["DLEXP_JOBS_AT_ONCE"] = str(at_once)  # so do the processes that read images
    context = children_context()
    running: dict[int, _Child] = {}
    results: dict[int, JobReturn] = {}
    waiting = list(range(len(jobs)))
    try:
        with listening():
            while waiting or running:
                while waiting and len(running) < at_once:
                    index = _next(waiting, folders)
                    if index is None:  # all that is left is being trained by other processes
                        break
                    waiting.remove(index)
                    log.info(f"[{index + 1}/{len(jobs)}] {folders[index].name}")
                    slot = min(set(range(at_once)) - {child.slot for child in running.values()})
                    gpu = slot % num_gpus if num_gpus > 1 else None
                    process = _start(context, jobs[index], folders[index], config, quiet=at_once > 1, gpu=gpu)
                    running[index] = _Child(process, slot)
                for index in [index for index, child in running.items() if not child.process.is_alive()]:
                    results[index] = _result(jobs[index], folders[index], running.pop(index).process.exitcode)
                    if at_once > 1:
                        log.info(f"[{index + 1}/{len(jobs)}] {folders[index].name}: {_outcome(results[index])}")
                    if results[index].status is JobStatus.FAILED and config.on_error == "stop":
                        results |= _unstarted(jobs, waiting, UserError("not started: a job before it failed"))
                        waiting = []
                time.sleep(POLL_SECONDS)
    except (KeyboardInterrupt, StopRequested) as stop:
        number = stop.number if isinstance(stop, StopRequested) else signal.SIGINT
        _stop([child.process for child in running.values()], number)
        results |= _unstarted(jobs, [*waiting, *running], stop)
    return [results[index] for index in range(len(jobs))]


def _share_threads(at_once: int) -> None:
    """Gives jobs that share cores their share of threads: more threads than cores slow each other down many times."""
    if at_once > 1 and "OMP_NUM_THREADS" not in os.environ:
        os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // at_once))


def _next(waiting: list[int], folders: list[Path]) -> int | None:
    """Returns the first job that no other process trains, so that sweeps started together share the work."""
    return next((index for index in waiting if not is_held(folders[index] / record.LOCK_FILE)), None)


def _unstarted(jobs: list[list[str]], indices: list[int], reason: BaseException) -> dict[int, JobReturn]:
    return {i: JobReturn(jobs[i], _return_value=reason, status=JobStatus.FAILED) for i in indices}


def _num_gpus(config: DictConfig) -> int:
    """Returns the GPUs that jobs are spread over, round-robin; 0 where the config names a device."""
    if config.device not in ("auto", "cuda"):
        return 0
    import torch

    return torch.cuda.device_count()


def children_context() -> multiprocessing.context.BaseContext:
    """Returns how children start: forked from a server that has torch loaded (11 ms a job), spawned without fork."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hydra", "torch", "dlexp.preload"])
    return context


def _folder(words: list[str], index: int, config: DictConfig, loader: ConfigLoader) -> Path:
    places = dict(word.partition("=")[::2] for word in words if word.startswith("hydra.sweep.") and "$" not in word)
    if {"hydra.sweep.dir", "hydra.sweep.subdir"} <= places.keys():  # our own sweeps say it; composing takes 0.2 s a job
        return Path(places["hydra.sweep.dir"].strip("'")) / places["hydra.sweep.subdir"].strip("'")
    cfg = loader.load_sweep_config(config, words)
    with_number = cfg.copy()
    with_number.hydra.job.num = index
    return Path(with_number.hydra.sweep.dir) / str(with_number.hydra.sweep.subdir)


def _start(
    context: multiprocessing.context.BaseContext,
    words: list[str],
    folder: Path,
    config: DictConfig,
    *,
    quiet: bool,
    gpu: int | None,
) -> BaseProcess:
    own = [word for word in words if not word.startswith("hydra.sweep.")]
    places = [f"hydra.run.dir={folder}", "hydra.mode=RUN"]
    extra = config.hydra.runtime.config_sources
    folders = [["--config-dir", source.path] for source in extra if source.provider == "command-line"]
    argv = [*(word for pair in folders for word in pair), *own, *places]
    variables = dict(os.environ)  # a server that an earlier sweep of this process started has the ones of then
    if gpu is not None:
        variables["CUDA_VISIBLE_DEVICES"] = _visible(gpu)
    arguments = (argv, str(folder) if quiet else None, variables)
    process = context.Process(target=run_child, args=arguments)  # type: ignore[attr-defined]
    process.start()
    return process  # type: ignore[no-any-return]


def run_child(argv: list[str], quiet_folder: str | None, variables: dict[str, str]) -> None:
    """What a child does: one ordinary run, its output in a file of its folder when several jobs share a console."""
    os.environ.update(variables)
    from hydra._internal.hydra import Hydra

    from dlexp import job
    from dlexp.__main__ import main

    Hydra.get_mode = lambda *_, **__: RunMode.RUN  # type: ignore[method-assign]  # it would compose once more to know
    live_with_parent()
    job.share_folders()
    if quiet_folder is not None:
        Path(quiet_folder).mkdir(parents=True, exist_ok=True)
        output = open(Path(quiet_folder) / OUTPUT_FILE, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 (open until the end)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        sys.stdout = sys.stderr = output
    sys.exit(main(argv))


def live_with_parent() -> None:
    """Leaves Ctrl-C on a terminal to the parent, which passes it on once; stops when the parent is killed."""
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="parent").start()


def _visible(gpu: int) -> str:
    """Returns the name of the `gpu`-th of the GPUs that this process may see."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",")[gpu] if visible else str(gpu)


def _result(words: list[str], folder: Path, exit_code: int | None) -> JobReturn:
    """Returns a job's validation value, which sweepers such as Optuna's compare, or why it has none."""
    if exit_code == 0:
        return JobReturn(words, _return_value=report(folder, None)["objective"], status=JobStatus.COMPLETED)
    return JobReturn(words, _return_value=UserError(reason(exit_code)), status=JobStatus.FAILED)


def reason(exit_code: int | None) -> str:
    """Returns why a process ended, from its exit code: negative ones are signals."""
    if exit_code is None or exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    return f"killed by {name}" + (" (often: out of memory)" if name == "SIGKILL" else "")


def _outcome(result: JobReturn) -> str:
    return "finished" if result.status is JobStatus.COMPLETED else f"failed, {result._return_value}"


def _stop(processes: list[BaseProcess], number: int) -> None:
    """Passes a signal on, waits until the jobs have saved, and ends those that do not listen."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    for process in processes:
        if process.is_alive() and process.pid is not None and os.name == "posix":
            os.kill(process.pid, number)
    for process in processes:
        process.join(max(0.1, deadline - time.monotonic()))
        if process.is_alive():
            process.terminate()
            process.join()
