"""How large the gradients are, of each layer: where a signal dies on its way back shows here."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dlexp.watch.watcher import View, Watcher

log = logging.getLogger(__name__)


class GradientNorms(Watcher):
    """Logs the norm of each parameter's gradient with two or more axes, and of all together as `all`; tells the first
    layer's and the last one's of the last step at the end.

    Of a step that is logged, the figures are that step's.
    """

    def __init__(self) -> None:
        self.last = dict[str, Tensor]()

    def before_update(self, view: View) -> None:
        """Logs the norms."""
        norms = {name: each.grad.norm() for name, each in view.model.named_parameters() if each.grad is not None}
        self.last = {name: norm for name, norm in norms.items() if view.model.get_parameter(name).ndim > 1}
        for name, norm in self.last.items():
            view.log(name, norm)
        if norms:
            view.log("all", torch.stack(list(norms.values())).norm())

    def end(self, view: View, metrics: Mapping[str, float]) -> None:
        """Tells how large the last ones were."""
        if ends := list(self.last.items()):
            told = ", ".join(f"{name} {float(norm):.2g}" for name, norm in dict((ends[0], ends[-1])).items())
            log.info(f"norm of the gradient in the last step: {told}")

    def state_dict(self) -> dict[str, Any]:
        return {"last": self.last}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.last = state.get("last", {})  # a state of before kept none
