"""How large the gradients are, of each layer: where a signal dies on its way back shows here."""

import torch

from dlexp.watch.watcher import View, Watcher


class GradientNorms(Watcher):
    """Logs the norm of each parameter's gradient with two or more axes, and of all together as `all`.

    Of a step that is logged, the figures are that step's.
    """

    def before_update(self, view: View) -> None:
        """Logs the norms."""
        norms = {name: each.grad.norm() for name, each in view.model.named_parameters() if each.grad is not None}
        for name, norm in norms.items():
            if view.model.get_parameter(name).ndim > 1:
                view.log(name, norm)
        if norms:
            view.log("all", torch.stack(list(norms.values())).norm())
