"""Weights that are not descended to: set once, in closed form or by a solver, from the whole training split."""

import torch
from torch import Tensor, nn

from dlexp.batch import Batch, first_of
from dlexp.errors import UserError
from dlexp.methods.method import Loop, Method, Moment, Outcome
from dlexp.models.affine import affine_layer
from dlexp.tasks.task import Task


class Solver(Method):
    """Sets the weights in the one step of its training; a class that inherits from this one owes `solve`.

    Epochs, batch size, optimizer and schedule have no part in it. All else is as ever: evaluation, records, weights,
    `load`, sweeps, comparisons with what is trained by gradients.
    """

    whole = True
    goes_with_average = False

    def solve(self, task: Task, model: nn.Module, batch: Batch) -> None:
        """Sets the parameters of a model by all training samples: fields normalised, N rows each, on its device.

        Called without gradients, before a run with a few samples of zeros. What it draws from the default generators is
        the same for the same seed. Raises UserError where the model or the task is none that it can solve.
        """
        raise NotImplementedError

    def step(self, loop: Loop, batch: Batch, moment: Moment) -> Outcome:
        """Solves, and returns what the solution gives on the same samples."""
        loop.update()  # of no gradients: the schedule expects a step before its own
        with torch.no_grad():
            self.solve(loop.task, loop.model, batch)
            return self.loss(loop.task, loop.model, batch, moment)


def linear_problem(name: str, task: Task, model: nn.Module, batch: Batch) -> tuple[nn.Linear, Tensor, Tensor]:
    """Returns the layer that a linear model is, all inputs N×features as float64 on the CPU, and the targets that the
    loss sees: values as float64, or class numbers N.

    Raises UserError for other models, several inputs, frozen weights, and where the layer has not one output for each
    number that the loss compares.
    """
    layer = affine_layer(model)
    if layer is None:
        raise UserError(f"method={name} sets the weights of one linear layer, and this model is another: model=linear")
    if not all(each.requires_grad for each in layer.parameters()):
        raise UserError(f"method={name} sets all weights, and freeze= keeps some as they are: leave it out")
    if len(batch) != 2 or "targets" not in batch:
        raise UserError(f"method={name} wants one input and its targets, and the data has {', '.join(batch)}")
    if task.one_score and layer.out_features != 1:
        raise UserError(f"method={name}: the criterion takes one score, and the model gives {layer.out_features}")
    inputs = first_of(batch)
    _, judged = task.judged(inputs.new_zeros(len(inputs), 2), batch)
    targets = judged["targets"].cpu()
    return layer, inputs.flatten(1).cpu().double(), targets.double() if targets.is_floating_point() else targets
