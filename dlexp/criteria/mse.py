"""Mean squared error."""

from torch import Tensor, nn
from torch.nn import functional

from dlexp.criteria.targets import at_least_float32, name_of, shape_of
from dlexp.errors import UserError


class MeanSquaredError(nn.Module):
    """Mean squared difference of outputs and targets, both N×outputs floats."""

    # nn.Module's own constructor takes any keyword, so the check of config keys would find nothing to object to.
    def __init__(self) -> None:
        super().__init__()

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if outputs.shape != targets.shape or not targets.is_floating_point():
            raise UserError(
                f"criterion=mse compares numbers of equal shape, but the model gives {shape_of(outputs)} and "
                f"the targets are {shape_of(targets)} of type {name_of(targets)}. "
                "It belongs to task=regression; task=classification wants criterion=cross_entropy."
            )
        return functional.mse_loss(at_least_float32(outputs), targets)
