"""A person's own options as Hydra reads them, from the folders of `--config-dir`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.plugins import Plugins
from omegaconf import DictConfig

from dlexp.config.schema import GROUPS


class OwnOptions(FileConfigSource):
    """Files of a folder, `own://FOLDER`. In a group that composes, one with a `_target_` at its top is a node by its
    file's name: `augment/jitter.yaml` is `augment.jitter`, and needs not say so.
    """

    @staticmethod
    def scheme() -> str:
        """Returns what stands before `://`."""
        return "own"

    def load_config(self, config_path: str) -> Any:
        """Returns a file's content, with the package it belongs to."""
        found = super().load_config(config_path)
        group, _, name = config_path.removesuffix(".yaml").rpartition("/")
        composes = group in GROUPS and GROUPS[group].composes
        if composes and isinstance(found.config, DictConfig) and "_target_" in found.config:
            found.header["package"] = f"{group}.{name}"
        return found


def search_path(folders: Sequence[Path]) -> list[str]:
    """Returns the override that lets Hydra look for options in these folders too, none where there are none."""
    Plugins.instance().register(OwnOptions)
    places = ",".join(f"'{OwnOptions.scheme()}://{folder.resolve()}'" for folder in folders)
    return [f"hydra.searchpath=[{places}]"] if places else []
