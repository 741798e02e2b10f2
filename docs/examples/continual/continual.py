"""Elastic weight consolidation (Kirkpatrick et al. 2017, arXiv:1612.00796): a second task, the first not forgotten.

cd docs/examples/continual
python -m dlexp --config-dir conf allow=continual method=consolidation data=mnist
"""

import math

import torch
from torch import Tensor, nn

from dlexp.methods.method import Method, Outcome, Start
from dlexp.metric import Metric


class Consolidation(Method):
    """In the second half the pixels come in another order, and weights are held where they were, each as firmly as the
    first task needs it.

    What is measured in validation and test is the second task, and as `first_task` the accuracy on the first.
    """

    metrics = {"first_task": Metric(unit="%", higher_is_better=True)}

    def __init__(self, *, shape: list[int], weight: float) -> None:
        super().__init__()
        self.weight = weight
        order = torch.randperm(math.prod(shape), generator=torch.Generator().manual_seed(0))
        self.register_buffer("order", order)

    def setup(self, start: Start) -> None:
        self.switch = start.steps // 2
        self.register_buffer("anchor", _flat(start.model.parameters()).detach())
        self.register_buffer("fisher", torch.zeros_like(self.anchor))

    def may_choose(self, step: int) -> bool:
        return step > self.switch

    def step(self, loop, batch, moment) -> Outcome:
        is_first = bool(moment.step < self.switch)
        outputs = loop.task.predict(loop.model, batch if is_first else self._second(batch))
        loss = loop.task.loss(outputs, batch)
        apart = _flat(loop.model.parameters()) - self.anchor
        loop.gradients(loss if is_first else loss + self.weight / 2 * (self.fisher * apart.square()).sum())
        if is_first:  # squares of a batch's gradient stand for the Fisher information, up to the batch's size
            gradient = _flat(each.grad for each in loop.model.parameters())
            self.fisher.lerp_(gradient.square(), 0.01)
        loop.update()
        return Outcome(loss, outputs)

    def after_step(self, model: nn.Module, step: int) -> None:
        if step <= self.switch:
            self.anchor.copy_(_flat(model.parameters()))

    def evaluate(self, task, model, batch, ask) -> tuple[Outcome, dict[str, Tensor]]:
        outcome, _ = super().evaluate(task, model, self._second(batch), ask)
        answers = task.predict(model, batch, ask).argmax(1)
        return outcome, {"first_task": (answers == batch["targets"]).sum()}

    def _second(self, batch):
        return {**batch, "inputs": batch["inputs"].flatten(1)[:, self.order].view_as(batch["inputs"])}


def _flat(tensors) -> Tensor:
    return torch.cat([each.flatten() for each in tensors])
