"""The targets of a regression: standardised where that changes nothing but their unit, and what guessing them gives."""

import copy
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from dlexp.config.build import build_task
from dlexp.console.wording import number
from dlexp.data.fields import NORMALISED, Field, examples
from dlexp.data.normalisation import Normalisation
from dlexp.data.splits import Column, Split, Splits
from dlexp.data.statistics import statistics
from dlexp.data.stream.stored import Stored
from dlexp.experiment.guessing import loss_of
from dlexp.machine import generators
from dlexp.metric import LOSS
from dlexp.models.layers import shadow
from dlexp.tasks.regression import Regression, shaped_as
from dlexp.tasks.task import Task
from dlexp.train.batches import Batches, evenly_spaced

log = logging.getLogger(__name__)

# Training samples whose targets a metric sees that asks for some.
METRIC_SAMPLES = 100
# Stored samples whose targets are read for their mean and deviation.
FEW = 1000
# A deviation that is less of the mean is what rounding leaves of a constant.
LEAST_SPREAD = 1e-12
# What a model may end in that never gives some numbers, by torch's name for its gradient.
BOUNDED = "Relu Sigmoid LogSigmoid Tanh Softplus Softmax LogSoftmax Exp Clamp ClampMin ClampMax Hardtanh Hardsigmoid"
BOUNDED += " Elu Gelu Silu Abs Pow Sqrt"


def standardised(
    config: Mapping[str, Any], skeleton: nn.Module, fields: Mapping[str, Field], splits: Splits
) -> tuple[Any, dict[str, Normalisation]]:
    """Returns the splits, and how the targets of a regression are standardised, if they are and not by their kind.

    Each column of N×outputs and each channel of images has a mean and deviation, other shapes have one of all. With
    `task.standardise=auto` targets stay as they are where their kind is stated, where the loss is not one of
    differences, or where the model ends in what never gives some numbers. Targets that stay are float32.
    """
    task, wish = build_task(config), config["task"]["standardise"]
    field = fields.get("targets")
    if field is not None and field.kind in NORMALISED:
        return splits, {}
    stated = (config["data"]["fields"] or {}).get("targets") or {}
    are_numbers = isinstance(task, Regression) and field is not None and field.dtype.is_floating_point
    if not wish or not are_numbers or (wish == "auto" and ("kind" in stated or None in fields["targets"].shape)):
        return _as_float32(splits), {}
    if wish == "auto" and (reason := _reason_against(task, skeleton, fields)):
        log.info(f"targets are learnt as they are, since {reason}; task.standardise=true standardises all the same")
        return _as_float32(splits), {}
    column = splits.train.fields["targets"]
    mean, std = _statistics(column)
    log.info(f"targets are standardised{_figures(mean, std)}: the loss is of those, all else in their own units")
    return splits, {"targets": Normalisation(mean, std, None, column.dtype)}


def tell_units(task: Task, train: Batches) -> None:
    """Tells a regression how its targets are standardised, and what guessing their mean gives."""
    if not isinstance(task, Regression) or "targets" not in train.split.fields:
        return
    task.units, some = train.normalised.get("targets"), _some(train.split.fields["targets"])
    if not some.is_floating_point():
        return
    task.guess = task.units.mean if task.units else _statistics(some)[0]
    targets, guess = some, shaped_as(some.double(), task.guess)
    if task.units is not None:
        targets, guess = task.units(targets), torch.zeros_like(guess)
    loss = loss_of(task, guess.to(targets.dtype).expand_as(targets), {"targets": targets})
    if loss is not None:
        task.chance = {"loss": loss, **task.chance}


def tell_samples(task: Task, train: Batches) -> None:
    """Shows a task that asks for it some training samples; a stream has none to spare."""
    may_choose = all(each.source.chooses for each in train.stored.values())
    if type(task).prepare is not Task.prepare and may_choose:
        task.prepare(train.spread(FEW))


def some_targets(task: Task, train: Batches) -> Tensor | None:
    """Returns targets of some training samples in their own units; None where there are none, or only a stream."""
    column = train.split.fields.get("targets")
    if column is None or isinstance(column, Stored) and not column.source.chooses:
        return None
    found: Tensor = task.in_own_units(train.spread(METRIC_SAMPLES)["targets"])
    return found


def _reason_against(task: Task, skeleton: nn.Module, fields: Mapping[str, Field]) -> str | None:
    """Returns why another unit of the targets would be another problem."""
    try:
        with generators.kept(), torch.enable_grad():
            outputs = task.predict(shadow(skeleton), examples(fields, 2))
    except Exception:  # it looks at values, or is too large for the CPU: nobody knows
        return None
    if not isinstance(outputs, Tensor) or outputs.shape != examples(fields, 2)["targets"].shape:
        return "the model returns others than one number for each of them"
    if bound := _bound(outputs):
        return f"the model ends in {bound}, which never gives some numbers"
    try:
        probe = copy.deepcopy(task)
    except Exception:
        return "the criterion can't be copied to be tried"
    if not _is_of_differences(probe, outputs.shape):
        return "the loss asks for more than their difference from the outputs"
    return None


def _bound(outputs: Tensor) -> str | None:
    """Returns what the last steps to the outputs are that leave out some numbers, None where they can be any."""
    node: Any = outputs.grad_fn
    while node is not None:
        name = node.name().rstrip("0123456789").removesuffix("Backward")
        if name in BOUNDED.split():
            return str(name)
        before = [each for each, _ in node.next_functions if each is not None]
        node = before[0] if len(before) == 1 else None  # a reshape, a factor; of several, such as a layer's, any come
    return None


def _is_of_differences(probe: Task, shape: torch.Size) -> bool:
    """Returns whether the loss stays the same where outputs and targets grow alike, tried on random numbers."""

    def loss(shift: float) -> Tensor:
        generators.seed(0)
        return probe.loss(torch.randn(shape) + shift, {"targets": torch.randn(shape) + shift})

    with generators.kept(), torch.no_grad():
        try:
            return torch.allclose(loss(0.0), loss(2.0), rtol=1e-3)
        except Exception:  # such as that of a loss of shares in [0, 1]; the run itself says what is wrong with others
            return False


def _figures(mean: list[float], std: list[float]) -> str:
    return f" (mean {number(mean[0], LOSS)}, deviation {number(std[0], LOSS)})" if len(mean) == 1 else ""


def _some(column: Column) -> Tensor:
    """Returns the targets of all samples; of what is stored, of some that lie evenly apart."""
    if isinstance(column, Tensor):
        return column
    if not column.source.chooses:
        return column.whole()
    return column[evenly_spaced(FEW, len(column))]


def _statistics(column: Column) -> tuple[list[float], list[float]]:
    """Returns mean and deviation of targets: of each column N×K and channel N×C×H×W(×D), of others one of all."""
    some = _some(column)
    parts = some if some.ndim == 2 or some.ndim > 3 else some.reshape(len(some), 1, -1)
    found = statistics(parts)
    return found.mean, [s if s > LEAST_SPREAD * abs(m) else 1.0 for m, s in zip(found.mean, found.std, strict=True)]


def _as_float32(splits: Splits) -> Splits:
    """Returns splits whose targets are no wider than what a model returns."""

    def narrow(split: Split) -> Split:
        column = split.fields.get("targets")
        if not isinstance(column, Tensor) or column.dtype != torch.float64:
            return split
        return split.changed(targets=column.float())

    parts: Any = {name: narrow(split) for name, split in splits.named.items()}
    return replace(splits, **parts)
