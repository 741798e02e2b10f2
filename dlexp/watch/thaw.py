"""Layers that begin to train later: gradual unfreezing."""

import fnmatch
from collections.abc import Collection, Mapping
from typing import Annotated

from torch import nn

from dlexp.errors import UserError, listed
from dlexp.ranges import Range
from dlexp.watch.watcher import View, Watcher


class Thaw(Watcher):
    """Lets parameters train that `freeze=` left out, pattern after pattern (Howard and Ruder 2018, arXiv:1801.06146).

    patterns: one after the other, each `every` epochs after the one before.
    """

    def __init__(self, *, patterns: list[str], every: Annotated[int, Range(ge=1)]) -> None:
        self.patterns, self.every = patterns, every

    def hold_to(self, model: nn.Module, metrics: Collection[str]) -> None:
        names = [*dict(model.named_parameters()), *dict(model.named_buffers())]
        for pattern in self.patterns:
            if not fnmatch.filter(names, pattern):
                raise UserError(f"watch.thaw.patterns: {pattern} matches none of the parameters: {listed(names, 9)}")

    def epoch(self, view: View, metrics: Mapping[str, float]) -> None:
        """Thaws what is due."""
        due, left = divmod(view.epoch, self.every)
        if not left and 0 < due <= len(self.patterns):
            view.freeze([self.patterns[due - 1]], frozen=False)
