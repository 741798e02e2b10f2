"""Metrics of right and wrong answers: accuracy, and what is counted class by class (or label by label)."""

from typing import Annotated

import torch
from torch import Tensor

from dlexp.batch import Batch
from dlexp.errors import UserError
from dlexp.metric import Metric
from dlexp.metrics.measure import Measure, Sums, classes_of, counted, is_kept, ratio
from dlexp.ranges import Choice, Range


class Accuracy(Measure):
    """Share of answers that are right; of probabilities, what they give the answers."""

    facts = Metric(unit="%", higher_is_better=True)
    of = ("classes",)

    def sums(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        targets = batch["targets"]
        kept = is_kept(targets[:, 0] if targets.is_floating_point() else targets)
        return {"right": right_answers(outputs, targets), "count": kept.sum()}

    def conclude(self, sums: Sums, count: int) -> float:
        return float(ratio(sums["right"], sums["count"]))


def right_answers(outputs: Tensor, targets: Tensor) -> Tensor:
    """Counts right answers (int64); of probabilities, what they give the answers (float32)."""
    answers = outputs.max(dim=1).indices  # as `argmax` has them, in half the time
    if targets.is_floating_point():
        return targets.gather(1, answers[:, None]).sum(dtype=torch.float32)
    return (answers == targets).count_nonzero()


class TopK(Measure):
    """Share of samples whose class is among the k likeliest answers; of equal scores the lower class counts first.

    Raises UserError where there are no more than k classes.
    """

    facts = Metric(unit="%", higher_is_better=True)
    of = ("classes",)

    def __init__(self, *, k: Annotated[int, Range(ge=1)]) -> None:
        self.k = k

    def sums(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        if self.k >= outputs.shape[1]:
            raise UserError(
                f"the right class is always among the {self.k} likeliest of {outputs.shape[1]}: top-k is 100 %"
            )
        targets = classes_of(batch["targets"])
        kept = is_kept(targets)
        classes = torch.where(kept, targets, 0).unsqueeze(1)
        scores, number = outputs.gather(1, classes), torch.arange(outputs.shape[1], device=outputs.device)
        number = number.view(-1, *[1] * (outputs.ndim - 2))
        ahead = (outputs > scores) | ((outputs == scores) & (number < classes))
        return {"right": ((ahead.sum(dim=1) < self.k) & kept).sum(), "count": kept.sum()}

    def conclude(self, sums: Sums, count: int) -> float:
        return float(ratio(sums["right"], sums["count"]))


class ByClass(Measure):
    """The mean over classes, or labels, of a share made of three counts: how often each is right, answered and true.

    A class that is never answered nor true is left out. A label is answered where its logit is above 0.
    """

    facts = Metric(unit="%", higher_is_better=True)
    of = ("classes", "labels")

    def sums(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        targets = batch["targets"]
        if targets.dtype == torch.bool:
            targets = targets.unsqueeze(-1)
            answered = outputs.unsqueeze(-1) > 0
            counts = {"right": answered & targets, "answered": answered, "true": targets}
            return {name: each.flatten(2).sum(dim=(0, -1)) for name, each in counts.items()}
        answers, targets, size = outputs.argmax(dim=1), classes_of(targets), outputs.shape[1]
        kept = is_kept(targets)
        return {
            "right": counted(answers, answers == targets, size),
            "answered": counted(answers, kept, size),
            "true": counted(targets, kept, size),
        }

    def conclude(self, sums: Sums, count: int) -> float:
        right, answered, true = sums["right"], sums["answered"], sums["true"]
        found = self.counts(answered, true)
        return float(self.shares(right, answered, true)[found].sum() / max(int(found.sum()), 1))

    def counts(self, answered: Tensor, true: Tensor) -> Tensor:
        """Returns which classes count, as bools."""
        return answered + true > 0

    def shares(self, right: Tensor, answered: Tensor, true: Tensor) -> Tensor:
        """Returns the share of each class."""
        raise NotImplementedError


class F1(ByClass):
    """Twice what is right over what is answered and what is true: F1, and the Dice coefficient of areas.

    average: the mean over classes (macro), or one share of the counts of all (micro).
    """

    def __init__(self, *, average: Annotated[str, Choice("macro", "micro")]) -> None:
        self.average = average

    def conclude(self, sums: Sums, count: int) -> float:
        if self.average == "micro":
            sums = {name: total.sum()[None] for name, total in sums.items()}
        return super().conclude(sums, count)

    def shares(self, right: Tensor, answered: Tensor, true: Tensor) -> Tensor:
        return ratio(2 * right, answered + true)


class Precision(ByClass):
    """The part of a class's answers that is right."""

    def shares(self, right: Tensor, answered: Tensor, true: Tensor) -> Tensor:
        return ratio(right, answered)


class Recall(ByClass):
    """The part of a class that is found; balanced accuracy where classes without samples are left out.

    of_true: whether only classes that have samples count.
    """

    def __init__(self, *, of_true: bool) -> None:
        self.of_true = of_true

    def counts(self, answered: Tensor, true: Tensor) -> Tensor:
        return true > 0 if self.of_true else super().counts(answered, true)

    def shares(self, right: Tensor, answered: Tensor, true: Tensor) -> Tensor:
        return ratio(right, true)


class IoU(ByClass):
    """Intersection over union: what is right over all that is answered or true (Jaccard)."""

    def shares(self, right: Tensor, answered: Tensor, true: Tensor) -> Tensor:
        return ratio(right, answered + true - right)


class SubsetAccuracy(Measure):
    """Share of samples of which every label is right."""

    facts = Metric(unit="%", higher_is_better=True)
    of = ("labels",)

    def sums(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        return {"right": ((outputs > 0) == batch["targets"]).flatten(1).all(dim=1).sum()}

    def conclude(self, sums: Sums, count: int) -> float:
        return float(sums["right"]) / count
