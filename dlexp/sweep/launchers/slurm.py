"""Jobs on a Slurm cluster: one array of those that are missing, submitted through submitit, and the prompt is back."""

import io
import logging
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, suppress
from dataclasses import KW_ONLY, dataclass, field, fields
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, ClassVar

import yaml

from dlexp.config.composed import Composed
from dlexp.config.registry import CONF
from dlexp.errors import UserError
from dlexp.machine.lock_file import is_held, locked
from dlexp.machine.signals import StopRequested, listening
from dlexp.machine.whole_file import uninterrupted
from dlexp.ranges import Range
from dlexp.records import slurm_queue
from dlexp.records.folder import LOCK
from dlexp.records.naming import new_folder, remove_empty
from dlexp.records.run_json import read_entry
from dlexp.records.slurm_queue import Submitted, state_of
from dlexp.sweep.launchers.job_process import run_submitted
from dlexp.sweep.launchers.launcher import Launcher
from dlexp.sweep.table import report

log = logging.getLogger(__name__)

COMMANDS = ("sbatch", "srun", "squeue")
SUBMITTING_LOCK = ".submitting.lock"
# A run hears SIGUSR1, saves and ends; submitit's own SIGUSR2 would be for functions that submit themselves again.
SIGNAL = "USR1@90"
POLL_SECONDS = 10.0
# Settings of the local launcher, and what to do instead.
INSTEAD = {
    "n_jobs": "launcher.array_parallelism=N limits how many jobs run at once",
    "jobs_per_gpu": "launcher.gpus_per_node=N gives each job its GPUs",
    "on_error": "the jobs of an array start whatever becomes of the others",
}


@dataclass(kw_only=True)
class Options:
    """Slurm's own options for a job; None is the cluster's default."""

    partition: str | None
    time: int | str | None
    gpus_per_node: int | str | None
    gres: str | None
    mem: int | str | None
    cpus_per_task: Annotated[int | None, Range(ge=1)]
    account: str | None
    qos: str | None
    constraint: str | None


