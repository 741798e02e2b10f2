"""What a run leaves in memory."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlexp.records import run_json

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """Final metrics, the records of all epochs, the run folder, and the value that sweeps compare."""

    metrics: dict[str, float]
    history: list[dict[str, Any]]
    folder: Path
    objective: float | None


def read_result(folder: Path, entry: Mapping[str, Any]) -> Result:
    """Returns what a finished run reached, from its files."""
    metrics = entry["metrics"]
    return Result(metrics, run_json.read_epochs(folder), folder, objective_of(metrics))


def objective_of(metrics: Mapping[str, float]) -> float | None:
    """Returns the validation value that sweeps compare: the accuracy where there is one, else the loss."""
    return next((metrics[key] for key in ("val/accuracy", "val/loss") if key in metrics), None)
