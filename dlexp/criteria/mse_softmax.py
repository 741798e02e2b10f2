"""Mean squared error of probabilities."""

from torch import Tensor, nn

from dlexp.criteria.targets import (
    are_probabilities,
    as_numbers,
    at_least_float32,
    is_one_score,
    mean_over_kept,
    second_of_two,
    want_classes,
)


class SoftmaxError(nn.Module):
    """Mean squared difference of the softmax of logits N×classes×… from 1 for the class and 0 for all others, over
    samples and classes; of one score N×1×… that of its sigmoid from 1 for the second class and 0 for the first.

    Targets are class numbers (int64 N×…), of which `IGNORED` counts nowhere, or probabilities N×classes (float).
    Raises UserError for others.
    """

    gives_probabilities = True  # to pictures, which draw other outputs as scores

    # nn.Module's own constructor takes any keyword, so the check of config keys would find nothing to object to.
    def __init__(self) -> None:
        super().__init__()

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        scores = at_least_float32(outputs)
        if is_one_score(outputs, targets):
            return mean_over_kept((scores.sigmoid() - second_of_two(scores, targets)).square(), targets)
        if not are_probabilities(outputs, targets):
            want_classes("mse_softmax", outputs, targets)
        return mean_over_kept((scores.softmax(dim=1) - as_numbers("mse_softmax", scores, targets)).square(), targets)
