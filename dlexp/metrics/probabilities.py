"""Metrics of the probabilities behind the answers: how likely the truth was held to be, and how honest they are."""

import math
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from dlexp.batch import Batch
from dlexp.metric import Metric
from dlexp.metrics.measure import Measure, Sums, classes_of, exact, is_kept, ratio
from dlexp.ranges import Range


class NLL(Measure):
    """Mean negative log likelihood of the true classes, in nats: without smoothing or weights, whatever the loss is."""

    facts = Metric(unit="", higher_is_better=False, title="negative log likelihood")
    of = ("classes",)
    of_probabilities = True

    def sums(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        targets = batch["targets"]
        each = functional.cross_entropy(outputs, targets, reduction="none")
        return {"nll": exact(each).sum(), "count": is_kept(classes_of(targets)).sum()}

    def conclude(self, sums: Sums, count: int) -> float:
        return float(ratio(sums["nll"], sums["count"]))


class Perplexity(NLL):
    """The exponential of the mean negative log likelihood of a token: among how many it is as good as guessed."""

    facts = Metric(unit="", higher_is_better=False)

    def conclude(self, sums: Sums, count: int) -> float:
        return math.exp(min(super().conclude(sums, count), 700.0))  # above it a float is infinite


class Brier(Measure):
    """Mean squared distance of the probabilities from the truth, summed over classes (Brier 1950): from 0 to 2."""

    facts = Metric(unit="", higher_is_better=False, title="Brier score")
    of = ("classes",)
    of_probabilities = True

    def sums(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        targets, probabilities = classes_of(batch["targets"]), outputs.softmax(dim=1)
        kept = is_kept(targets)
        of_truth = probabilities.gather(1, torch.where(kept, targets, 0).unsqueeze(1)).squeeze(1)
        each = probabilities.square().sum(dim=1) - 2 * of_truth + 1
        return {"distance": exact(torch.where(kept, each, 0)).sum(), "count": kept.sum()}

    def conclude(self, sums: Sums, count: int) -> float:
        return float(ratio(sums["distance"], sums["count"]))


class CalibrationError(Measure):
    """Expected calibration error (Guo et al., arXiv 1706.04599, eq. 5): accuracy's distance from confidence.

    Answers fall into `bins` of equal width by their confidence, each open below and closed above.
    """

    facts = Metric(unit="%", higher_is_better=False, title="expected calibration error")
    of = ("classes",)
    of_probabilities = True

    def __init__(self, *, bins: Annotated[int, Range(ge=1)]) -> None:
        self.bins = bins

    def sums(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        targets = classes_of(batch["targets"])
        confidences, answers = outputs.softmax(dim=1).max(dim=1)
        kept = is_kept(targets)
        bins = ((confidences * self.bins).ceil().long() - 1).clamp(0, self.bins - 1)
        places = torch.where(kept, bins, self.bins).flatten()

        def by_bin(values: Tensor) -> Tensor:
            empty = torch.zeros(self.bins + 1, dtype=values.dtype, device=values.device)
            return empty.scatter_add_(0, places, values.flatten())[: self.bins]

        return {
            "confidence": by_bin(exact(confidences)),
            "right": by_bin((answers == targets).long()),
            "count": by_bin(torch.ones_like(targets)),
        }

    def conclude(self, sums: Sums, count: int) -> float:
        gaps = (sums["right"].double() - sums["confidence"].double()).abs().sum()
        return float(ratio(gaps, sums["count"].sum()))
