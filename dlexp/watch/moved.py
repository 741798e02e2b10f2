"""How far the weights have moved from where they began: early layers that learn nothing stay."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor, nn

from dlexp.watch.watcher import View, Watcher

log = logging.getLogger(__name__)


class MovedWeights(Watcher):
    """Logs after each epoch, and at the end of the chosen weights, how far each parameter with two or more axes is from
    its first values: the norm of the difference as a part of the norm that these have.

    First are those with which the training begins, from `init_from` too, or with which it goes on where this was added
    then. Values that were all 0 have no such part.
    """

    def __init__(self) -> None:
        self.first = dict[str, Tensor]()

    def hold_to(self, model: nn.Module, metrics: Collection[str]) -> None:
        matrices = _matrices(model)
        if not self.first and not any(each.is_meta for each in matrices.values()):  # of a run that goes on: its state's
            self.first = {name: each.detach().clone() for name, each in matrices.items() if bool(each.any())}

    def epoch(self, view: View, metrics: Mapping[str, float]) -> None:
        """Logs the parts."""
        self._log(view)

    def end(self, view: View, metrics: Mapping[str, float]) -> None:
        """Logs those of the chosen weights, and tells the first layer's and the last one's."""
        if parts := list(self._log(view).items()):
            told = ", ".join(f"{name} {part:.2g}" for name, part in dict((parts[0], parts[-1])).items())
            log.info(f"moved from where they began, as a part of their norm there: {told}")

    def _log(self, view: View) -> dict[str, float]:
        now, parts = _matrices(view.averaged), dict[str, float]()
        for name, first in self.first.items():
            before = first.to(now[name].device)
            parts[name] = float((now[name].detach() - before).norm() / before.norm())
            view.log(name, parts[name])
        return parts

    def state_dict(self) -> dict[str, Any]:
        return {"first": self.first}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.first = state["first"]


def _matrices(model: nn.Module) -> dict[str, Tensor]:
    return {name: each for name, each in model.named_parameters() if each.ndim > 1}
