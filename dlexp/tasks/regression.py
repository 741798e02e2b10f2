"""Which numbers is it: mean absolute error, what guessing gives, prediction against truth, linear coefficients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor, nn

from dlexp.batch import Batch
from dlexp.console.wording import named
from dlexp.criteria.bce import BCE
from dlexp.errors import UserError
from dlexp.metric import Metric
from dlexp.metrics.measure import Measure
from dlexp.metrics.values import MAE
from dlexp.models.affine import line_of
from dlexp.ranges import Choice
from dlexp.tasks.task import Task, shape_in_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dlexp.data.fields import Field
    from dlexp.data.splits import Split


class Regression(Task):
    """Numbers a sample: outputs and targets are floats of one shape, N×outputs or any. The loss says which epoch was
    best; it sees both standardised where `task.standardise` has it so, and all else is in the units of the data.
    """

    guess: Sequence[float] | None = None
    """The mean of the training targets, of each output or of all; set by the engine."""
    metric = "loss"
    own: Mapping[str, Measure] = {"mae": MAE()}
    metrics: Mapping[str, Metric] = {"mae": MAE.facts}

    def __init__(self, *, targets: Annotated[str, Choice("values")]) -> None:
        super().__init__()
        self.targets = targets

    def misfit(self, outputs: Any, batch: Batch) -> str | None:
        """Returns what is wrong with outputs that have another shape than the targets."""
        if isinstance(outputs, Tensor) and outputs.shape == batch["targets"].shape:
            return None
        wanted = shape_in_words(batch["targets"]).rpartition(" ")[2]
        key = "data.num_outputs" if batch["targets"].ndim == 2 else "data.fields.targets"
        return f"{shape_in_words(outputs)}, but {key} asks for {wanted}"

    def summary(self, outputs: Tensor, split: Split) -> dict[str, Any]:
        """Returns `mae` and `r2` of each output, of other shapes over all; r2 is None where the truth never varies.

        Where the mean of the training targets is known also `rmse`, and as `baseline` both errors of guessing it.
        """
        targets = split.targets.double()
        errors = outputs.double() - targets
        guesses = None if self.guess is None else targets - shaped_as(targets, self.guess)
        if targets.ndim != 2:
            errors, targets = errors.reshape(-1, 1), targets.reshape(-1, 1)
            guesses = None if guesses is None else guesses.reshape(-1, 1)
        spread = ((targets - targets.mean(dim=0)) ** 2).sum(dim=0).tolist()
        squares = (errors**2).sum(dim=0).tolist()
        found: dict[str, Any] = {
            "mae": errors.abs().mean(dim=0).tolist(),
            "r2": [1 - left / whole if whole else None for left, whole in zip(squares, spread, strict=True)],
        }
        if guesses is not None:
            baseline = {"mae": guesses.abs().mean(dim=0).tolist(), "rmse": _rmse(guesses)}
            found |= {"rmse": _rmse(errors), "baseline": baseline}
        return found

    def remarks(self, summary: Mapping[str, Any]) -> list[str]:
        """Returns R² and what guessing gives; a warning where the model is no better."""
        r2 = [each for each in summary["r2"] if each is not None]
        if not r2 or "baseline" not in summary:
            return []
        share, own, guessed = sum(r2) / len(r2), _over_outputs(summary), _over_outputs(summary["baseline"])
        of = f", the mean of {len(r2)} outputs" if len(r2) > 1 else ""
        lines = [
            f"R² {share:.4f}{of}, {named('rmse', own['rmse'], {})}; guessing the mean of the training targets gives"
            f" {named('mae', guessed['mae'], {})}, {named('rmse', guessed['rmse'], {})}"
        ]
        if share <= 0:
            lines.append("warning: the model is no better than guessing the mean of the training targets")
        return lines

    def coefficients(
        self, model: nn.Module, mean: Sequence[float] = (), std: Sequence[float] = ()
    ) -> dict[str, Any] | None:
        """Returns `{"w": [...], "b": ...}` of y = Xw + b where the model is one linear layer of up to 16 features.

        None for every other model. With the `mean` and `std` its features were normalised by, w and b are those of the
        features as they came.
        """
        found = line_of(model, mean, std)
        if found is None or len(found[1]) != 1:
            return None
        weight, bias = found[0][0], found[1][0]
        if self.units is not None:
            weight, bias = weight * self.units.std[0], bias * self.units.std[0] + self.units.mean[0]
        return {"w": weight.tolist(), "b": bias.item()}

    def figures(self, outputs: Tensor, split: Split, predict: Callable[[Batch], Tensor]) -> dict[str, Figure]:
        """Returns a picture of predictions against truth, and of one number a sample the curve along it."""
        from dlexp import pictures

        if outputs.ndim > 2:
            return {}
        inputs, targets = split.inputs, split.targets.reshape(len(outputs), -1)
        figures = {"prediction_against_truth": pictures.prediction_against_truth(outputs.reshape_as(targets), targets)}
        if isinstance(inputs, Tensor) and inputs.ndim == 2 and inputs.shape[1] == 1:

            def ask(points: Tensor) -> Tensor:
                return predict({split.first: points}).reshape(len(points), -1)

            figures["fitted_curve"] = pictures.fitted_curve(
                ask, inputs, targets, (self.feature_names or ["feature 1"])[0]
            )
        return figures


def hold_to_numbers(task: Task, outputs: Any, targets: Field | None) -> None:
    """Raises UserError where `task.standardise=true` asks for what can't be."""
    fits = isinstance(outputs, Tensor) and targets is not None and list(outputs.shape[1:]) == targets.shape
    if not isinstance(task, Regression) or not fits:
        raise UserError(
            "task.standardise=true is about the numbers of task=regression, an output of the model for each;"
            " task.standardise=auto leaves all others as they are"
        )


def hold_to_values(task: Task) -> None:
    """Raises UserError where the criterion reads outputs as logits, and all else of the task as values."""
    if type(task) is Regression and isinstance(task.criterion, (BCE, nn.BCEWithLogitsLoss)):
        raise UserError(
            "criterion=bce reads outputs as logits of probabilities, and task=regression as values: criterion=mse or"
            " huber takes values, and labels of 0 and 1 are for task=multi_label"
        )


def shaped_as(targets: Tensor, numbers: Sequence[float]) -> Tensor:
    """Returns a number for each column or channel, or one for all, as a tensor that goes with targets N×…."""
    shape = [1, len(numbers), *[1] * (targets.ndim - 2)][: targets.ndim]
    return torch.tensor(numbers, dtype=targets.dtype, device=targets.device).view(shape)


def _rmse(errors: Tensor) -> list[float]:
    found: list[float] = errors.square().mean(dim=0).sqrt().tolist()
    return found


def _over_outputs(found: Mapping[str, list[float]]) -> dict[str, float]:
    """Returns both errors over all outputs, as the metrics of their names have them."""
    count = len(found["mae"])
    return {"mae": sum(found["mae"]) / count, "rmse": math.sqrt(sum(each**2 for each in found["rmse"]) / count)}
