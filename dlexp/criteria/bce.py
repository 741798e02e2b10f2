"""Binary cross entropy of labels."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlexp.criteria.targets import at_least_float32, name_of, shape_of
from dlexp.errors import UserError


class BCE(nn.Module):
    """Mean binary cross entropy of logits N×labels against 0 or 1, or probabilities, of the same shape (float).

    pos_weight: of the samples that have it, for each label; None: the same as of the others. Raises UserError where
    shapes differ, or there are not as many weights as labels.
    """

    pos_weight: Tensor | None

    def __init__(self, *, pos_weight: list[float] | None) -> None:
        super().__init__()
        weight = None if pos_weight is None else torch.tensor(pos_weight).float()
        self.register_buffer("pos_weight", weight, persistent=False)

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if outputs.shape != targets.shape or not targets.is_floating_point():
            raise UserError(
                f"criterion=bce wants a score and a 0 or 1 (float) for each label, but the model gives"
                f" {shape_of(outputs)} and the targets are {shape_of(targets)} of type {name_of(targets)}. It belongs"
                " to task=multi_label; task=classification wants criterion=cross_entropy."
            )
        if self.pos_weight is not None and len(self.pos_weight) != outputs.shape[1]:
            raise UserError(f"criterion.pos_weight lists {len(self.pos_weight)} weights for {outputs.shape[1]} labels")
        return functional.binary_cross_entropy_with_logits(
            at_least_float32(outputs), targets, pos_weight=self.pos_weight
        )
