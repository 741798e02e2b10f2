"""Whether a problem is solved: no answer is wrong. The mean over seeds is the share of trainings that solve it."""

from torch import Tensor

from dlexp.batch import Batch
from dlexp.metric import Metric
from dlexp.metrics.measure import Measure, Sums, classes_of, is_kept


class Solved(Measure):
    """1 where every answer is right, else 0; of probabilities the likeliest class is the right one."""

    facts = Metric(unit="%", higher_is_better=True)
    of = ("classes", "labels")

    def sums(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        targets = batch["targets"]
        if targets.shape == outputs.shape and not targets.is_floating_point():
            return {"wrong": ((outputs > 0) != targets).count_nonzero()}
        targets = classes_of(targets)
        return {"wrong": ((outputs.argmax(dim=1) != targets) & is_kept(targets)).count_nonzero()}

    def conclude(self, sums: Sums, count: int) -> float:
        return float(sums["wrong"] == 0)
