"""Binary cross entropy of labels, or of one score of two classes."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlexp.criteria.targets import at_least_float32, is_one_score, mean_over_kept, name_of, second_of_two, shape_of
from dlexp.errors import UserError


class BCE(nn.Module):
    """Mean binary cross entropy of logits N×labels against 0 or 1, or probabilities, of the same shape (float), or of
    one score N×1×… against class numbers 0 and 1 (int64 N×…), of which `IGNORED` counts nowhere: logistic regression.

    pos_weight: of the samples that have it, for each label; None: the same as of the others. Raises UserError where
    shapes differ, or there are not as many weights as labels.
    """

    gives_probabilities = True  # to pictures, which draw other outputs as scores
    pos_weight: Tensor | None

    def __init__(self, *, pos_weight: list[float] | None) -> None:
        super().__init__()
        weight = None if pos_weight is None else torch.tensor(pos_weight).float()
        self.register_buffer("pos_weight", weight, persistent=False)

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        truth = second_of_two(outputs, targets) if is_one_score(outputs, targets) else targets
        if outputs.shape != truth.shape or not truth.is_floating_point():
            raise UserError(
                f"criterion=bce wants a score and a 0 or 1 (float) for each label, but the model gives"
                f" {shape_of(outputs)} and the targets are {shape_of(targets)} of type {name_of(targets)}. It belongs"
                " to task=multi_label, and to task=classification of two classes and one score (model.num_outputs=1)."
            )
        if self.pos_weight is not None and len(self.pos_weight) != outputs.shape[1]:
            raise UserError(f"criterion.pos_weight lists {len(self.pos_weight)} weights for {outputs.shape[1]} labels")
        scores = at_least_float32(outputs)
        if truth is targets:
            return functional.binary_cross_entropy_with_logits(scores, truth, pos_weight=self.pos_weight)
        truth = truth.to(scores.dtype)
        each = functional.binary_cross_entropy_with_logits(scores, truth, pos_weight=self.pos_weight, reduction="none")
        return mean_over_kept(each, targets)
