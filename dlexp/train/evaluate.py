"""Evaluation of a model on one split."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dlexp.batch import Batch, joined, mapped
from dlexp.machine.device import flushing_denormals, sum_dtype
from dlexp.tasks.task import Task
from dlexp.train.batches import Batches
from dlexp.train.fit import Plan

Ask = Callable[[Task, nn.Module, Batch], Any]


@dataclass(frozen=True)
class Evaluation:
    """`loss` and the task's metrics over a split, and on the CPU the outputs for every sample (None: not kept)."""

    metrics: dict[str, float]
    outputs: Any


@torch.no_grad()
@flushing_denormals()
def evaluate(
    model: nn.Module, task: Task, ask: Ask, batches: Batches, plan: Plan, *, keeps_outputs: bool = False
) -> Evaluation:
    """Runs model and task in evaluation mode over all samples; afterwards each is in the mode it was in before.

    `ask` gets the outputs of a batch from the model: once, or as a mean over several views.
    """
    modes = [(module, module.training) for module in (model, task)]
    for module, _ in modes:
        module.eval()
    loss: Any = 0.0
    sums: dict[str, Tensor] = {}
    outputs, seen = [], 0
    for batch in batches.epoch(0):
        output, count = task.predict(model, batch, ask), len(next(iter(batch.values())))
        loss = loss + task.loss(output, batch).to(sum_dtype(plan.device)) * count
        found = task.sums(output, batch)
        sums = {name: sums[name] + value if name in sums else value for name, value in found.items()}
        seen += count
        if keeps_outputs:
            outputs.append(output)
    for module, was_training in modes:
        module.train(was_training)
    concluded = task.results({name: total.cpu() for name, total in sums.items()}, seen)
    metrics = {"loss": float(loss) / seen, **concluded}
    return Evaluation(metrics, mapped(Tensor.cpu, joined(outputs)) if keeps_outputs else None)
