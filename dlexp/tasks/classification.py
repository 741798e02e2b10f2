"""Which of several classes is it: accuracy, confusion matrix, most confident mistakes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor

from dlexp.batch import Batch
from dlexp.errors import UserError
from dlexp.metric import Metric
from dlexp.ranges import Choice, Range
from dlexp.tasks.task import Task, shape_in_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dlexp.data.splits import Split


class Classification(Task):
    """One class a sample: outputs are logits N×classes, targets class numbers N (int64).

    While training, targets may also be probabilities N×classes (float), as augmentation by mixing makes them.
    Raises UserError where there are not as many class names as outputs. Without names the classes are numbered.
    """

    metric = "accuracy"
    metrics: Mapping[str, Metric] = {"accuracy": Metric(unit="%", higher_is_better=True)}

    def __init__(
        self,
        *,
        class_names: list[str] | None,
        num_outputs: Annotated[int, Range(ge=2)],
        targets: Annotated[str, Choice("classes")],
    ) -> None:
        super().__init__()
        if class_names is not None and len(class_names) != num_outputs:
            raise UserError(
                f"data.class_names lists {len(class_names)} names but data.num_outputs is {num_outputs}: "
                "give as many names as classes, or null."
            )
        self.class_names = list(map(str, range(num_outputs) if class_names is None else class_names))
        self.num_outputs = num_outputs
        self.targets = targets
        self.chance = {"loss": math.log(num_outputs), "accuracy": 1 / num_outputs}

    def misfit(self, outputs: Any, batch: Batch) -> str | None:
        """Returns what is wrong with outputs that are not N×classes."""
        if isinstance(outputs, Tensor) and outputs.shape == (len(batch["targets"]), self.num_outputs):
            return None
        return f"{shape_in_words(outputs)}, but data.num_outputs={self.num_outputs} asks for N×{self.num_outputs}"

    def measure(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Returns `accuracy`, the number of right answers; of probabilities, what they give the answers."""
        answers, targets = outputs.argmax(dim=1), batch["targets"]
        if targets.is_floating_point():
            return {"accuracy": targets.gather(1, answers[:, None]).sum(dtype=torch.float32)}
        return {"accuracy": (answers == targets).sum()}

    def summary(self, outputs: Tensor, split: Split) -> dict[str, Any]:
        """Returns each class's accuracy by name, None where the split has no sample of it."""
        counts = confusion(outputs, split.targets)
        right, totals = counts.diagonal().tolist(), counts.sum(dim=1).tolist()
        shares = [hits / total if total else None for hits, total in zip(right, totals, strict=True)]
        return {"per_class_accuracy": dict(zip(self.class_names, shares, strict=True))}

    def figures(self, outputs: Tensor, split: Split, predict: Callable[[Batch], Tensor]) -> dict[str, Figure]:
        """Returns pictures by file name: accuracies, confusion, of images the worst mistakes, of points the regions."""
        from dlexp import pictures

        inputs, targets = split.inputs, split.targets
        counts = confusion(outputs, targets)
        figures = {
            "per_class_accuracy": pictures.per_class_accuracy(counts, self.class_names),
            "confusion_matrix": pictures.confusion_matrix(counts, self.class_names),
        }
        if inputs.ndim == 4:
            confidences, predictions = outputs.float().softmax(dim=1).max(dim=1)
            figures["mistakes"] = pictures.mistakes(inputs, targets, predictions, confidences, self.class_names)
        if isinstance(inputs, Tensor) and inputs.ndim == 2 and inputs.shape[1] == 2:
            figures["decision_regions"] = pictures.decision_regions(
                lambda points: predict({split.first: points}), inputs, targets, self.class_names
            )
        return figures


def confusion(outputs: Tensor, targets: Tensor) -> Tensor:
    """Counts classes×classes (int64): row the true class, column the answer. Outputs are logits N×classes."""
    num_classes = outputs.shape[1]
    cells = targets * num_classes + outputs.argmax(dim=1)
    return torch.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)
