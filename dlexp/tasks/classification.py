"""Which of several classes is it: accuracy, confusion matrix, most confident mistakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor, nn

from dlexp.batch import IGNORED, Batch, mapped
from dlexp.criteria.hinge import Hinge
from dlexp.data.class_counts import are_unbalanced
from dlexp.metric import Metric
from dlexp.metrics.classes import Accuracy, Recall, TopK, right_answers
from dlexp.metrics.measure import Measure
from dlexp.metrics.ranking import AUC
from dlexp.models.affine import line_of
from dlexp.models.auxiliary import Auxiliary
from dlexp.ranges import Choice, Range
from dlexp.tasks.classes import Classes, with_zero

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dlexp.data.splits import Split

# Among more classes than 20 the right one may well be near the top.
MANY_CLASSES, AUC_BINS = 21, 10_000


class Classification(Classes):
    """One class a sample, or one a place of it (see `Classes`).

    Of a model that returns one score of two classes, N×1×…, which some criteria ask for, all but the loss sees logits
    N×2×…, 0 and the score: the answer is the second class where the score is above 0.
    """

    metric = "accuracy"
    own: Mapping[str, Measure] = {"accuracy": Accuracy()}
    metrics: Mapping[str, Metric] = {"accuracy": Accuracy.facts}

    def __init__(
        self,
        *,
        class_names: list[str] | None,
        num_outputs: Annotated[int, Range(ge=2)],
        targets: Annotated[str, Choice("classes")],
        ignore_index: int | str | None,
    ) -> None:
        super().__init__(class_names=class_names, num_outputs=num_outputs, targets=targets, ignore_index=ignore_index)

    def forward(self, model: nn.Module, batch: Batch) -> Any:
        """Returns the logits, of one score 0 and the score; auxiliary ones alike."""
        outputs = super().forward(model, batch)
        is_one = self.one_score and isinstance(outputs, Tensor | Auxiliary)
        return mapped(with_zero, outputs) if is_one else outputs

    def measure(self, outputs: Any, batch: Batch) -> dict[str, Tensor]:
        """Returns the sums of `own`; where every sample counts, only how many answers are right: counting all, too,
        took 1 % of the time of MNIST's multi-layer perceptron.
        """
        if self.own is Classification.own and self.ignore_index is None and outputs.ndim == 2:
            return {"accuracy": right_answers(outputs, batch["targets"])}
        return super().measure(outputs, batch)

    def summary(self, outputs: Tensor, split: Split) -> dict[str, Any]:
        """Returns each class's accuracy by name, None where the split has no sample of it."""
        counts = confusion(outputs, self._answers(outputs, split))
        right, totals = counts.diagonal().tolist(), counts.sum(dim=1).tolist()
        shares = [hits / total if total else None for hits, total in zip(right, totals, strict=True)]
        return {"per_class_accuracy": dict(zip(self.class_names, shares, strict=True))}

    def last_look(self, outputs: Tensor, split: Split) -> Mapping[str, tuple[float, Metric]]:
        """Returns what says more than accuracy does of such classes; nothing where a person chose what is measured."""
        if self.chosen or "accuracy" not in self.metrics:
            return {}
        targets = self._answers(outputs, split)
        counts = targets[targets != IGNORED].bincount(minlength=self.num_outputs)
        last: dict[str, Measure] = {}
        if are_unbalanced(counts.tolist()):
            last["balanced_accuracy"] = Recall(of_true=True)
        if self.num_outputs == 2 and counts.all():
            last["auc"] = AUC(bins=AUC_BINS)
        if self.num_outputs >= MANY_CLASSES:
            last["top5"] = TopK(k=5)
        batch = {"targets": targets}
        return {name: (each.conclude(each.sums(outputs, batch), len(split)), each.facts) for name, each in last.items()}

    def coefficients(
        self, model: nn.Module, mean: Sequence[float] = (), std: Sequence[float] = ()
    ) -> dict[str, Any] | None:
        """Returns `{"w": [...], "b": ...}` of the border w·x + b = 0 between two classes, where the model is one linear
        layer of up to 16 features; above 0 the second one is answered. Of two scores it is their difference.

        With a hinge loss of one score also the `margin`: how far from the border, on each side, the loss begins, in the
        data's unit.
        """
        found = line_of(model, mean, std) if self.num_outputs == 2 else None
        if found is None:
            return None
        weight, bias = (each[-1] - each[0] if len(each) == 2 else each[0] for each in found)
        told: dict[str, Any] = {"w": weight.tolist(), "b": bias.item()}
        criterion = self.criterion
        if self.one_score and isinstance(criterion, Hinge) and weight.any():
            told["margin"] = criterion.margin / weight.norm().item()
        return told

    def line_figures(self, coefficients: Mapping[str, Any], trained: Split) -> dict[str, Figure]:
        """Returns the border between two classes of two features, with its normal vector's direction and its margin."""
        from dlexp import pictures

        inputs = trained.inputs
        if len(coefficients["w"]) != 2 or not isinstance(inputs, Tensor):
            return {}
        targets = self._answers(inputs, trained)
        line = pictures.separating_line(
            coefficients["w"],
            coefficients["b"],
            coefficients.get("margin"),
            inputs.reshape(len(targets), 2),
            targets,
            self.class_names,
            self.feature_names,
        )
        return {"separating_line": line}

    def figures(self, outputs: Tensor, split: Split, predict: Callable[[Batch], Tensor]) -> dict[str, Figure]:
        """Returns pictures by file name: accuracies, confusion, of images the worst mistakes, of points the regions
        and of two classes the output, of one number a sample the probabilities along it.
        """
        from dlexp import pictures

        inputs, targets = split.inputs, self._answers(outputs, split)
        counts = confusion(outputs, targets)
        figures = {
            "per_class_accuracy": pictures.per_class_accuracy(counts, self.class_names),
            "confusion_matrix": pictures.confusion_matrix(counts, self.class_names),
        }
        if targets.ndim > 1:
            return figures
        are_shares = self._gives_probabilities
        if inputs.ndim == 4:
            scores, images = outputs.float(), Shown(self, split)
            best, second = (scores.softmax(dim=1) if are_shares else scores).topk(2, dim=1).values.unbind(dim=1)
            sure, answers = best if are_shares else best - second, outputs.argmax(dim=1)
            figures["mistakes"] = pictures.mistakes(
                images, targets, answers, sure, self.class_names, are_shares=are_shares
            )
        if not isinstance(inputs, Tensor) or inputs.ndim != 2:
            return figures

        def ask(points: Tensor) -> Tensor:
            return predict({split.first: points})

        names = self.feature_names
        if inputs.shape[1] == 1:
            name = names[0] if names else "feature 1"
            along = pictures.class_shares(ask, inputs, targets, self.class_names, name, are_shares=are_shares)
            figures["class_shares" if are_shares else "class_scores"] = along
        if inputs.shape[1] == 2:
            asked = (ask, inputs, targets, self.class_names, names)
            figures["decision_regions"] = pictures.decision_regions(*asked, are_shares=are_shares)
            if self.num_outputs == 2:
                figures["output_plane"] = pictures.output_plane(*asked, are_shares=are_shares)
        return figures

    @property
    def _gives_probabilities(self) -> bool:
        """Whether the softmax of the logits is what the criterion takes for probabilities."""
        is_torchs = isinstance(self.criterion, nn.CrossEntropyLoss)
        return bool(getattr(self.criterion, "gives_probabilities", is_torchs))

    def _answers(self, outputs: Tensor, split: Split) -> Tensor:
        _, batch = self.judged(outputs, {"targets": split.targets})
        return batch["targets"]


class Shown:
    """A split's images as pictures show them, those of an index at a time."""

    def __init__(self, task: Classification, split: Split) -> None:
        self.task, self.split = task, split

    def __getitem__(self, rows: Tensor) -> Tensor:
        return self.task.shown(self.split.first, self.split.inputs[rows])


def confusion(outputs: Tensor, targets: Tensor) -> Tensor:
    """Counts classes×classes (int64): row the true class, column the answer. Outputs are logits N×classes×…, targets
    class numbers N×…, of which `IGNORED` counts nowhere.
    """
    num_classes, kept = outputs.shape[1], targets != IGNORED
    cells = (targets * num_classes + outputs.argmax(dim=1))[kept]
    return torch.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)
