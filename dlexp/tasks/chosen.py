"""The metrics of a task: those of the group `metric` in place of its own, each ready for the data of a training."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from dlexp.batch import Batch, added, mapped
from dlexp.errors import UserError
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


def hold_to_sums(task: Task, outputs: Any, batch: Batch) -> None:
    """Raises UserError where what a metric of the group `metric` makes of a batch isn't what it makes of its samples,
    added up, since it would depend on the batch size. outputs: of the form that the model returns.
    """
    generator, sizes = torch.Generator().manual_seed(0), set[torch.Size]()

    def drawn(each: Tensor) -> Tensor:
        sizes.add(each.shape[:1])
        return torch.rand(each.shape, generator=generator) if each.is_floating_point() else each

    def measured(rows: slice) -> dict[str, Tensor]:
        return Task.measure(task, mapped(lambda each: each[rows], answers), mapped(lambda each: each[rows], batch))

    answers = mapped(drawn, outputs)
    if len(sizes) > 1:  # not all of them have a row a sample
        return
    whole, parts = measured(slice(None)), added(measured(slice(1)), measured(slice(1, None)))
    for key, total in whole.items():
        if not torch.allclose(total.double(), parts[key].double(), rtol=1e-3, atol=1e-5, equal_nan=True):
            name = key.partition("/")[0]
            raise UserError(
                f"metric {name} depends on how samples are put into batches: its sums over a batch are not those of the"
                " samples, added up"
            )
