"""The multi-class hinge loss."""

from typing import Annotated

import torch
from torch import Tensor, nn

from dlexp.batch import IGNORED
from dlexp.criteria.targets import at_least_float32, want_classes
from dlexp.ranges import Range


class Hinge(nn.Module):
    """Mean over samples and classes of max(0, margin - right score + other score)^p, scores N×classes×…,
    targets N×… (int64), of which `IGNORED` counts nowhere.

    The multi-class hinge loss of Weston and Watkins 1999, divided by the number of classes as torch's
    MultiMarginLoss; written out because that one lacks bfloat16 and some devices.
    """

    def __init__(self, *, margin: Annotated[float, Range(gt=0)], p: Annotated[int, Range(ge=1, le=2)]) -> None:
        super().__init__()
        self.margin = margin
        self.p = p

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        want_classes("hinge", outputs, targets)
        kept = targets != IGNORED
        scores, right = at_least_float32(outputs), torch.where(kept, targets, 0).unsqueeze(1)
        violations = (self.margin - scores.gather(1, right) + scores).clamp_min(0) ** self.p
        each = violations.scatter(1, right, 0.0).mean(dim=1)
        return (each * kept).sum() / kept.sum().clamp_min(1)
