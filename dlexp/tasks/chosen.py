"""The metrics of a task: those of the group `metric` in place of its own, each ready for the data of a training."""

from collections.abc import Callable, Mapping

from torch import Tensor

from dlexp.metrics.measure import Measure
from dlexp.tasks.task import Task, is_measure


def choose_metrics(task: Task, chosen: Mapping[str, Measure], metric: str | None) -> None:
    """Has a task measure what was chosen of the group `metric`, if anything, and be led by the metric of that name.

    metric: None: the task's own where it is among those chosen, else the first of them.
    """
    if chosen:
        task.chosen, task.metrics = chosen, {name: each.facts for name, each in chosen.items() if is_measure(each)}
        if metric is None and getattr(task, "metric", None) not in chosen:
            metric = next(iter(chosen))
    if metric is not None:
        task.metric = metric


def prepare_metrics(task: Task, targets: Callable[[], Tensor | None]) -> None:
    """Has the metrics of `dlexp.metrics` see targets of some training samples, if any asks for them.

    targets: reads them, judged by nobody yet; None: there are none.
    """
    which = "chosen" if task.chosen else "own"
    measures: Mapping[str, Measure] = getattr(task, which)
    if any(type(each).prepared is not Measure.prepared for each in measures.values()):
        if (some := targets()) is not None:
            setattr(task, which, {name: each.prepared(some) for name, each in measures.items()})
