"""`hydra/sweeper=dlexp`: checks every job of a sweep before the first one starts, then prints a table."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class DlexpSweeperConf:
    """The node `hydra.sweeper`."""

    _target_: str = "hydra_plugins.dlexp_plugins.sweeper.DlexpSweeper"
    _convert_: str = "all"
    params: dict[str, Any] = field(default_factory=dict)


ConfigStore.instance().store(group="hydra/sweeper", name="dlexp", node=DlexpSweeperConf, provider="dlexp")


class DlexpSweeper(Sweeper):
    """Expands the grid of the overrides; `params` in a config add values to sweep over."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keeps what Hydra gives and makes the launcher the config names."""
        self.config, self.hydra_context = config, hydra_context
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Runs the sweep that the overrides describe."""
        from dlexp.sweep.plan import run_sweep

        assert self.launcher is not None
        params = [f"{key}={value}" for key, value in self.params.items()]
        return run_sweep([*params, *arguments], self.config, self.hydra_context.config_loader, self.launcher)
