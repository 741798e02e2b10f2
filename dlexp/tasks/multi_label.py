"""Which of several labels apply: F1, and how often each label is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor

from dlexp.batch import Batch
from dlexp.metric import Metric
from dlexp.metrics.classes import F1, SubsetAccuracy
from dlexp.metrics.measure import Measure
from dlexp.ranges import Choice, Range
from dlexp.tasks.classes import names_of
from dlexp.tasks.task import Task, shape_in_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dlexp.data.splits import Split


class MultiLabel(Task):
    """Any number of labels a sample: outputs are logits N×labels, targets 0 or 1 (float32) of the same shape.

    A label is answered where its logit is above 0. Raises UserError where there are not as many names as labels.
    """

    metric = "macro_f1"
    own: Mapping[str, Measure] = {
        "macro_f1": F1(average="macro"),
        "micro_f1": F1(average="micro"),
        "subset_accuracy": SubsetAccuracy(),
    }
    metrics: Mapping[str, Metric] = {name: each.facts for name, each in own.items()}

    def __init__(
        self,
        *,
        class_names: list[str] | None,
        num_outputs: Annotated[int, Range(ge=1)],
        targets: Annotated[str, Choice("labels")],
    ) -> None:
        super().__init__()
        self.class_names = names_of(class_names, num_outputs, "labels")
        self.targets = targets

    def misfit(self, outputs: Any, batch: Batch) -> str | None:
        """Returns what is wrong with outputs that are not N×labels."""
        if isinstance(outputs, Tensor) and outputs.shape == batch["targets"].shape:
            return None
        return f"{shape_in_words(outputs)}, but data.num_outputs asks for N×{len(self.class_names)}"

    def judged(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Batch]:
        """Returns the batch with its targets as bools; of mixed ones, those above a half."""
        return outputs, {**batch, "targets": batch["targets"] > 0.5}

    def summary(self, outputs: Tensor, split: Split) -> dict[str, Any]:
        """Returns precision, recall and F1 of each label by name, None where the split has no sample of it."""
        counts = _counts(outputs, split).tolist()
        return {
            "per_label": {
                name: {"precision": right / max(shown, 1), "recall": right / there, "f1": 2 * right / (shown + there)}
                if there
                else None
                for name, right, shown, there in zip(self.class_names, *counts, strict=True)
            }
        }

    def figures(self, outputs: Tensor, split: Split, predict: Callable[[Batch], Any]) -> dict[str, Figure]:
        """Returns a picture of F1 by label."""
        from dlexp import pictures

        return {"per_label_f1": pictures.per_label_f1(_counts(outputs, split), self.class_names)}


def _counts(outputs: Tensor, split: Split) -> Tensor:
    """Returns 3×labels (int64): how often each label is answered rightly, is answered, and is there."""
    answered, true = outputs > 0, split.targets > 0.5
    return torch.stack([each.sum(dim=0) for each in (answered & true, answered, true)])
