"""Jobs as child processes: each in a process of its own, so that none can take another down."""

import logging
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig

from dlexp import record
from dlexp.child import children_context, reason, start
from dlexp.errors import UserError
from dlexp.lock import is_held
from dlexp.prepare import Prepared, prepare
from dlexp.stops import StopRequested, listening
from dlexp.table import report

log = logging.getLogger(__name__)

POLL_SECONDS = 0.02
# A job that was told to stop finishes its step and saves; one that does not end by then is ended.
PATIENCE_SECONDS = 60.0


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


def launch(jobs: Sequence[Prepared], folders: Sequence[Path], config: DictConfig) -> list[JobReturn]:
    """Runs the jobs, each in its folder and `n_jobs` at once, and returns one result each, in order.

    A failed job's result carries the reason. After a signal the jobs that did not end by themselves carry it, and after
    a failure with `on_error=stop` those that did not start say so.
    """
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
                    process = start(context, jobs[index], folders[index], quiet=at_once > 1, gpu=gpu)
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


def launch_words(
    jobs: Sequence[Sequence[str]], first_index: int, config: DictConfig, loader: ConfigLoader
) -> list[JobReturn]:
    """Prepares and runs jobs that are given as overrides; one that can't run has failed, and the others run."""
    results: dict[int, JobReturn] = {}
    prepared: dict[int, Prepared] = {}
    for index, words in enumerate(jobs):
        try:
            prepared[index] = prepare(words, config, loader)
        except UserError as error:
            log.error(f"error: {error}")
            results[index] = JobReturn(words, _return_value=error, status=JobStatus.FAILED)
    folders = [_folder(jobs[index], first_index + index, config, loader) for index in prepared]
    results |= zip(prepared, launch(list(prepared.values()), folders, config), strict=True)
    return [results[index] for index in range(len(jobs))]


def _folder(words: Sequence[str], index: int, config: DictConfig, loader: ConfigLoader) -> Path:
    cfg = loader.load_sweep_config(config, list(words)).copy()
    cfg.hydra.job.num = index
    return Path(cfg.hydra.sweep.dir) / str(cfg.hydra.sweep.subdir)


def _share_threads(at_once: int) -> None:
    """Gives jobs that share cores their share of threads: more threads than cores slow each other down many times."""
    if at_once > 1 and "OMP_NUM_THREADS" not in os.environ:
        os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // at_once))


def _next(waiting: list[int], folders: Sequence[Path]) -> int | None:
    """Returns the first job that no other process trains, so that sweeps started together share the work."""
    return next((index for index in waiting if not is_held(folders[index] / record.LOCK_FILE)), None)


def _unstarted(jobs: Sequence[Prepared], indices: list[int], reason: BaseException) -> dict[int, JobReturn]:
    return {i: JobReturn(jobs[i].words, _return_value=reason, status=JobStatus.FAILED) for i in indices}


def _num_gpus(config: DictConfig) -> int:
    """Returns the GPUs that jobs are spread over, round-robin; 0 where the config names a device."""
    if config.device not in ("auto", "cuda"):
        return 0
    import torch

    return torch.cuda.device_count()


def _result(job: Prepared, folder: Path, exit_code: int | None) -> JobReturn:
    """Returns a job's validation value, which sweepers such as Optuna's compare, or why it has none."""
    if exit_code == 0:
        return JobReturn(job.words, _return_value=report(folder, None)["objective"], status=JobStatus.COMPLETED)
    return JobReturn(job.words, _return_value=UserError(reason(exit_code)), status=JobStatus.FAILED)


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