@dataclass
class Slurm(Options, Launcher):
    """`launcher=slurm`: see conf/launcher/slurm.yaml. The same command again shows how far the jobs are.

    It submits what is missing or ended unfinished, and never a job that waits or runs. `settings`: those of the run's
    config. `additional` holds any option of Slurm's that `Options` lacks.
    """

    is_here: ClassVar[bool] = False

    settings: Mapping[str, Any]
    _: KW_ONLY
    additional: dict[str, Any]
    array_parallelism: Annotated[int | None, Range(ge=1)]
    setup: list[str]
    retry_failed: bool
    wait: bool
    # Slurm's word for each job by its number, as of the last look.
    _words: dict[str, str] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Looks for submitit and Slurm's commands. Raises UserError as `Launcher` says."""
        _submitit()
        missing = [name for name in COMMANDS if shutil.which(name) is None]
        if missing:
            raise UserError(
                f"launcher=slurm starts jobs with {', '.join(COMMANDS)}, and there is no {missing[0]} on this machine;"
                " type the command where you would type sbatch, or take launcher=local"
            )
        unset = yaml.safe_load((CONF / "config.yaml").read_text(encoding="utf-8"))
        for key, instead in INSTEAD.items():
            if self.settings[key] != unset[key]:
                raise UserError(f"{key}={self.settings[key]} has no effect with launcher=slurm: {instead}")

    def underway(self, folders: Sequence[Path]) -> Sequence[str | None]:
        """Returns `pending` or `running` for each job that the cluster has, as of the last look at its queue."""
        jobs = slurm_queue.read(folders[0].parent) if folders else {}
        if self._words is None:
            self._look(jobs)
        return [self._state(folder, jobs) for folder in folders]

    def launch(
        self, jobs: Sequence[Composed], folders: Sequence[Path], num_cells: int
    ) -> Sequence[BaseException | None]:
        """Submits the jobs that are not under way, and with `wait` returns when none is any more."""
        sweep = folders[0].parent
        with locked(sweep / SUBMITTING_LOCK):  # the same command typed twice at once
            known = slurm_queue.read(sweep)
            self._look(known)
            todo = [index for index, folder in enumerate(folders) if self._state(folder, known) is None]
            failed = [index for index in todo if _status(folders[index]) == "failed" and not self.retry_failed]
            todo = [index for index in todo if index not in failed]
            for folder in (folders[index] for index in todo):
                if end := self._end(folder, known):
                    log.info(f"{folder.name} is submitted again: {end}")
            if todo:
                new = self._submit([jobs[index] for index in todo], [folders[index] for index in todo], known)
                self._words = (self._words or {}) | dict.fromkeys((job.number for job in new), "PENDING")
                log.info(f"{len(new)} job{'s' * (len(new) != 1)} submitted: {_how_to_look(new)}")
        if failed:
            log.info(f"{len(failed)} failed before; launcher.retry_failed=true submits failed jobs once more")
        if not self.wait:
            return [None] * len(jobs)
        self._wait_for(folders)
        known = slurm_queue.read(sweep)
        return [None if index in failed else self._end(folder, known) for index, folder in enumerate(folders)]

    def _look(self, jobs: Mapping[str, Submitted]) -> None:
        self._words = slurm_queue.words(jobs.values())

    def _word(self, folder: Path, jobs: Mapping[str, Submitted]) -> str | None:
        return (self._words or {}).get(jobs[folder.name].number) if folder.name in jobs else None

    def _state(self, folder: Path, jobs: Mapping[str, Submitted]) -> str | None:
        """Returns `pending` or `running` of a job that waits or runs there, or that a process trains right here."""
        return state_of(self._word(folder, jobs)) or ("running" if is_held(folder / LOCK) else None)

    def _end(self, folder: Path, jobs: Mapping[str, Submitted]) -> UserError | None:
        """Returns how a job ended that is not under way any more, None where it finished."""
        entry = read_entry(folder)
        if folder.name not in jobs or (entry is not None and entry["status"] == "finished"):
            return None
        job, word = jobs[folder.name], self._word(folder, jobs)
        return UserError(f"job {job.number} {f'ended as {word}' if word else 'left the queue'}; it said: {job.output}")

    def _submit(
        self, jobs: Sequence[Composed], folders: Sequence[Path], known: Mapping[str, Submitted]
    ) -> list[Submitted]:
        """Submits jobs as one array and writes their numbers down.

        Raises:
            UserError: sbatch refuses them; nothing of it is left.
        """
        sweep = folders[0].parent
        if "%" in str(sweep.absolute()):
            raise UserError(f"{sweep}: Slurm reads % in the name of a folder as a pattern; choose another name")
        here, allowed = Path.cwd(), os.environ.get("DLEXP_ALLOW", "")
        place, errors = new_folder(sweep / slurm_queue.FOLDER, "submitted"), import_module("submitit.core.utils")
        try:
            with uninterrupted():  # a job whose number nobody knows would be submitted again
                with redirect_stderr(io.StringIO()):  # submitit prints what is going to be raised
                    made = self._executor(place, sweep.name, len(jobs)).map_array(
                        run_submitted, jobs, folders, [here] * len(jobs), [allowed] * len(jobs)
                    )
                new = [Submitted(job.job_id, str(job.paths.stdout)) for job in made]
                names = [folder.name for folder in folders]
                slurm_queue.write(sweep, {**known, **dict(zip(names, new, strict=True))})
        except (errors.FailedJobError, errors.FailedSubmissionError) as error:
            shutil.rmtree(place)
            remove_empty([place.parent])
            raise UserError(f"sbatch refuses the jobs: {' '.join(str(error).split())}; none was submitted") from error
        return new

    def _executor(self, place: Path, name: str, num_jobs: int) -> Any:
        """Returns what submits, with our settings in place of submitit's (5 minutes, a wckey of its own)."""
        executor = _submitit().SlurmExecutor(folder=place)
        executor.update_parameters(
            **{option.name: getattr(self, option.name) for option in fields(Options)},
            job_name=name,
            wckey=None,
            array_parallelism=self.array_parallelism or num_jobs,
            setup=self.setup,
            stderr_to_stdout=True,
            additional_parameters={"signal": SIGNAL, **self.additional},
            # Slurm 22.05 and later do not pass it on from sbatch: the job would have one core.
            srun_args=[] if self.cpus_per_task is None else [f"--cpus-per-task={self.cpus_per_task}"],
        )
        return executor

    def _wait_for(self, folders: Sequence[Path]) -> None:
        """Returns when no job waits or runs any more, and says of each when it ended; the jobs hear no signal."""
        left = list(folders)
        jobs = slurm_queue.read(folders[0].parent)
        theirs = [jobs[folder.name] for folder in folders if folder.name in jobs]
        try:
            with listening():
                while left:
                    for folder in [each for each in left if self._state(each, jobs) is None]:
                        left.remove(folder)
                        log.info(f"[{len(folders) - len(left)}/{len(folders)}] {folder.name}: {_status(folder)}")
                    if left:
                        time.sleep(POLL_SECONDS)
                        with suppress(UserError):  # a busy controller: the jobs go on, and so does the waiting
                            self._look(jobs)
        except (KeyboardInterrupt, StopRequested):
            log.info(f"the jobs go on: {_how_to_look(theirs)}")
            raise


def _submitit() -> Any:
    try:
        return import_module("submitit")
    except ImportError:
        raise UserError("launcher=slurm needs submitit: pip install 'dlexp[slurm]'") from None


def _status(folder: Path) -> str:
    return str(report(read_entry(folder), None, None)["status"])


def _how_to_look(jobs: Sequence[Submitted]) -> str:
    arrays = list(dict.fromkeys(job.array for job in jobs))
    return f"squeue --jobs={','.join(arrays)} shows them, scancel {' '.join(arrays)} stops them"
