"""Mean squared error."""

from torch import Tensor, nn
from torch.nn import functional

from dlexp.criteria.targets import as_numbers, at_least_float32, mean_over_kept


class MeanSquaredError(nn.Module):
    """Mean squared difference of outputs N×outputs×… from values (float) of the same shape, or from classes (int64
    N×…): 1 for the class and 0 for all others; of one score N×1×… 1 for the second class and -1 for the first.

    Raises UserError for other targets.
    """

    # nn.Module's own constructor takes any keyword, so the check of config keys would find nothing to object to.
    def __init__(self) -> None:
        super().__init__()

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        numbers, outputs = as_numbers("mse", outputs, targets), at_least_float32(outputs)
        if numbers is targets:
            return functional.mse_loss(outputs, targets)
        return mean_over_kept((outputs - numbers).square(), targets)
