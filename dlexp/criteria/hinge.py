"""The hinge loss of one score of two classes, and of a score for each of several."""

from typing import Annotated

import torch
from torch import Tensor, nn

from dlexp.batch import IGNORED
from dlexp.criteria.targets import at_least_float32, is_one_score, mean_over_kept, sides, want_classes
from dlexp.ranges import Range


class Hinge(nn.Module):
    """Mean over samples of max(0, margin - y · score)^p, y being 1 for the second of two classes and -1 for the first,
    of one score N×1×…: the loss of a support vector machine (Cortes and Vapnik 1995).

    Of a score for each class, N×classes×…: mean over samples and classes of max(0, margin - right score + other
    score)^p. Targets N×… (int64), of which `IGNORED` counts nowhere.

    The multi-class hinge loss of Weston and Watkins 1999, divided by the number of classes as torch's
    MultiMarginLoss; written out because that one lacks bfloat16 and some devices. Raises UserError for other targets.
    """

    def __init__(self, *, margin: Annotated[float, Range(gt=0)], p: Annotated[int, Range(ge=1, le=2)]) -> None:
        super().__init__()
        self.margin = margin
        self.p = p

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        want_classes("hinge", outputs, targets)
        if is_one_score(outputs, targets):
            violations = (self.margin - sides("hinge", outputs, targets) * at_least_float32(outputs)).clamp_min(0)
            return mean_over_kept(violations**self.p, targets)
        kept = targets != IGNORED
        scores, right = at_least_float32(outputs), torch.where(kept, targets, 0).unsqueeze(1)
        violations = (self.margin - scores.gather(1, right) + scores).clamp_min(0) ** self.p
        each = violations.scatter(1, right, 0.0).mean(dim=1)
        return (each * kept).sum() / kept.sum().clamp_min(1)
