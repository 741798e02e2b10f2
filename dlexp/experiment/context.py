"""What a run is, apart from its tensors: its config, what was typed and chosen, its folder and its tracker."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlexp.records.tracker import Tracker


@dataclass(frozen=True)
class Context:
    """Passed down where a run is described, recorded or talked about."""

    config: dict[str, Any]  # resolved, plain data
    overrides: list[str]  # as typed
    choices: Mapping[str, str]  # option of each group
    folder: Path
    tracker: Tracker
