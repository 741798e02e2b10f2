"""Evaluation of a model on one split."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dlexp.machine.device import autocast, flushing_denormals, sum_dtype
from dlexp.train.batches import Batches
from dlexp.train.fit import Plan, Sums

Ask = Callable[[nn.Module, Tensor], Tensor]


@dataclass(frozen=True)
class Evaluation:
    """Means over a split (`loss` and the task's metrics) and, on the CPU, the outputs for every sample in order."""

    means: dict[str, float]
    outputs: Tensor


@torch.no_grad()
@flushing_denormals()
def evaluate(model: nn.Module, ask: Ask, batches: Batches, criterion: nn.Module, sums: Sums, plan: Plan) -> Evaluation:
    """Runs model and criterion in evaluation mode over all samples; afterwards each is in the mode it was in before.

    `ask` gets the outputs of a batch from the model: once, or as a mean over several views.
    """
    modes = [(module, module.training) for module in (model, criterion)]
    for module, _ in modes:
        module.eval()
    totals: dict[str, Tensor] = {}
    outputs = []
    for inputs, targets in batches.epoch(0):
        with autocast(plan.device, plan.precision):
            output = ask(model, inputs)
        output = output.float()
        found = {"loss": criterion(output, targets).to(sum_dtype(plan.device)) * len(targets), **sums(output, targets)}
        totals = {name: totals[name] + value if name in totals else value for name, value in found.items()}
        outputs.append(output)
    for module, was_training in modes:
        module.train(was_training)
    means = {name: total.item() / batches.num_samples for name, total in totals.items()}
    return Evaluation(means, torch.cat(outputs).cpu())
