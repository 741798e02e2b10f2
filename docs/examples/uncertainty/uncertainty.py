"""A criterion that learns how much each output counts (Kendall, Gal and Cipolla 2018, arXiv:1705.07115, section 3).

cd docs/examples/uncertainty
python -m dlexp --config-dir conf allow=uncertainty task=regression criterion=uncertainty data=fake
"""

import torch
from torch import Tensor, nn


class Uncertainty(nn.Module):
    """The likelihood of values around each output with a variance of its own, which is trained."""

    def __init__(self, *, num_outputs: int) -> None:
        super().__init__()
        self.log_variances = nn.Parameter(torch.zeros(num_outputs))

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        errors = (outputs - targets).square()
        return (errors * (-self.log_variances).exp() + self.log_variances).mean() / 2
