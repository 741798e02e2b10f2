"""Cross entropy: torch's, which also refuses targets that belong to another task."""

from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional

from dlexp.criteria.targets import are_probabilities, at_least_float32, want_classes
from dlexp.ranges import Range


class CrossEntropy(nn.Module):
    """Mean cross entropy of logits N×classes against class numbers N (int64) or probabilities N×classes (float),
    smoothed as by Szegedy et al. 2016, §7.
    """

    def __init__(self, *, label_smoothing: Annotated[float, Range(ge=0, lt=1)]) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if not are_probabilities(outputs, targets):
            want_classes("cross_entropy", outputs, targets)
        return functional.cross_entropy(at_least_float32(outputs), targets, label_smoothing=self.label_smoothing)
