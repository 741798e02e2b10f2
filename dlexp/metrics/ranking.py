"""Metrics of the order in which scores put the samples, from counts of the scores in fixed bins."""

import math
from typing import Annotated

import torch
from torch import Tensor

from dlexp.batch import Batch
from dlexp.metric import Metric
from dlexp.metrics.measure import Measure, Sums, classes_of, exact, is_kept, ratio
from dlexp.ranges import Range

# A score of 1 / FINE is where bins begin to grow; beyond LARGEST all are ties.
FINE, LARGEST = 100.0, 1e4


class Ranking(Measure):
    """The mean over classes (one against the rest) or labels of what their samples' and the others' scores give.

    Scores are log-odds, in which probabilities near 1 lie as far apart as others do. They fall into `bins` that are
    equally wide below 1 / `FINE` and grow with the score from there on, those of one bin being ties: with 10,000
    the value is within 1e-3 of the exact one. Classes without samples, or without others, are left out.
    """

    facts = Metric(unit="%", higher_is_better=True)
    of = ("classes", "labels")

    def __init__(self, *, bins: Annotated[int, Range(ge=2, le=100_000)]) -> None:
        self.bins = bins

    def sums(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        targets = batch["targets"]
        if targets.dtype == torch.bool:
            odds, is_true, kept = outputs, targets, torch.ones_like(targets)
        else:
            targets, logs = classes_of(targets), exact(outputs).log_softmax(dim=1)
            odds = logs - torch.log(-torch.expm1(logs.clamp(max=-1e-16)))
            number = torch.arange(outputs.shape[1], device=outputs.device).view(-1, *[1] * (outputs.ndim - 2))
            is_true, kept = targets.unsqueeze(1) == number, is_kept(targets).unsqueeze(1).expand(outputs.shape)
        places = ((1 + (FINE * odds).asinh() / math.asinh(FINE * LARGEST)) / 2 * self.bins).long()
        places = places.clamp(0, self.bins - 1)
        size = outputs.shape[1]
        row = torch.arange(size, device=outputs.device).view(-1, *[1] * (outputs.ndim - 2))
        cells = torch.where(kept, (row * 2 + is_true) * self.bins + places, 2 * size * self.bins).flatten()
        counts = torch.zeros(2 * size * self.bins + 1, dtype=torch.int64, device=outputs.device)
        counts = counts.scatter_add_(0, cells, torch.ones_like(cells))[:-1].view(size, 2, self.bins)
        return {"others": counts[:, 0], "own": counts[:, 1]}

    def conclude(self, sums: Sums, count: int) -> float:
        own, others = sums["own"], sums["others"]
        found = (own.sum(dim=1) > 0) & (others.sum(dim=1) > 0)
        return float(self.shares(own[found], others[found]).mean()) if found.any() else self.of_nothing

    of_nothing = 0.5
    """What is said where no class has both samples and others."""

    def shares(self, own: Tensor, others: Tensor) -> Tensor:
        """Returns the value of each class from its counts classes×bins, the lowest scores first."""
        raise NotImplementedError


class AUC(Ranking):
    """Area under the ROC curve: how probably one of a class has a higher score for it than another (ties half)."""

    facts = Metric(unit="%", higher_is_better=True, title="area under the ROC curve")

    def shares(self, own: Tensor, others: Tensor) -> Tensor:
        below = others.cumsum(dim=1) - others
        pairs = own.sum(dim=1) * others.sum(dim=1)
        return ratio((own.double() * (below.double() + others.double() / 2)).sum(dim=1), pairs)


class AveragePrecision(Ranking):
    """Mean average precision: the precision at each threshold, weighted by the recall that it adds."""

    facts = Metric(unit="%", higher_is_better=True, title="mean average precision")
    of_nothing = 0.0

    def shares(self, own: Tensor, others: Tensor) -> Tensor:
        hits, shown = own.flip(1).cumsum(dim=1), (own + others).flip(1).cumsum(dim=1)
        return (ratio(hits, shown) * own.flip(1)).sum(dim=1) / own.sum(dim=1)
