"""What tasks of classes share, be it one class a sample or one a pixel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dlexp.batch import IGNORED, Batch, mapped
from dlexp.errors import UserError, did_you_mean, listed
from dlexp.tasks.task import Task, shape_in_words


def names_of(class_names: list[str] | None, num_outputs: int, what: str) -> list[str]:
    """Returns the names of classes or labels, else their numbers. Raises UserError where they are not one an output."""
    if class_names is not None and len(class_names) != num_outputs:
        raise UserError(
            f"data.class_names lists {len(class_names)} names but data.num_outputs is {num_outputs}: "
            f"give as many names as {what}, or null."
        )
    return list(map(str, range(num_outputs) if class_names is None else class_names))


def number_of(ignore_index: int | str | None, class_names: list[str] | None) -> int | None:
    """Returns the class number that `task.ignore_index` means: that of the class of this name, else the number itself.

    Data that numbers its classes anew (labels 3, 7, 255 of a table) names them as its files do. Raises UserError for a
    name that no class has, and for a number that would mean another class than the one whose name it looks like.
    """
    names = class_names or []
    if ignore_index is None or str(ignore_index) in names:
        return None if ignore_index is None else names.index(str(ignore_index))
    are_numbers = all(name.removeprefix("-").isdecimal() for name in names)
    if isinstance(ignore_index, int) and not (are_numbers and 0 <= ignore_index < len(names)):
        return ignore_index
    raise UserError(
        f"task.ignore_index={ignore_index} is no class of this data.{did_you_mean(str(ignore_index), names)}"
        f" It has {listed(names, most=5) or 'no names for its classes, only numbers'}"
    )


def with_zero(scores: Tensor) -> Tensor:
    """Returns the logits N×2×… of two classes whose one score is N×1×…: 0 of the first, the score of the second. Other
    shapes are left for `misfit` to tell of.
    """
    is_one = scores.ndim > 1 and scores.shape[1] == 1
    return torch.cat([torch.zeros_like(scores), scores], dim=1) if is_one else scores


def log_odds(logits: Tensor) -> Tensor:
    """Returns the log-odds N×1×… of the second of two classes for logits N×2×…: the score `with_zero` was given."""
    return logits[:, 1:] - logits[:, :1]


class Classes(Task):
    """Outputs are logits N×classes×…, targets class numbers N×… (int64), of which `ignore_index` counts nowhere.

    ignore_index: the class's name, or its number where no class is called so; None: all count.

    While training, targets N may also be probabilities N×classes (float), as augmentation by mixing makes them.
    Raises UserError where there are not as many class names as outputs. Without names the classes are numbered.
    """

    def __init__(
        self, *, class_names: list[str] | None, num_outputs: int, targets: str, ignore_index: int | str | None
    ) -> None:
        super().__init__()
        self.class_names = names_of(class_names, num_outputs, "classes")
        self.num_outputs = num_outputs
        self.targets = targets
        self.ignore_index = number_of(ignore_index, class_names)
        self.chance: Mapping[str, float] = {"accuracy": 1 / num_outputs}

    def misfit(self, outputs: Any, batch: Batch) -> str | None:
        """Returns what is wrong with outputs that are not N×classes×…."""
        count, *others = batch["targets"].shape
        if isinstance(outputs, Tensor) and list(outputs.shape) == [count, self.num_outputs, *others]:
            return None
        wanted = "×".join(map(str, ["N", self.num_outputs, *others]))
        key = f"data.num_outputs={self.num_outputs}"
        return f"{shape_in_words(outputs)}, but {key} asks for {wanted}"

    def undecided(self, batch: Batch) -> Tensor:
        """Returns 1 / classes for each class of N×classes×…: what squared errors, too, have of all classes alike."""
        count, *others = batch["targets"].shape
        return torch.full([count, self.num_outputs, *others], 1 / self.num_outputs, device=batch["targets"].device)

    def judged(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Batch]:
        """Returns the batch with `IGNORED` in place of `ignore_index`."""
        targets = batch["targets"]
        if self.ignore_index is None or targets.is_floating_point():
            return outputs, batch
        return outputs, {**batch, "targets": torch.where(targets == self.ignore_index, IGNORED, targets)}

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Returns the loss, a mean over all that counts."""
        weight = self.weight(outputs, batch)
        outputs, batch = self.judged(outputs, batch)
        return self.mean_loss(mapped(log_odds, outputs) if self.one_score else outputs, batch["targets"], weight)

    @property
    def weighs(self) -> bool:
        """Only where answers are ignored, or classes weighed, batches of one size differ in how much counts."""
        return self.ignore_index is not None or self._class_weights is not None

    @property
    def _class_weights(self) -> Tensor | None:
        found = getattr(getattr(self, "criterion", None), "weight", None)
        return found if isinstance(found, Tensor) else None

    def weight(self, outputs: Tensor, batch: Batch) -> Tensor | None:
        """Returns what the loss is a mean over: answers that count, or their classes' weights; None: all alike."""
        targets = batch["targets"]
        if not self.weighs or targets.is_floating_point():
            return None
        weights = self._class_weights
        kept = torch.ones_like(targets, dtype=torch.bool) if self.ignore_index is None else targets != self.ignore_index
        return kept.sum() if weights is None else (weights[torch.where(kept, targets, 0)] * kept).sum()
