"""A physics-informed net (Raissi et al. 2019, J. Comput. Phys. 378): u'' = -4 sin(2x) on [0, π], u(0) = u(π) = 0.

cd docs/examples/pinn && python -m dlexp --config-dir conf allow=pinn experiment=pinn
"""

import math

import torch
from torch import Tensor

from dlexp.data.splits import Split, Splits
from dlexp.metric import Metric
from dlexp.tasks.task import Task


def interval(*, num_points: int, data_seed: int) -> Splits:
    """Returns points of the interval; their targets, the solution sin(2x), are only measured against."""
    generator = torch.Generator().manual_seed(data_seed)
    points = math.pi * torch.rand(num_points, 1, generator=generator)
    grid = torch.linspace(0, math.pi, 101)[:, None]
    return Splits(train=Split(points, torch.sin(2 * points)), test=Split(grid, torch.sin(2 * grid)))


class Residual(Task):
    """The equation holds at each point, and the solution is 0 at both ends."""

    metric, targets = "mae", "values"
    metrics = {"mae": Metric(unit="", higher_is_better=False, title="distance to the solution")}

    def forward(self, model, batch) -> tuple[Tensor, Tensor, Tensor]:
        """Returns u, what is left of the equation, and u at both ends; derivatives are wanted in evaluation too."""
        with torch.enable_grad():
            x = batch["inputs"].detach().requires_grad_()
            u = model(x)
            (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
            (bend,) = torch.autograd.grad(slope.sum(), x, create_graph=True)
        ends = model(torch.tensor([[0.0], [math.pi]], device=x.device))
        return u, bend + 4 * torch.sin(2 * x), ends

    def loss(self, outputs, batch) -> Tensor:
        """Returns the mean squares of both."""
        _, left, ends = outputs
        return left.square().mean() + 10 * ends.square().mean()

    def measure(self, outputs, batch) -> dict[str, Tensor]:
        """Returns the sum of the distances to the solution."""
        return {"mae": (outputs[0] - batch["targets"]).abs().sum()}
