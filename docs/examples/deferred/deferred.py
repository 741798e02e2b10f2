"""Deferred re-weighting (Cao et al. 2019, arXiv:1906.07413, section 3.3): rare classes weigh more, but not at first.

cd docs/examples/deferred
python -m dlexp --config-dir conf allow=deferred criterion=deferred model=cnn data=cifar10
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Deferred(nn.Module):
    """Cross entropy, at last with the inverse of how often each class was seen as its weight."""

    def __init__(self, *, num_outputs: int, begin: float) -> None:
        super().__init__()
        self.begin = begin
        self.register_buffer("seen", torch.ones(num_outputs))

    def forward(self, outputs: Tensor, targets: Tensor, moment) -> Tensor:
        """Asks for the moment by its parameter's name."""
        if self.training:
            self.seen.add_(functional.one_hot(targets, len(self.seen)).sum(0))
        rarity = self.seen.mean() / self.seen
        weight = torch.where(moment.progress < self.begin, torch.ones_like(rarity), rarity)
        return functional.cross_entropy(outputs, targets, weight)
