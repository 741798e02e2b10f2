"""Cross entropy: torch's, which also refuses targets that belong to another task."""

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlexp.batch import IGNORED
from dlexp.criteria.targets import are_probabilities, at_least_float32, want_classes
from dlexp.errors import UserError
from dlexp.ranges import Range


class CrossEntropy(nn.Module):
    """Mean cross entropy of logits N×classes×… against class numbers N×… (int64), of which `IGNORED` counts nowhere, or
    of logits N×classes against probabilities (float), smoothed as by Szegedy et al. 2016, §7.

    weight: of each class, the mean being over weights; None: all the same. Raises UserError where they are not as many
    as classes.
    """

    gives_probabilities = True  # to pictures, which draw other outputs as scores
    weight: Tensor | None

    def __init__(self, *, label_smoothing: Annotated[float, Range(ge=0, lt=1)], weight: list[float] | None) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing
        if weight is None:
            self.weight = None  # no buffer, which a module looks for last of all
        else:
            self.register_buffer("weight", torch.tensor(weight).float(), persistent=False)

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if not are_probabilities(outputs, targets):
            want_classes("cross_entropy", outputs, targets)
        weight, outputs = self.weight, at_least_float32(outputs)
        if weight is not None and len(weight) != outputs.shape[1]:
            raise UserError(f"criterion.weight lists {len(weight)} weights for {outputs.shape[1]} classes")
        if targets.ndim == 1 or targets.is_floating_point():
            return functional.cross_entropy(outputs, targets, weight, label_smoothing=self.label_smoothing)
        # A batch may hold no pixel or token that counts, and torch's mean over none is no number.
        loss = functional.cross_entropy(outputs, targets, weight, reduction="sum", label_smoothing=self.label_smoothing)
        kept = targets != IGNORED
        total = kept.sum() if weight is None else (weight[torch.where(kept, targets, 0)] * kept).sum()
        return loss / torch.where(total == 0, 1, total)
