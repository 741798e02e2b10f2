"""What a run leaves in memory."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlexp.records.metrics import read_epochs


@dataclass(frozen=True, repr=False)
class Result:
    """Final metrics, the records of all epochs, the run folder, and the value that sweeps compare."""

    metrics: dict[str, float]
    history: list[dict[str, Any]]
    folder: Path
    objective: float | None

    def __repr__(self) -> str:
        """Returns what a person wants to see of it, in a line."""
        numbers = {**self.metrics, "objective": self.objective}
        told = ", ".join(f"{name} {value:.4g}" for name, value in numbers.items() if value is not None)
        return f"Result('{self.folder}': {len(self.history)} epochs{', ' * bool(told)}{told})"


def read_result(folder: Path, entry: Mapping[str, Any]) -> Result:
    """Returns what a finished run reached, from its files."""
    return Result(entry["metrics"], read_epochs(folder), folder, objective_of(entry))


def objective_of(entry: Mapping[str, Any]) -> float | None:
    """Returns the value that sweeps compare, of a run.json: of the metric that chose the epoch; None without one."""
    value: float | None = entry["metrics"].get(entry.get("metric"))
    return value


def loss_of(entry: Mapping[str, Any]) -> float:
    """Returns the loss in validation, by which runs of the same objective are told apart everywhere: the lower one is
    better, as shares of a few samples often tie; infinite without one.
    """
    value = entry["metrics"].get("val/loss")
    return math.inf if value is None or math.isnan(value) else float(value)
