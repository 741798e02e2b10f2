"""Metrics of numbers: how far they are from the truth, all of them from sums in float64 where the device has it."""

import copy
import math

import torch
from torch import Tensor

from dlexp.batch import Batch
from dlexp.metric import Metric
from dlexp.metrics.measure import Measure, Sums, exact, ratio


def differences(outputs: Tensor, batch: Batch) -> Tensor:
    """Returns outputs - targets, a row a sample. Raises ValueError where N×1 against N would broadcast to N×N."""
    targets = batch["targets"]
    if outputs.shape != targets.shape:
        raise ValueError(f"outputs {tuple(outputs.shape)} and targets {tuple(targets.shape)} differ in shape")
    return exact(rows(outputs) - rows(targets))


def rows(values: Tensor) -> Tensor:
    """Returns values N×…, or N alone, as N×outputs."""
    return values.reshape(len(values), -1)


class MAE(Measure):
    """Mean absolute error, over samples and outputs."""

    facts = Metric(unit="", higher_is_better=False, title="mean absolute error")
    of = ("values",)

    def sums(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        return {"errors": differences(outputs, batch).abs().mean(dim=1).sum()}

    def conclude(self, sums: Sums, count: int) -> float:
        return float(sums["errors"]) / count


class MSE(Measure):
    """Mean squared error, over samples and outputs."""

    facts = Metric(unit="", higher_is_better=False, title="mean squared error")
    of = ("values",)

    def sums(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        return {"squares": differences(outputs, batch).square().mean(dim=1).sum()}

    def conclude(self, sums: Sums, count: int) -> float:
        return float(sums["squares"]) / count


class RMSE(MSE):
    """The root of the mean squared error."""

    facts = Metric(unit="", higher_is_better=False, title="root mean squared error")

    def conclude(self, sums: Sums, count: int) -> float:
        return math.sqrt(super().conclude(sums, count))


class R2(Measure):
    """1 - (squared errors / squared distance from the mean), the mean over outputs.

    An output that never varies counts 1 where it is met exactly, else 0, as scikit-learn's r2_score has it.
    Targets are summed from a value of theirs on: of squares far from 0 no digit would be left for the spread.
    """

    facts = Metric(unit="", higher_is_better=True, title="coefficient of determination")
    of = ("values",)

    origin = torch.zeros(())

    def prepared(self, targets: Tensor) -> Measure:
        found = copy.copy(self)
        found.origin = exact(rows(targets)).median(dim=0).values
        return found

    def sums(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        targets = exact(rows(batch["targets"]))
        if self.origin.shape == targets.shape[1:]:
            targets = targets - self.origin
        return {
            "targets": targets.sum(dim=0),
            "products": targets.square().sum(dim=0),
            "squares": differences(outputs, batch).square().sum(dim=0),
        }

    def conclude(self, sums: Sums, count: int) -> float:
        mean = sums["targets"].double() / count
        squares = sums["squares"].double()
        # What the rounding of the difference may leave of a spread of 0.
        spread = sums["products"].double() - count * mean.square()
        varies = spread > 1e-12 * sums["products"].double()
        shares = (1 - ratio(squares, spread)).where(varies, (squares == 0).double())
        return float(shares.mean())
