"""Runs as a report sees them: what stands in their folders, read as data and without torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dlexp.metric import Metric


@dataclass(frozen=True)
class Run:
    """A run folder that could be read.

    status: of its record; `died` where it says running and no process holds the folder. settings: the resolved config,
    flat (`optimizer.lr`), and the option of each group by the group's name (`optimizer`).
    metrics: the final ones, shares between 0 and 1. measures: unit and direction of each metric.
    """

    folder: Path
    name: str
    status: str
    settings: dict[str, Any]
    words: list[str]
    seed: int
    cell: str | None
    metrics: dict[str, float | None]
    metric: str | None
    measures: dict[str, Metric]
    chosen_epoch: int | None
    seconds: float | None
    parameters: int | None
    started: str
    error: str | None
    entry: dict[str, Any]

    @cached_property
    def epochs(self) -> list[dict[str, Any]]:
        """The line of each epoch in its metrics file; read when it is first asked for."""
        raise NotImplementedError

    @property
    def is_finished(self) -> bool:
        """Whether it came to its end."""
        return self.status == "finished"

    @property
    def is_diverged(self) -> bool:
        """Whether a loss of it is no number any more: it is counted, and never enters a mean."""
        raise NotImplementedError


@dataclass(frozen=True)
class Trouble:
    """A folder that is left out, and why, in words that follow its name."""

    folder: Path
    reason: str


def read_runs(folders: Sequence[Path]) -> tuple[list[Run], list[Trouble]]:
    """Returns the runs in folders of runs, of sweeps, of comparisons, and in folders of those, by path.

    Raises:
        UserError: a folder is not there, or no run lies in any of them.
    """
    raise NotImplementedError
