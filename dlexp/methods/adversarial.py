"""Adversarial training: the worst pictures near each picture, and how many answers survive them."""

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from dlexp.batch import Batch
from dlexp.errors import UserError
from dlexp.methods.method import Method, Moment, Outcome, Start, want_classes
from dlexp.metric import Metric
from dlexp.metrics.classes import Accuracy
from dlexp.ranges import Range
from dlexp.tasks.task import Task


class Adversarial(Method):
    """Trains on pictures changed by projected gradient ascent (Madry et al. 2018, arXiv:1706.06083, sections 2 and 5).

    Each pixel may change by `size`, in `steps` steps of `step_size` from a random start, all in units of [0, 1].
    `robust_accuracy` is that of the pictures changed so in validation and test, where the start is the picture itself,
    so that the figure can be repeated. `task.metric=robust_accuracy` chooses the epoch by it.
    """

    metrics: Mapping[str, Metric] = {"robust_accuracy": Accuracy.facts}

    def __init__(
        self,
        *,
        size: Annotated[float, Range(gt=0, le=1)],
        step_size: Annotated[float, Range(gt=0, le=1)],
        steps: Annotated[int, Range(ge=1)],
    ) -> None:
        super().__init__()
        self.size, self.step_size, self.steps = size, step_size, steps

    def setup(self, start: Start) -> None:
        """Looks at how pictures are normalised, since pixels are limited in their own units. Raises UserError where
        classes are not what is learnt, the steps don't reach the size, or the data are no pictures of bytes or in
        [0, 1].
        """
        want_classes(start, "adversarial")
        reach = self.steps * self.step_size
        if reach < self.size * (1 - 1e-9):  # 30 steps of 0.01 are 0.3, but for rounding
            raise UserError(
                f"{self.steps} steps of method.step_size={self.step_size:g} change no pixel by more than {reach:.3g},"
                f" so robust_accuracy would not be that of method.size={self.size:g};"
                f" method.steps={math.ceil(self.size / self.step_size)} reaches it"
            )
        if len(start.normalised) != 1:
            raise UserError(f"method=adversarial changes one normalised input, and here are {len(start.normalised)}")
        ((self.field, normalised),) = start.normalised.items()
        if max(map(abs, normalised.mean)) > 1:
            raise UserError("method=adversarial changes pictures of bytes or in [0, 1], and here the mean is beyond 1")
        device = next(start.model.parameters()).device
        mean, std = (torch.tensor(each, device=device).view(1, -1, 1, 1) for each in (normalised.mean, normalised.std))
        self.unit, self.least, self.most = 1 / std, (0 - mean) / std, (1 - mean) / std

    def loss(self, task: Task, model: nn.Module, batch: Batch, moment: Moment) -> Outcome:
        """Returns the loss on the changed pictures; what is measured in training is measured on them."""
        clean = batch[self.field]
        start = clean + (2 * torch.rand_like(clean) - 1) * self.size * self.unit
        changed = self._worst(task, model, batch, start)
        outputs = task.predict(model, changed)
        return Outcome(task.loss(outputs, batch), outputs, weight=task.weight(outputs, batch))

    def evaluate(
        self, task: Task, model: nn.Module, batch: Batch, ask: Callable[..., Any]
    ) -> tuple[Outcome, Mapping[str, Tensor]]:
        """Measures the pictures as they are, and how many answers are right of the changed ones."""
        outcome, _ = super().evaluate(task, model, batch, ask)
        changed = self._worst(task, model, batch, batch[self.field])
        return outcome, Accuracy().sums(*task.judged(task.predict(model, changed, ask), batch))

    def conclude(self, sums: Mapping[str, Tensor], count: int) -> dict[str, float]:
        """Returns the accuracy of the changed pictures that count."""
        return {"robust_accuracy": Accuracy().conclude(sums, count)}

    def _worst(self, task: Task, model: nn.Module, batch: Batch, start: Tensor) -> Batch:
        """Returns the batch with pictures that raise the loss; the model's gradients stay as they were."""
        clean = batch[self.field]
        if clean.ndim != 4:
            raise UserError(f"method=adversarial changes pictures, and here a sample is {list(clean.shape[1:])}")
        lowest = torch.maximum(clean - self.size * self.unit, self.least)
        highest = torch.minimum(clean + self.size * self.unit, self.most)
        pictures = start.detach().clamp(lowest, highest)
        modes = [(module, module.training) for module in model.modules()]
        model.eval()  # what is tried on the way enters no running statistics
        for _ in range(self.steps):
            with torch.enable_grad():
                pictures.requires_grad_()
                loss = task.loss(task.predict(model, {**batch, self.field: pictures}), batch)
                (gradient,) = torch.autograd.grad(loss, [pictures])
            step = self.step_size * self.unit * gradient.sign()
            pictures = (pictures.detach() + step).clamp(lowest, highest)
        for module, is_training in modes:  # not all alike where some are frozen
            module.training = is_training
        return {**batch, self.field: pictures}
