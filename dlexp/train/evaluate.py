"""Evaluation of a model on one split."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dlexp.batch import Batch, added, joined, mapped, num_rows
from dlexp.machine.device import flushing_denormals, sum_dtype
from dlexp.methods.method import Method
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
    model: nn.Module,
    task: Task,
    method: Method,
    ask: Ask,
    batches: Batches,
    plan: Plan,
    *,
    keeps_outputs: bool = False,
) -> Evaluation:
    """Runs all three modules in evaluation mode over all samples; afterwards each is in the mode it was in before.

    `ask` gets the outputs of a batch from the model: once, or as a mean over several views.
    """
    modes = [(module, module.training) for module in (model, task, method)]
    for module, _ in modes:
        module.eval()
    loss: Any = 0.0
    weights: Any = 0
    sums: dict[str, Tensor] = {}
    own: dict[str, Tensor] = {}
    outputs, seen = [], 0
    for batch in batches.epoch(0):
        outcome, measured = method.evaluate(task, model, batch, ask)
        count = num_rows(batch)
        weight = count if outcome.weight is None else outcome.weight
        loss, weights = loss + outcome.counted.to(sum_dtype(plan.device)) * weight, weights + weight
        sums = added(sums, task.sums(outcome.outputs, outcome.batch or batch))
        own = added(own, measured)
        seen += count
        if keeps_outputs:
            outputs.append(outcome.outputs)
    for module, was_training in modes:
        module.train(was_training)
    metrics = {"loss": float(loss) / (float(weights) or 1.0)}  # nothing may have counted
    for conclude, totals in ((task.results, sums), (method.conclude, own)):
        metrics |= conclude({name: total.cpu() for name, total in totals.items()}, seen)
    return Evaluation(metrics, mapped(Tensor.cpu, joined(outputs)) if keeps_outputs else None)
