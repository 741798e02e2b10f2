"""The Dice loss of areas, alone or with cross entropy."""

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlexp.batch import IGNORED
from dlexp.criteria.targets import at_least_float32, want_classes
from dlexp.ranges import Range


class Dice(nn.Module):
    """1 - the Dice coefficient of logits N×classes×… and class numbers N×… (int64), of which `IGNORED` counts nowhere.

    The coefficient of Milletari et al. (arXiv 1606.04797, §3), of each class over the whole batch, averaged over those
    that the batch has. cross_entropy: how much of the mean cross entropy is added.
    """

    gives_probabilities = True  # to pictures, which draw other outputs as scores

    def __init__(self, *, cross_entropy: Annotated[float, Range(ge=0)]) -> None:
        super().__init__()
        self.cross_entropy = cross_entropy

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        want_classes("dice", outputs, targets)
        outputs, kept = at_least_float32(outputs), targets != IGNORED
        probabilities = outputs.softmax(dim=1) * kept.unsqueeze(1)
        truth = functional.one_hot(torch.where(kept, targets, 0), outputs.shape[1]).movedim(-1, 1) * kept.unsqueeze(1)
        over = [axis for axis in range(outputs.ndim) if axis != 1]
        both, sizes = (probabilities * truth).sum(over), truth.sum(over)
        squares = probabilities.square().sum(over) + sizes
        has = sizes > 0
        shares = torch.where(has, 2 * both / torch.where(has, squares, 1), 0)
        loss = 1 - shares.sum() / has.sum().clamp_min(1)
        if not self.cross_entropy:
            return loss
        total = functional.cross_entropy(outputs, targets, reduction="sum")
        return loss + self.cross_entropy * total / kept.sum().clamp_min(1)
