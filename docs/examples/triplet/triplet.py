"""Metric learning: an anchor lies nearer to its own kind than to a stranger (Schroff et al. 2015, arXiv:1503.03832).

cd docs/examples/triplet
python -m dlexp --config-dir conf allow=triplet task=triplet data=triplets model=embedding optimizer=adam
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlexp.batch import Batch
from dlexp.data.splits import Split, Splits, drawn_twice
from dlexp.metric import Metric
from dlexp.tasks.task import Task


def triplets(*, count: int, kinds: int, noise: float, data_seed: int) -> Splits:
    """Returns points around a centre for each kind: two of one kind, one of another."""
    centres = torch.randn(kinds, 8, generator=torch.Generator().manual_seed(data_seed))

    def draw(generator: torch.Generator) -> Split:
        own = torch.randint(kinds, (count,), generator=generator)
        other = (own + torch.randint(1, kinds, (count,), generator=generator)) % kinds
        points = [centres[each] + noise * torch.randn(count, 8, generator=generator) for each in (own, own, other)]
        return Split(anchor=points[0], positive=points[1], negative=points[2])

    return drawn_twice(draw, data_seed + 1)


class Embedding(nn.Module):
    """Embeds all three."""

    def __init__(self, *, num_inputs: int, num_outputs: int, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(num_inputs, width), nn.ReLU(), nn.Linear(width, num_outputs))

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Takes the fields of the data by their names."""
        return self.net(anchor), self.net(positive), self.net(negative)


class Triplet(Task):
    """Measures how often the nearer one is of the same kind."""

    metric = "ordered"
    metrics = {"ordered": Metric(unit="%", higher_is_better=True)}

    def __init__(self, *, margin: float, targets: str) -> None:
        super().__init__()
        self.margin, self.targets = margin, targets

    def loss(self, outputs: tuple[Tensor, ...], batch: Batch) -> Tensor:
        """Returns by how much a stranger is not farther off than the margin."""
        return functional.triplet_margin_loss(*outputs, margin=self.margin)

    def measure(self, outputs: tuple[Tensor, ...], batch: Batch) -> dict[str, Tensor]:
        """Counts the triplets in the right order."""
        anchor, positive, negative = outputs
        return {"ordered": ((anchor - positive).norm(dim=1) < (anchor - negative).norm(dim=1)).sum()}
