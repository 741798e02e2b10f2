"""Which numbers is it: mean absolute error, prediction against truth, the coefficients of a linear model."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor, nn

from dlexp.batch import Batch
from dlexp.metric import Metric
from dlexp.metrics.measure import Measure
from dlexp.metrics.values import MAE
from dlexp.ranges import Choice
from dlexp.tasks.task import Task, shape_in_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dlexp.data.splits import Split

MOST_COEFFICIENTS = 16


class Regression(Task):
    """Numbers a sample: outputs and targets are floats of one shape, N×outputs or any. The loss says which epoch was
    best.
    """

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
        """Returns `mae` and `r2` of each output, of other shapes over all; r2 is None where the truth never varies."""
        targets = split.targets.double()
        errors = outputs.double() - targets
        if targets.ndim > 2:
            errors, targets = errors.reshape(-1, 1), targets.reshape(-1, 1)
        spread = ((targets - targets.mean(dim=0)) ** 2).sum(dim=0).tolist()
        squares = (errors**2).sum(dim=0).tolist()
        return {
            "mae": errors.abs().mean(dim=0).tolist(),
            "r2": [1 - left / whole if whole else None for left, whole in zip(squares, spread, strict=True)],
        }

    def coefficients(
        self, model: nn.Module, mean: Sequence[float] = (), std: Sequence[float] = ()
    ) -> dict[str, Any] | None:
        """Returns `{"w": [...], "b": ...}` of y = Xw + b where the model is one linear layer of up to 16 features.

        None for every other model. With the `mean` and `std` its features were normalised by, w and b are those of the
        features as they came.
        """
        layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
        if len(layers) != 1 or layers[0].out_features != 1 or layers[0].in_features > MOST_COEFFICIENTS:
            return None
        affine = copy.deepcopy(layers[0]).cpu().double()
        if not _compute_the_same(copy.deepcopy(model).cpu().double().eval(), affine):
            return None
        weight = affine.weight.detach()[0]
        bias = affine(torch.zeros(affine.in_features, dtype=torch.float64)).detach()[0]
        if std:
            weight = weight / torch.tensor(std, dtype=torch.float64)
        if mean:
            bias = bias - weight @ torch.tensor(mean, dtype=torch.float64)
        return {"w": weight.tolist(), "b": bias.item()}

    def figures(self, outputs: Tensor, split: Split, predict: Callable[[Batch], Tensor]) -> dict[str, Figure]:
        """Returns a picture of predictions against truth."""
        from dlexp import pictures

        if outputs.ndim > 2:
            return {}
        return {"prediction_against_truth": pictures.prediction_against_truth(outputs, split.targets)}


def _compute_the_same(model: nn.Module, layer: nn.Linear) -> bool:
    """Says whether `model` is nothing but its one `layer`: an activation or a square around it would show here."""
    generator = torch.Generator().manual_seed(0)
    points = 100 * torch.randn(64, layer.in_features, dtype=torch.float64, generator=generator)
    with torch.no_grad():
        outputs, expected = model(points), layer(points)
    return outputs.shape == expected.shape and torch.allclose(outputs, expected)
