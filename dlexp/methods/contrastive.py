"""Contrastive learning: two views of one picture are told from all others, and no label is needed for it."""

import copy
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlexp.batch import Batch, num_rows
from dlexp.errors import UserError
from dlexp.methods.method import Method, Moment, Outcome, Start, follow_mode
from dlexp.models.auxiliary import Auxiliary
from dlexp.ranges import Range
from dlexp.tasks.task import Task


class Contrastive(Method):
    """SimCLR: of 2N views each finds the other view of its sample (Chen et al. 2020, arXiv:2002.05709, section 2.1).

    What enters the model's last layer, a linear one, goes through a projection head of two layers to `dimension`
    numbers, whose cosines, divided by `temperature`, are compared. The last layer is trained with the targets on the
    same features, detached: it says at any time what a linear probe reads off them, and nothing it learns reaches the
    rest of the model.
    """

    views = 2
    trains = True
    features: Any = None
    projection: nn.Module

    def __init__(self, *, temperature: Annotated[float, Range(gt=0)], dimension: Annotated[int, Range(ge=1)]) -> None:
        super().__init__()
        self.temperature, self.dimension = temperature, dimension

    def setup(self, start: Start) -> None:
        """Makes the projection head. Raises UserError where the model's last layer isn't linear, or its only one."""
        layers = [each for each in start.model.modules() if any(True for _ in each.parameters(recurse=False))]
        if len(layers) < 2 or not isinstance(layers[-1], nn.Linear):
            kind = type(layers[-1]).__name__
            raise UserError(
                "method=contrastive trains what comes before a last linear layer, and of this model's"
                f" {len(layers)} layers with weights the last is a {kind}"
            )
        size = layers[-1].in_features
        self.projection = nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.Linear(size, self.dimension))
        # The same weights once more, so that the model itself stays as it is, and so does what is evaluated. In a list
        # it is no part of the method, whose state would hold the weights twice.
        shared = {id(each): each for each in (*start.model.parameters(), *start.model.buffers())}
        self._twin = [copy.deepcopy(start.model, shared)]
        *_, head = (each for each in self._twin[0].modules() if isinstance(each, nn.Linear))
        head.register_forward_pre_hook(self._cut)

    def _cut(self, head: nn.Module, inputs: tuple[Tensor]) -> Tensor:
        (features,) = inputs
        self.features = features
        return features.detach()

    def loss(self, task: Task, model: nn.Module, batch: Batch, moment: Moment) -> Outcome:
        """Returns the contrastive loss plus that of the last layer; what is measured in training is of both views."""
        if num_rows(batch) < 2 * self.views:
            raise UserError("method=contrastive tells the samples of a batch apart, and here it has one: batch_size=64")
        follow_mode(self._twin[0], model)
        outputs = task.predict(self._twin[0], batch)
        features, self.features = self.features, None
        if isinstance(outputs, Auxiliary):
            raise UserError(
                "method=contrastive lets no target reach what comes before the last layer, and the auxiliary outputs of"
                " this model learn from them there; leave them out: model.auxiliary=false"
            )
        if features.ndim != 2:
            raise UserError(f"method=contrastive wants one row of features a sample, not {list(features.shape[1:])}")
        apart = told_apart(self.projection(features.float()), self.temperature)
        return Outcome(apart + task.loss(outputs, batch), outputs)

    def after_step(self, model: nn.Module, step: int) -> None:
        """Raises UserError where a layer has put another tensor in the place of a buffer: the model's own is left."""
        own = dict(model.named_buffers())
        for name, buffer in self._twin[0].named_buffers():
            if buffer is not own[name]:
                raise UserError(
                    "method=contrastive trains on the model's own buffers, and a layer of this model replaces"
                    f" {name}; fill it in place instead: self.{name.rpartition('.')[2]}.copy_(…)"
                )


def told_apart(projected: Tensor, temperature: float) -> Tensor:
    """Returns the normalised temperature-scaled cross entropy of 2N×D, of which rows i and i + N are one sample."""
    rows = functional.normalize(projected, dim=1)
    itself = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    likeness = (rows @ rows.T / temperature).masked_fill(itself, -torch.inf)
    partners = torch.arange(len(rows), device=rows.device).roll(len(rows) // 2)
    return functional.cross_entropy(likeness, partners)
