"""Jobs as child processes: each in a process of its own, so that none can take another down."""

import logging
import multiprocessing
import os
import signal
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig

log = logging.getLogger(__name__)

POLL_SECONDS = 0.02
# After Ctrl-C the terminal has told the children too; one that does not listen is told again, then ended.
PATIENCE_SECONDS = 5.0
OUTPUT_FILE = "output.txt"


def launch(jobs: list[list[str]], first_index: int, config: DictConfig, loader: ConfigLoader) -> list[JobReturn]:
    """Runs the jobs, `n_jobs` at once, and returns one result each, in order.

    A failed job's result carries the reason; after Ctrl-C the jobs that did not run carry KeyboardInterrupt.
    """
    folders = [_folder(words, index, config, loader) for index, words in enumerate(jobs, first_index)]
    at_once = min(int(config.n_jobs), len(jobs))
    if at_once > 1 and "OMP_NUM_THREADS" not in os.environ:
        # Jobs that share cores get their share of threads: more threads than cores slow each other down many times.
        os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // at_once))
    context = children_context()
    running: dict[int, BaseProcess] = {}
    results: dict[int, JobReturn] = {}
    waiting = list(range(len(jobs)))
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                index = waiting.pop(0)
                log.info(f"[{index + 1}/{len(jobs)}] {folders[index].name}")
                running[index] = _start(context, jobs[index], folders[index], config, quiet=at_once > 1)
            for index in [index for index, process in running.items() if not process.is_alive()]:
                results[index] = _result(jobs[index], running.pop(index).exitcode)
                if at_once > 1:
                    log.info(f"[{index + 1}/{len(jobs)}] {folders[index].name}: {_outcome(results[index])}")
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        _stop(list(running.values()))
        results |= {
            i: JobReturn(jobs[i], _return_value=KeyboardInterrupt(), status=JobStatus.FAILED)
            for i in {*waiting, *running}
        }
    return [results[index] for index in range(len(jobs))]


def children_context() -> multiprocessing.context.BaseContext:
    """Returns how children start: forked from a server that has torch loaded (11 ms a job), spawned without fork."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hydra", "torch", "dlexp.preload"])
    return context


def _folder(words: list[str], index: int, config: DictConfig, loader: ConfigLoader) -> Path:
    cfg = loader.load_sweep_config(config, words)
    with_number = cfg.copy()
    with_number.hydra.job.num = index
    return Path(with_number.hydra.sweep.dir) / str(with_number.hydra.sweep.subdir)


def _start(
    context: multiprocessing.context.BaseContext, words: list[str], folder: Path, config: DictConfig, quiet: bool
) -> BaseProcess:
    own = [word for word in words if not word.startswith("hydra.sweep.subdir=")]
    places = [f"hydra.run.dir={folder}", "hydra.mode=RUN"]
    extra = config.hydra.runtime.config_sources
    folders = [["--config-dir", source.path] for source in extra if source.provider == "command-line"]
    argv = [*(word for pair in folders for word in pair), *own, *places]
    process = context.Process(target=run_child, args=(argv, str(folder) if quiet else None))  # type: ignore[attr-defined]
    process.start()
    return process  # type: ignore[no-any-return]


def run_child(argv: list[str], quiet_folder: str | None) -> None:
    """What a child does: one ordinary run, its output in a file of its folder when several jobs share a console."""
    from dlexp.__main__ import main

    if quiet_folder is not None:
        Path(quiet_folder).mkdir(parents=True, exist_ok=True)
        output = open(Path(quiet_folder) / OUTPUT_FILE, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 (open until the end)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        sys.stdout = sys.stderr = output
    sys.exit(main(argv))


def _result(words: list[str], exit_code: int | None) -> JobReturn:
    if exit_code == 0:
        return JobReturn(words, status=JobStatus.COMPLETED)
    return JobReturn(words, _return_value=RuntimeError(reason(exit_code)), status=JobStatus.FAILED)


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


def _stop(processes: list[BaseProcess]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    for process in processes:
        process.join(max(0.5, PATIENCE_SECONDS / 10))
        if process.is_alive() and process.pid is not None and hasattr(signal, "SIGINT") and os.name == "posix":
            os.kill(process.pid, signal.SIGINT)
    for process in processes:
        process.join(max(0.1, deadline - time.monotonic()))
        if process.is_alive():
            process.terminate()
            process.join()
