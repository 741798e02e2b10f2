"""What a sweep asks of whatever starts its jobs: `launcher=…` chooses it, and a person's own is chosen the same way."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

from dlexp.config.build import target
from dlexp.config.composed import Composed
from dlexp.errors import UserError
from dlexp.sweep.launchers.supply import ALL_KNOWN, Supply


class Watcher(Protocol):
    """Is told how a stage goes, in place of the console, which jobs leave alone then."""

    def opened(self, folder: Path, folders: Sequence[Path], num_done: int) -> None:
        """Called before the first job starts: the folder of the ledger and those of the jobs."""

    def began(self, folder: Path) -> None:
        """Called when a job starts in its folder."""

    def ended(self, folder: Path, why: BaseException | None) -> None:
        """Called when it has ended, with why it did not finish, if it did not."""


class Launcher(Protocol):
    """Starts jobs that were composed and checked, each in a folder of its own; the folders of a sweep lie side by side.

    Made as `Class(settings, **own)`: the settings of the run's config, and those of conf/launcher/NAME.yaml; making one
    raises UserError where it can't start jobs here, or a setting has no effect with it. A job is
    `dlexp.sweep.launchers.job_process.train_job(job, folder)`, wherever that runs: it waits while another process is at
    work in the folder, takes over what is finished, and goes on with what is there.

    is_here: whether jobs run on this machine, so that device and memory can be checked, and a single run can do
    without it. watcher: may be set before `launch`; a launcher whose jobs are here tells it of them.
    """

    is_here: ClassVar[bool]
    watcher: Watcher | None = None

    def begin(self) -> None:
        """Called once, while the jobs are still being checked, and not by a dry run: loads what takes long."""

    def underway(self, folders: Sequence[Path]) -> Sequence[str | None]:
        """Returns `pending` or `running` for each job that goes on without this process, None for the others.

        Raises:
            UserError: nobody can tell; starting them now might start them twice.
        """
        return [None] * len(folders)

    def launch(
        self, jobs: Sequence[Composed], folders: Sequence[Path], num_cells: int
    ) -> Sequence[BaseException | None]:
        """Starts the jobs that are not under way; returns for each why it did not finish, None where its record tells.

        Jobs that only started, and go on, are `underway` from then on. `num_cells` counts the jobs of the whole sweep,
        those that are done too. A signal is raised, or returned as the reason (KeyboardInterrupt, StopRequested).

        Raises:
            UserError: no job was started.
        """

    def launch_from(self, supply: Supply, num_cells: int) -> Mapping[Path, BaseException | None]:
        """Starts jobs as a supply has them, and asks those to end that it names: their status is `pruned` then.

        Returns by folder what `launch` does.

        Raises:
            UserError: it only starts jobs that are all known; none was started.
        """
        raise UserError(ALL_KNOWN)


def launch_from(launcher: Launcher) -> Callable[[Supply, int], Mapping[Path, BaseException | None]]:
    """Returns a launcher's method of this name. Raises UserError where a person's own has none."""
    found = getattr(launcher, "launch_from", None)
    if found is None:
        raise UserError(ALL_KNOWN)
    return found  # type: ignore[no-any-return]


def is_here(config: Mapping[str, Any]) -> bool:
    """Returns whether the launcher of a config has its jobs on this machine; one that does not say has them elsewhere.

    Raises:
        UserError: there is no such launcher, or it may not run.
    """
    return bool(getattr(target(config["launcher"]["_target_"], launcher=True), "is_here", False))
