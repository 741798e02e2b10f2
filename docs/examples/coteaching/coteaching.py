"""Co-teaching (Han et al. 2018, arXiv:1804.06872): of two nets each learns the samples that the other finds easy.

cd docs/examples/coteaching
python -m dlexp --config-dir conf allow=coteaching method=coteaching model=cnn data=cifar10
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlexp.batch import Batch
from dlexp.methods.method import Method, Moment, Outcome, Start
from dlexp.tasks.task import Task


class CoTeaching(Method):
    """Leaves out more and more of the samples with the largest loss, at the end a share of `forget`."""

    trains = True
    peer: nn.Module

    def __init__(self, *, forget: float) -> None:
        super().__init__()
        self.forget = forget

    def setup(self, start: Start) -> None:
        """Makes the other net, with weights of its own."""
        self.peer = copy.deepcopy(start.model)
        for each in self.peer.modules():
            if hasattr(each, "reset_parameters"):
                each.reset_parameters()

    def loss(self, task: Task, model: nn.Module, batch: Batch, moment: Moment) -> Outcome:
        """Returns the mean losses of both over what the other one chose."""
        outputs = [task.predict(net, batch) for net in (model, self.peer)]
        losses = [functional.cross_entropy(each, batch["targets"], reduction="none") for each in outputs]
        is_kept = torch.arange(len(losses[0]), device=losses[0].device) < len(losses[0]) * (
            1 - self.forget * moment.progress
        )

        def chosen(own: Tensor, other: Tensor) -> Tensor:
            return (own[other.detach().argsort()] * is_kept).sum() / is_kept.sum()

        return Outcome(chosen(*losses) + chosen(*losses[::-1]), outputs[0])
