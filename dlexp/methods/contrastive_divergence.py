"""Contrastive divergence: what a restricted Boltzmann machine makes of a sample in a few steps is pushed away."""

from typing import Annotated, Any

import torch
from torch import nn

from dlexp.batch import Batch
from dlexp.errors import UserError
from dlexp.methods.method import Method, Moment, Outcome, Start
from dlexp.models.stacks import as_they_are
from dlexp.ranges import Range
from dlexp.tasks.task import Task


class ContrastiveDivergence(Method):
    """CD-k (Hinton 2002, Neural Computation 14; Hinton 2010, section 3), for models with `free_energy` and `chain`.

    A step goes along the gradient of F(v) - F(v'), F the free energy of the top machine, v its visible units for a
    sample and v' those after `k` steps of Gibbs sampling that began there. That difference says nothing of how good a
    machine is, so the loss that is recorded is the task's: of what comes back of a sample without drawing, the
    reconstruction error.
    """

    def __init__(self, *, k: Annotated[int, Range(ge=1)]) -> None:
        super().__init__()
        self.k = k

    def setup(self, start: Start) -> None:
        """Raises UserError for a model that is no such machine, a criterion of no logits, and normalised inputs."""
        if not hasattr(start.model, "free_energy") or not hasattr(start.model, "chain"):
            name = type(start.model).__name__
            raise UserError(f"method=contrastive_divergence trains restricted Boltzmann machines, and {name} is none")
        if not getattr(start.task, "learns_shares", True):
            raise UserError(
                "method=contrastive_divergence trains a machine that answers with logits of probabilities, and the"
                " criterion reads them as values: criterion=bce"
            )
        for name, each in start.normalised.items():
            if any(each.mean) or any(std != 1 for std in each.std):
                raise UserError(
                    f"method=contrastive_divergence takes {name} as probabilities, and here they are normalised:"
                    f" {as_they_are(len(each.mean))} leaves them as they are, which suits what lies between 0 and 1"
                )

    def loss(self, task: Task, model: nn.Module, batch: Batch, moment: Moment) -> Outcome:
        """Returns the task's loss, with the gradient of contrastive divergence."""
        machine: Any = model
        with torch.no_grad():
            outputs = task.predict(model, batch)
            reconstruction = task.loss(outputs, batch)
            visible = task.predict(machine.below, batch)
        apart = (machine.free_energy(visible) - machine.free_energy(machine.chain(visible, self.k))).mean()
        return Outcome(reconstruction + (apart - apart.detach()), outputs)
