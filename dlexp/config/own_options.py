"""A person's own options as Hydra reads them, from the folders of `--config-dir`."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigSource
from omegaconf import DictConfig

from dlexp.config.schema import GROUPS
from dlexp.config.words import in_quotes

SCHEME = "own"


@functools.cache
def _own_options() -> Any:
    """Returns what reads `own://FOLDER`, as Hydra reads its files: it has no public name for what does."""
    sources: list[Any] = Plugins.instance().discover(ConfigSource)
    files: Any = next(each for each in sources if each.scheme() == "file")

    class OwnOptions(files):  # type: ignore[misc]
        """In a group that composes, a file with a `_target_` at its top is a node by its name: what is in
        `augment/jitter.yaml` is `augment.jitter`, and needs not say so.
        """

        @staticmethod
        def scheme() -> str:
            return SCHEME

        def load_config(self, config_path: str) -> Any:
            found = super().load_config(config_path)
            group, _, name = config_path.removesuffix(".yaml").rpartition("/")
            composes = group in GROUPS and GROUPS[group].composes
            if composes and isinstance(found.config, DictConfig) and "_target_" in found.config:
                found.header["package"] = f"{group}.{name}"
            return found

    return OwnOptions


def search_path(folders: Sequence[Path]) -> list[str]:
    """Returns the override that lets Hydra look for options in these folders too, none where there are none."""
    if not folders:
        return []
    Plugins.instance().register(_own_options())
    places = ",".join(in_quotes(f"{SCHEME}://{folder.resolve()}") for folder in folders)
    return [f"hydra.searchpath=[{places}]"]
