"""Addition modulo a prime, learnt by heart long before it is understood (Power et al. 2022, arXiv:2201.02177).

cd docs/examples/grokking
python -m dlexp --config-dir conf allow=grokking experiment=grokking
"""

from itertools import pairwise

import torch
from torch import Tensor

from dlexp.data.splits import Split, Splits
from dlexp.models.transformer import Transformer


def addition(*, modulus: int, part: float, data_seed: int) -> Splits:
    """Returns all pairs of numbers and their sums, a part of them for training, half of the others to choose by."""
    pairs = torch.cartesian_prod(torch.arange(modulus), torch.arange(modulus))
    pairs = pairs[torch.randperm(len(pairs), generator=torch.Generator().manual_seed(data_seed))]
    count = round(part * len(pairs))
    ends = pairwise([0, count, (count + len(pairs)) // 2, len(pairs)])
    train, val, test = (Split(each, each.sum(1) % modulus) for each in (pairs[start:end] for start, end in ends))
    return Splits(train=train, val=val, test=test)


class Answering(Transformer):
    """Answers once, after the last token."""

    def forward(self, tokens: Tensor) -> Tensor:
        return super().forward(tokens)[:, -1]
