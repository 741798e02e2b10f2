"""Jobs as child processes: each in a process of its own, so that none can take another down."""

import logging
import os
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from dlexp.config.composed import Composed
from dlexp.errors import UserError
from dlexp.machine.lock_file import is_held
from dlexp.machine.processes import children_context, reason, told
from dlexp.machine.signals import SIGNALS, StopRequested, listening
from dlexp.machine.whole_file import uninterrupted
from dlexp.records.folder import LOCK
from dlexp.records.run_json import read_entry
from dlexp.sweep.launchers.job_process import start
from dlexp.sweep.launchers.launcher import Launcher
from dlexp.sweep.table import report

log = logging.getLogger(__name__)

# What the server that forks the jobs imports once.
PRELOAD = "dlexp.experiment.preload"
POLL_SECONDS = 0.02
# A job that was told to stop finishes its step and saves; one that does not end by then is told again, and is killed
# if it does not hear that either: while it computes outside of Python it hears nothing.
PATIENCE_SECONDS = 60.0
END_SECONDS = 5.0


@dataclass(frozen=True)
class _Child:
    """A job that runs: its process and the pipe from it, its place (0, 1, … below the number of jobs at once), the
    run.json before it.
    """

    process: BaseProcess
    said: Connection
    slot: int
    before: dict[str, Any] | None


class Local(Launcher):
    """`launcher=local`: every job is a process of this machine, `n_jobs` at once, or `jobs_per_gpu` on each GPU.

    settings: those of the run's config.
    """

    is_here = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings

    def begin(self) -> None:
        """Starts the server that jobs are forked from, so that it loads torch (4 s) while they are being checked."""
        if children_context(PRELOAD).get_start_method() != "forkserver":
            return
        resource_tracker.ensure_running()  # unblocks signals, and the server starts it
        # Until the server blocks them itself, it would die of a Ctrl-C with a traceback of its own: it inherits this.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def launch(
        self, jobs: Sequence[Composed], folders: Sequence[Path], num_cells: int
    ) -> Sequence[BaseException | None]:
        """Runs the jobs, each in its folder; returns for each why it did not finish, None where it did.

        After a signal the jobs that did not end by themselves carry it, and after a failure with `on_error=stop` those
        that did not start say so. `num_cells` are the jobs of the whole sweep, done ones too, so that those that are
        left compute with as many threads as they would have had beside them.
        """
        num_gpus = _num_gpus(self._settings["device"])
        per_gpu = self._settings["jobs_per_gpu"]
        limit = num_gpus * per_gpu if per_gpu and num_gpus else self._settings["n_jobs"]
        at_once, sharers = min(limit, len(jobs)), min(limit, num_cells)
        quiet = at_once > 1 or self.watcher is not None
        context = children_context(PRELOAD)
        running: dict[int, _Child] = {}
        results: dict[int, BaseException | None] = {}
        waiting = list(range(len(jobs)))
        with listening():
            try:
                while waiting or running:
                    while waiting and len(running) < at_once:
                        # Not what another process trains: sweeps that were started together share the work.
                        index = next((index for index in waiting if not is_held(folders[index] / LOCK)), None)
                        if index is None:
                            break
                        waiting.remove(index)
                        self._tell_start(folders[index], f"[{index + 1}/{len(jobs)}]")
                        slot = min(set(range(at_once)) - {child.slot for child in running.values()})
                        gpu = slot % num_gpus if num_gpus > 1 else None
                        before = read_entry(folders[index])
                        with uninterrupted():  # whoever has started is told to stop
                            process, said = start(
                                context, jobs[index], folders[index], quiet=quiet, sharers=sharers, gpu=gpu
                            )
                            running[index] = _Child(process, said, slot, before)
                    for index in [index for index, child in running.items() if not child.process.is_alive()]:
                        results[index] = _end(folders[index], running.pop(index))
                        if quiet:
                            self._tell_end(folders[index], f"[{index + 1}/{len(jobs)}]", results[index])
                        if results[index] is not None and self._settings["on_error"] == "stop":
                            results |= dict.fromkeys(waiting, UserError("not started: a job before it failed"))
                            waiting = []
                    time.sleep(POLL_SECONDS)
            except (KeyboardInterrupt, StopRequested) as stop:
                _stop(running.values(), stop.number if isinstance(stop, StopRequested) else signal.SIGINT)
                results |= {index: stop for index in range(len(jobs)) if index not in results}
            except BaseException:  # nobody would wait for the jobs, nor tell how they end
                _stop(running.values(), signal.SIGTERM)
                raise
        return [results[index] for index in range(len(jobs))]

    def _tell_start(self, folder: Path, place: str) -> None:
        if self.watcher is not None:
            self.watcher.began(folder)
        else:
            log.info(f"{place} {folder.name}")

    def _tell_end(self, folder: Path, place: str, why: BaseException | None) -> None:
        if self.watcher is not None:
            self.watcher.ended(folder, why)
        else:
            log.info(f"{place} {folder.name}: {'finished' if why is None else f'failed, {why}'}")


def _num_gpus(device: str) -> int:
    """Returns the GPUs that jobs are spread over, round-robin; 0 where the config names a device."""
    if device not in ("auto", "cuda"):
        return 0
    import torch

    return torch.cuda.device_count()


def _end(folder: Path, child: _Child) -> BaseException | None:
    """Returns why a job did not finish, None when it did."""
    exit_code = child.process.exitcode
    if exit_code == 0:
        return None
    with closing(child.said):
        why = UserError(told(child.said) or reason(exit_code))
    return UserError(report(read_entry(folder), child.before, why)["error"] or str(why))


def _stop(children: Iterable[_Child], number: int) -> None:
    """Passes a signal on and waits until the jobs have saved; a second one, or too long a wait, ends them at once."""
    processes = [child.process for child in children]
    with suppress(KeyboardInterrupt, StopRequested), listening():
        for process in processes:
            if process.is_alive() and process.pid is not None and os.name == "posix":
                with suppress(ProcessLookupError):  # it has ended meanwhile
                    os.kill(process.pid, number)
        _wait(processes, PATIENCE_SECONDS)
    for end in ("terminate", "kill"):
        late = [process for process in processes if process.is_alive()]
        for process in late:
            getattr(process, end)()
        _wait(late, END_SECONDS)


def _wait(processes: Sequence[BaseProcess], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
