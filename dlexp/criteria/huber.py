"""The Huber loss."""

from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional

from dlexp.criteria.targets import as_numbers, at_least_float32, mean_over_kept
from dlexp.ranges import Range


class Huber(nn.Module):
    """Mean of d²/2 for differences d of outputs and targets up to delta, and delta · (|d| - delta/2) beyond, where few
    outliers pull less than with squares (Huber 1964).

    Outputs and targets as `MeanSquaredError` takes them. delta: in the unit that the loss sees, which is the targets'
    deviation where they are standardised. Raises UserError for other targets.
    """

    def __init__(self, *, delta: Annotated[float, Range(gt=0)]) -> None:
        super().__init__()
        self.delta = delta

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        outputs = at_least_float32(outputs)
        numbers = as_numbers("huber", outputs, targets)
        each = functional.huber_loss(outputs, numbers.to(outputs.dtype), reduction="none", delta=self.delta)
        return mean_over_kept(each, targets)
