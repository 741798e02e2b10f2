"""`hydra/launcher=dlexp`: every job is a process of its own, `n_jobs` at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from dlexp.sweep.prepare import Prepared


@dataclass
class DlexpLauncherConf:
    """The node `hydra.launcher`."""

    _target_: str = "hydra_plugins.dlexp_plugins.launcher.DlexpLauncher"


ConfigStore.instance().store(group="hydra/launcher", name="dlexp", node=DlexpLauncherConf, provider="dlexp")


class DlexpLauncher(Launcher):
    """Starts jobs as child processes, so that memory, crashes and GPU state never pass from one to the next."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keeps what Hydra gives, and lets torch be loaded already."""
        from dlexp.sweep.launchers.local import begin

        self.config, self.hydra_context = config, hydra_context
        begin()

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Runs the jobs of a sweeper that is not ours and returns one result each, in order."""
        from dlexp.sweep.launchers.local import launch_words

        loader = self.hydra_context.config_loader
        return launch_words([list(job) for job in job_overrides], initial_job_idx, self.config, loader)

    def launch_prepared(
        self, jobs: "Sequence[Prepared]", folders: Sequence[Path], num_cells: int
    ) -> Sequence[JobReturn]:
        """Runs those of a sweep's `num_cells` jobs that our sweeper has composed and checked, each in its folder."""
        from dlexp.sweep.launchers.local import launch

        return launch(jobs, folders, self.config, num_cells)
