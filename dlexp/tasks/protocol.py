"""What a task is held to before a run: that it has what the protocol asks for, and measures what it says."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor, nn

from dlexp.batch import Batch
from dlexp.errors import UserError, closest, listed, to_type
from dlexp.metric import Metric
from dlexp.models.auxiliary import Auxiliary
from dlexp.tasks.regression import hold_to_values
from dlexp.tasks.task import Task, is_measure, measures_of

UNITS = ("", "%")
# Those of torch whose scores are no logits.
SCORES = (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss, nn.MultiMarginLoss, nn.SoftMarginLoss)


def hold_to_protocol(task: Any, name: str, metric: str | None = None, options: Collection[str] = ()) -> None:
    """Raises UserError where an object is no task: a member is missing, or its metrics or criterion are not what they
    should be.

    metric: the one of `task.metric=`, if any. options: what else can be measured, the names of the group `metric`.
    """
    if not isinstance(task, Task):
        raise UserError(f"task {name} must inherit from dlexp.tasks.task.Task")
    hidden = [name for name, each in vars(Task).items() if callable(each) and not callable(getattr(task, name))]
    if hidden:
        raise UserError(f"task {name} keeps a value as {hidden[0]}, which is the name of a function of every task")
    missing = [member for member in ("metric", "metrics", "targets") if not hasattr(task, member)]
    missing += ["measure"] * (type(task).measure is Task.measure and not task.own and not task.chosen)
    if missing:
        raise UserError(f"task {name} has no {', '.join(missing)}; a class that inherits from dlexp.tasks.task.Task"
                        " owes metric, metrics, targets and measure")  # fmt: skip
    hold_to_values(task)
    for key, each in task.chosen.items():
        if not is_measure(each):
            raise UserError(f"metric {key} must inherit from dlexp.metrics.measure.Measure, and have facts, a Metric")
        if task.learns not in each.of:
            raise UserError(f"metric={key} measures {listed(each.of)}, and task {name} learns {task.learns}")
        if each.of_probabilities and _teaches_scores(task.criterion):
            raise UserError(
                f"metric={key} measures probabilities, and {type(task.criterion).__name__} teaches scores, of which"
                " softmax makes none; criterion=cross_entropy and mse_softmax teach probabilities"
            )
    metrics: Any = task.metrics
    if not isinstance(metrics, Mapping) or not all(isinstance(each, Metric) for each in metrics.values()):
        raise UserError(f"task {name}: metrics must name each metric with a Metric of dlexp.metric, not {metrics!r}")
    wrong = [f"'{each.unit}' of {key}" for key, each in metrics.items() if each.unit not in UNITS]
    if wrong:
        raise UserError(f"task {name}: the unit {wrong[0]} must be '%' (a share between 0 and 1) or ''")
    if "loss" in metrics:
        raise UserError(f"task {name}: 'loss' is what the criterion gives; give the metric another name")
    if task.metric not in (known := measures_of(task)):
        if metric is not None:
            raise UserError(_not_measured(metric, task, options))
        raise UserError(f"task {name}: metric is '{task.metric}', which is neither loss nor one of"
                        f" {', '.join([*known][1:]) or 'its metrics, of which there are none'}")  # fmt: skip


def _teaches_scores(criterion: Any) -> bool:
    """Returns whether it is known that the softmax of what a criterion teaches is no probability."""
    ours = type(criterion).__module__.startswith("dlexp.criteria.") or isinstance(criterion, SCORES)
    return not getattr(criterion, "gives_probabilities", not ours)


def _not_measured(metric: str, task: Task, options: Collection[str]) -> str:
    known = sorted(measures_of(task))
    told = f"task.metric={metric} is none of what is measured ({', '.join(known)})"
    if metric not in options and (near := closest(metric, known)):
        return f"{told}. Did you mean '{near}'?"
    if (meant := closest(metric, options)) is None:
        return told
    both = to_type(f"metric=[{','.join([*(each for each in task.metrics if each in options), meant])}]")
    return f"{told}; {both} measures {'it' if meant == metric else meant}"


def misfit_of(task: Task, outputs: Any, batch: Batch) -> str | None:
    """Returns what is wrong with outputs, of auxiliary ones with each of them."""
    if not isinstance(outputs, Auxiliary):
        return task.misfit(outputs, batch)
    if len(outputs.others) != len(outputs.weights):
        return f"{len(outputs.others)} auxiliary outputs with {len(outputs.weights)} weights"
    found = {number: task.misfit(each, batch) for number, each in enumerate((outputs.outputs, *outputs.others))}
    wrong = ((number, misfit) for number, misfit in found.items() if misfit)
    return next((f"as auxiliary output {number} {misfit}" if number else misfit for number, misfit in wrong), None)


def hold_to_metrics(task: Task, sums: Any, count: int, name: str) -> None:
    """Raises UserError where what is concluded from the sums of `count` samples are not the task's metrics."""
    if not isinstance(sums, Mapping) or not all(isinstance(each, Tensor) for each in sums.values()):
        raise UserError(f"task {name}: measure must return tensors by name, and it returns {sums!r}")
    default = type(task).conclude is Task.conclude or bool(task.chosen)
    shaped = next((key for key, total in sums.items() if total.ndim and "/" not in key), None)
    if default and shaped is not None:
        raise UserError(f"task {name}: the sum of {shaped} has the shape {list(sums[shaped].shape)}; one number is"
                        " wanted, or a method conclude(sums, count) that makes numbers of it")  # fmt: skip
    found: Any = task.results({key: total.cpu() for key, total in sums.items()}, count)
    if not isinstance(found, Mapping) or found.keys() != task.metrics.keys():
        told = ", ".join(found) if isinstance(found, Mapping) and found else "nothing"
        where = "measure" if default else "conclude"
        raise UserError(f"task {name}: {where} gives {told}, but its metrics are {', '.join(task.metrics) or 'none'}")
    for key, value in found.items():
        if not isinstance(value, int | float):
            raise UserError(f"task {name}: conclude gives {key} as a {type(value).__name__}; a number is wanted")
        if task.metrics[key].unit == "%" and not -1e-6 <= value <= 1 + 1e-6:
            raise UserError(
                f"task {name}: {key} is {value:g} of {count} samples of zeros, and with the unit '%' it must be a share"
                " between 0 and 1: measure returns sums over samples, one count a sample"
            )
