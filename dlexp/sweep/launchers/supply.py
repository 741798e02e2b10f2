"""Jobs for a launcher that are not all known when it starts: what a search asks for while others run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from dlexp.config.composed import Composed

# What a launcher says that only starts jobs which are all known.
ALL_KNOWN = (
    "search=tpe and search.prune= choose while jobs run, and this launcher starts jobs that are known beforehand:"
    " launcher=local can; search=qmc search.prune=none goes with every launcher"
)


class Supply(Protocol):
    """Jobs that are not all known yet: a search proposes the next when a job may start, and ends those that lag.

    total: at most so many jobs come, with the num_done that are there before the first.
    """

    total: int
    num_done: int

    def more(self) -> Sequence[tuple[Composed, Path]]:
        """Returns the next jobs and their folders, asked when one may start and none waits; none: not now.

        When none is running either, none means the end.
        """

    def to_stop(self, running: Sequence[Path]) -> Mapping[Path, str]:
        """Returns which of the jobs that run shall save and end now, each with the reason in a sentence."""


class Trials(Supply, Protocol):
    """A supply for a stage, whose own jobs come first.

    added: the folders of the jobs that came besides, in their order.
    """

    added: list[Path]

    def opened(self, folder: Path, folders: Sequence[Path], todo: Sequence[tuple[Composed, Path]]) -> None:
        """Called before the first job: the ledger's folder, those of the stage's jobs, and what is to be done."""
