"""The support vector machine by its own solver, as a reference for the one that is trained by gradients."""

import warnings
from importlib import import_module
from typing import Annotated, Any

import numpy as np
import torch
from torch import nn

from dlexp.batch import IGNORED, Batch
from dlexp.criteria.hinge import Hinge
from dlexp.errors import UserError
from dlexp.methods.solver import Solver, linear_problem
from dlexp.ranges import Range
from dlexp.tasks.task import Task

# Steps of the solver, each of which moves two multipliers, and how exactly their optimum is met.
MOST_STEPS, TOLERANCE = 10_000_000, 1e-6
# In place of an endless C, beyond which the margin of what can be separated does not change.
HARD = 1e8
Array = np.ndarray[Any, np.dtype[Any]]


class SupportVectors(Solver):
    """Minimises mean hinge loss + weight_decay / 2 · ‖w‖² of one score of two classes, by sequential minimal
    optimisation (Platt 1998; libsvm, Chang and Lin 2011, by scikit-learn).

    The same as ‖w‖² / 2 + C · Σ max(0, 1 - y · score) with C = 1 / (weight_decay · N). The bias is free, as in the
    quadratic program; `optimizer=sgd_weights` leaves it free too, other optimizers decay it. weight_decay: 0 is the
    hard margin, the widest one without a sample in it. Raises UserError where scikit-learn is not installed, the loss
    is another, or the margin should be hard and classes overlap.
    """

    def __init__(self, *, weight_decay: Annotated[float, Range(ge=0)]) -> None:
        super().__init__()
        self.weight_decay = weight_decay

    def solve(self, task: Task, model: nn.Module, batch: Batch) -> None:
        layer, x, targets = linear_problem("support_vectors", task, model, batch)
        criterion = task.criterion
        if layer.out_features > 2:
            raise UserError(
                f"method=support_vectors is for two classes, and the data has {layer.out_features}: method=plain trains"
                " by gradients"
            )
        if not (isinstance(criterion, Hinge) and task.one_score and criterion.p == criterion.margin == 1):
            raise UserError(
                "method=support_vectors minimises criterion=hinge criterion.outputs=1 with criterion.margin=1 and"
                " criterion.p=1, and the criterion is another"
            )
        if layer.bias is None:
            raise UserError("method=support_vectors has a bias: model.bias=true")
        kept = targets != IGNORED
        points, classes = x[kept].numpy(), targets[kept].numpy()
        if len(present := np.unique(classes)) < 2:  # no border: a score of 1 on the side of the only class
            layer.weight.zero_()
            layer.bias.fill_(2.0 * int(present[0]) - 1 if len(present) else 0.0)
            return
        weight, bias = self._border(points, classes)
        layer.weight.copy_(torch.tensor(weight))
        layer.bias.copy_(torch.tensor(bias))

    def _border(self, points: Array, classes: Array) -> tuple[Array, Array]:
        """Returns w (1×features) and b (1) of the border between points N×features of two classes."""
        try:
            svm = import_module("sklearn.svm")
        except ImportError:
            raise UserError("method=support_vectors needs scikit-learn: pip install 'dlexp[sklearn]'") from None
        if is_hard := self.weight_decay == 0:
            _hold_to_border(points, classes)
        c = HARD if is_hard else 1 / (self.weight_decay * len(points))
        machine = svm.SVC(kernel="linear", C=c, tol=TOLERANCE, max_iter=MOST_STEPS, cache_size=500)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Solver terminated early")
            try:
                machine.fit(points, classes)
            except UserWarning as error:
                raise UserError(
                    f"method=support_vectors has no solution after {MOST_STEPS:,} steps: a larger method.weight_decay"
                    " has one sooner"
                ) from error
        return machine.coef_, machine.intercept_


def _hold_to_border(points: Array, classes: Array) -> None:
    """Raises UserError where no line or plane has each class on its own side: a linear program without a solution."""
    from scipy.optimize import linprog

    signed = np.where(classes == 1, 1.0, -1.0)[:, None] * np.hstack([points, np.ones_like(points[:, :1])])
    found = linprog(np.zeros(signed.shape[1]), A_ub=-signed, b_ub=-np.ones(len(signed)), bounds=(None, None))
    if found.status != 0:
        raise UserError(
            "no line or plane separates all training samples, so there is no hard margin (method.weight_decay=0):"
            " method.weight_decay=0.001 has a soft one"
        )
