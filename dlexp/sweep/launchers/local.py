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
from dlexp.records.run_json import prune, read_entry
from dlexp.sweep.launchers.job_process import start
from dlexp.sweep.launchers.launcher import Launcher, Watcher
from dlexp.sweep.launchers.supply import Supply
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
        ends = self.launch_from(_Known(list(zip(jobs, folders, strict=True))), num_cells)
        return [ends[folder] for folder in folders]

    def launch_from(self, supply: Supply, num_cells: int) -> Mapping[Path, BaseException | None]:
        """Runs jobs as a supply has them, none waiting for another; for one that was pruned there is no reason."""
        num_gpus = _num_gpus(self._settings["device"])
        per_gpu = self._settings["jobs_per_gpu"]
        limit = num_gpus * per_gpu if per_gpu and num_gpus else self._settings["n_jobs"]
        at_once, sharers = min(limit, supply.total), min(limit, num_cells)
        stops = self._settings["on_error"] == "stop"
        jobs = _Jobs(supply, at_once, num_gpus, sharers, self.watcher, stops_at_failure=stops)
        with listening():
            try:
                while jobs.start() or jobs.running:
                    jobs.collect()
                    time.sleep(POLL_SECONDS)
            except (KeyboardInterrupt, StopRequested) as stop:
                _stop(jobs.running.values(), stop.number if isinstance(stop, StopRequested) else signal.SIGINT)
                jobs.ends |= {folder: stop for folder in jobs.numbers if folder not in jobs.ends}
            except BaseException:  # nobody would wait for the jobs, nor tell how they end
                _stop(jobs.running.values(), signal.SIGTERM)
                raise
        return jobs.ends


class _Known:
    """A supply of jobs that are all known, and none of which is told to end."""

    def __init__(self, jobs: Sequence[tuple[Composed, Path]]) -> None:
        self.total, self.num_done, self._jobs = len(jobs), 0, jobs

    def more(self) -> Sequence[tuple[Composed, Path]]:
        jobs, self._jobs = self._jobs, []
        return jobs

    def to_stop(self, running: Sequence[Path]) -> Mapping[Path, str]:
        return {}


class _Jobs:
    """The jobs of a launch by folder: those that wait, those that run, and how the others ended.

    numbers: of every job that is known, as the log counts them.
    """

    def __init__(
        self,
        supply: Supply,
        at_once: int,
        num_gpus: int,
        sharers: int,
        watcher: Watcher | None,
        *,
        stops_at_failure: bool,
    ) -> None:
        self._supply, self._at_once, self._num_gpus, self._sharers = supply, at_once, num_gpus, sharers
        self._watcher, self._quiet = watcher, at_once > 1 or watcher is not None
        self._stops_at_failure, self._context = stops_at_failure, children_context(PRELOAD)
        self.waiting: dict[Path, Composed] = {}
        self.running: dict[Path, _Child] = {}
        self.ends: dict[Path, BaseException | None] = {}
        self.numbers: dict[Path, int] = {}
        self._told: dict[Path, str] = {}
        self._is_over = False

    def start(self) -> bool:
        """Starts as many jobs as may run; returns whether some wait, as for another process that trains them."""
        while len(self.running) < self._at_once:
            # Not what another process trains: sweeps that were started together share the work.
            folder = next((each for each in self.waiting if not is_held(each / LOCK)), None)
            if folder is not None:
                self._start(folder, self.waiting.pop(folder))
            elif more := [] if self._is_over else self._supply.more():
                self.waiting |= {place: job for job, place in more}
                self.numbers |= {place: len(self.numbers) + count for count, (_, place) in enumerate(more, start=1)}
            else:
                break
        return bool(self.waiting)

    def _start(self, folder: Path, job: Composed) -> None:
        if self._watcher is not None:
            self._watcher.began(folder)
        else:
            log.info(f"{self._number(folder)} {folder.name}")
        slot = min(set(range(self._at_once)) - {child.slot for child in self.running.values()})
        gpu = slot % self._num_gpus if self._num_gpus > 1 else None
        before = read_entry(folder)
        with uninterrupted():  # whoever has started is told to stop
            process, said = start(self._context, job, folder, quiet=self._quiet, sharers=self._sharers, gpu=gpu)
            self.running[folder] = _Child(process, said, slot, before)

    def collect(self) -> None:
        """Notes the ends of jobs, and tells those to end that the supply names."""
        for folder in [folder for folder, child in self.running.items() if not child.process.is_alive()]:
            self.ends[folder] = end = _end(folder, self.running.pop(folder))
            word = "finished" if end is None else f"failed, {end}"
            if end is not None and folder in self._told and prune(folder, self._told[folder]):
                self.ends[folder], word = None, f"pruned, {self._told[folder]}"
            if self._watcher is not None:
                self._watcher.ended(folder, self.ends[folder])
            elif self._quiet or folder in self._told:
                log.info(f"{self._number(folder)} {folder.name}: {word}")
            if self.ends[folder] is not None and self._stops_at_failure:
                self._is_over = True
                self.ends |= dict.fromkeys(self.waiting, UserError("not started: a job before it failed"))
                self.waiting.clear()
        told = self._supply.to_stop([folder for folder in self.running if folder not in self._told])
        for folder, why in told.items():
            self._told[folder] = why
            self.running[folder].process.terminate()  # it saves where it is, but on Windows, which ends it

    def _number(self, folder: Path) -> str:
        return f"[{self._supply.num_done + self.numbers[folder]}/{self._supply.total}]"


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
