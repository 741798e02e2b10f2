"""What a task owes: the one protocol between what is learnt and all that trains, chooses, records and draws it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from dlexp.errors import UserError
from dlexp.metric import LOSS, Metric, facts_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor, nn

    from dlexp.data.splits import Split

UNITS = ("", "%")


class Task(Protocol):
    """What is learnt. A class that inherits from this one owes `metric`, `metrics`, `targets` and `sums`, no more."""

    metric: str
    """The metric that chooses the epoch and is a sweep's objective: "loss", or a key of `metrics`."""
    metrics: Mapping[str, Metric]
    """What `sums` gives, by name; the criterion's loss is measured besides."""
    targets: str
    """"classes" (targets are int64 N) or "values" (float32 N×outputs)."""
    chance: Mapping[str, float] = {}
    """What guessing reaches, by metric ("loss" too); empty where nobody knows."""

    def sums(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Returns the sum over the batch of each of `metrics`, as tensors without axes on its device.

        A split's value is the mean over its samples. Called with every batch, so it never waits for the device. Outputs
        are N×outputs; where augmentation mixes, targets of classes are probabilities N×classes (float) while training.
        """
        ...

    def summary(self, outputs: Tensor, targets: Tensor) -> dict[str, Any]:
        """Returns what `results.json` says of the chosen weights, outputs and targets of the whole split on the CPU."""
        return {}

    def coefficients(
        self, model: nn.Module, mean: Sequence[float] = (), std: Sequence[float] = ()
    ) -> dict[str, Any] | None:
        """Returns `w` and `b` of a model that is y = Xw + b in the units of the data, else None."""
        return None

    def figures(self, outputs: Tensor, split: Split, predict: Callable[[Tensor], Tensor]) -> dict[str, Figure]:
        """Returns the pictures of the end of a run, by file name.

        `outputs` are those of the whole `split`, both on the CPU, its inputs un-normalised; `predict` takes inputs like
        these (float32) and returns outputs.
        """
        return {}


def measures_of(task: Task) -> dict[str, Metric]:
    """Returns all that is measured, by name: the loss and the task's own metrics."""
    return {"loss": LOSS, **task.metrics}


def measured(task: Task) -> dict[str, Any]:
    """Returns what `run.json` says of a task: the value that sweeps compare, and all that is measured."""
    return {"metric": f"val/{task.metric}", "measures": facts_of(measures_of(task))}


def hold_to_protocol(task: Any, name: str) -> None:
    """Raises UserError where an object is no task: a member is missing, or its metrics are not what they should be."""
    members = [member for member in (*Task.__annotations__, *vars(Task)) if not member.startswith("_")]
    missing = [member for member in dict.fromkeys(members) if not hasattr(task, member)]
    if missing:
        raise UserError(f"task {name} has no {', '.join(missing)}; a class that inherits from dlexp.tasks.task.Task"
                        " owes metric, metrics, targets and sums")  # fmt: skip
    metrics: Any = task.metrics
    if not isinstance(metrics, Mapping) or not all(isinstance(each, Metric) for each in metrics.values()):
        raise UserError(f"task {name}: metrics must name each metric with a Metric of dlexp.metric, not {metrics!r}")
    wrong = [f"'{each.unit}' of {key}" for key, each in metrics.items() if each.unit not in UNITS]
    if wrong:
        raise UserError(f"task {name}: the unit {wrong[0]} must be '%' (a share between 0 and 1) or ''")
    if "loss" in metrics:
        raise UserError(f"task {name}: 'loss' is what the criterion gives; give the metric another name")
    if task.metric not in measures_of(task):
        raise UserError(f"task {name}: metric is '{task.metric}', which is neither loss nor one of"
                        f" {', '.join(metrics) or 'its metrics, of which there are none'}")  # fmt: skip


def hold_sums_to_metrics(task: Task, sums: Mapping[str, Tensor], name: str) -> None:
    """Raises UserError where the sums of a batch are not those of the task's metrics."""
    if sums.keys() != task.metrics.keys():
        raise UserError(f"task {name}: sums gives {', '.join(sums) or 'nothing'}, but its metrics are"
                        f" {', '.join(task.metrics) or 'none'}")  # fmt: skip
    for key, value in sums.items():
        if value.ndim:
            raise UserError(f"task {name}: the sum of {key} has the shape {list(value.shape)}; one number is wanted")
