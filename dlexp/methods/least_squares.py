"""Linear least squares: the weights at which the mean squared error is smallest, in closed form."""

from typing import Annotated

import torch
from torch import nn

from dlexp.batch import IGNORED, Batch
from dlexp.criteria.mse import MeanSquaredError
from dlexp.criteria.targets import as_numbers
from dlexp.errors import UserError
from dlexp.methods.solver import Solver, linear_problem
from dlexp.ranges import Range
from dlexp.tasks.task import Task


class LeastSquares(Solver):
    """Minimises what `criterion=mse` and an optimizer descend: mean squared error + weight_decay / 2 · ‖(W, b)‖².

    By a complete orthogonal factorisation of the samples themselves in float64 (LAPACK's gelsy: Golub and Van Loan,
    Matrix Computations, section 5.5), and not of their products, whose condition is the square. Where features depend
    on each other, the smallest of all solutions. Any regression, and classes as `criterion=mse` has them.
    """

    def __init__(self, *, weight_decay: Annotated[float, Range(ge=0)]) -> None:
        super().__init__()
        self.weight_decay = weight_decay

    def solve(self, task: Task, model: nn.Module, batch: Batch) -> None:
        layer, x, targets = linear_problem("least_squares", task, model, batch)
        if not isinstance(task.criterion, MeanSquaredError | nn.MSELoss):
            raise UserError(f"method=least_squares minimises criterion=mse, not {type(task.criterion).__name__}")
        y = as_numbers("mse", x.new_empty(len(x), layer.out_features), targets)
        if not targets.is_floating_point():
            x, y = x[targets != IGNORED], y[targets != IGNORED]
        a = x if layer.bias is None else torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
        if self.weight_decay:
            # The sum of squares is that many times their mean, so the penalty grows alike: as rows of its own.
            size = (self.weight_decay * y.numel() / 2) ** 0.5
            a = torch.cat([a, size * torch.eye(a.shape[1], dtype=a.dtype)])
            y = torch.cat([y, y.new_zeros(a.shape[1], y.shape[1])])
        found = torch.linalg.lstsq(a, y, driver="gelsy").solution
        layer.weight.copy_(found[: layer.in_features].T)
        if layer.bias is not None:
            layer.bias.copy_(found[-1])
