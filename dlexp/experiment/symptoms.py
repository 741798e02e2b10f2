"""Why nothing is learnt, as far as the model and the gradients of some samples show."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dlexp.batch import Batch
from dlexp.experiment.advice import lower_rate
from dlexp.experiment.assemble import Assembly
from dlexp.machine import generators
from dlexp.tasks.task import Task

# Samples that are looked at.
SAMPLES = 256
# Beyond these an activation of any kind bends: with small inputs a sigmoid is nearly a line.
LARGE = 100.0
# Of the last layer's gradient, by the size of the weights: what reaches the first one in a network that learns is more.
VANISHED = 1e-3
# The part of their size by which weights have to move in a training, to have done anything.
FEWEST_CHANGES = 0.01
SQUASHING = (nn.Sigmoid, nn.Tanh, nn.Hardsigmoid, nn.Hardtanh, nn.Softsign)


def likeliest(run: Assembly, config: Mapping[str, Any]) -> str | None:
    """Returns what is likeliest and what to try, or None where nothing shows. Nothing of the training is changed."""
    if any(not each.source.chooses for each in run.train.stored.values()):
        return None  # a stream would be begun anew
    try:
        task = copy.deepcopy(run.task).eval()  # a criterion may count what it has seen
    except Exception:  # a person's own may hold what can't be copied
        return None
    model = run.state.model
    modes = [(module, module.training) for module in model.modules()]
    with generators.kept(run.plan.device):
        batch = run.train.spread(SAMPLES)
        model.eval()
        if _is_linear(task, model, batch, run.train.split.first):
            what = "draws only straight borders" if task.learns == "classes" else "bends nowhere"
            found: str | None = f"The model is linear and {what}: try {_bent(config['model'])}, or another optimizer.lr"
        else:
            found = _of_gradients(_shares(task, model, batch), model, config, run.state.step)
    for module, was_training in modes:
        module.training = was_training
    return found


def _bent(model: Mapping[str, Any]) -> str:
    """Returns what to type for a model that bends."""
    if model.get("depth") == 0:
        return "model.depth=1"
    return "model.activation=relu" if model.get("activation") == "identity" else "model=mlp"


def _is_linear(task: Task, model: nn.Module, batch: Batch, first: str) -> bool:
    """Returns whether the answers to points on a line lie on a line, too, and are not all the same."""
    inputs = batch[first]
    if not inputs.is_floating_point() or len(batch) > 1 + ("targets" in batch):
        return False
    one, other = LARGE * torch.randn_like(inputs), LARGE * torch.randn_like(inputs)
    with torch.no_grad():
        answers = [task(model, {**batch, first: each}) for each in (one, other, 3 * one - 2 * other)]
    if not all(isinstance(each, Tensor) for each in answers):
        return False
    start, end, beyond = (each.double() for each in answers)
    apart, bent = float((start - end).abs().max()), float((3 * start - 2 * end - beyond).abs().max())
    return apart > 0 and bent < 1e-3 * apart


def _shares(task: Task, model: nn.Module, batch: Batch) -> dict[str, float]:
    """Returns the norm of each weight's gradient as a part of the weight's own, by name, in the model's order."""
    named = {name: each for name, each in model.named_parameters() if each.requires_grad and each.ndim > 1}
    with torch.enable_grad():
        loss = task.loss(task.predict(model, batch), batch)
    found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    pairs = zip(named.items(), found, strict=True)
    return {
        name: 0.0 if gradient is None else float(gradient.norm() / weight.detach().norm().clamp(min=1e-30))
        for (name, weight), gradient in pairs
    }


def _of_gradients(shares: Mapping[str, float], model: nn.Module, config: Mapping[str, Any], steps: int) -> str | None:
    if not shares:
        return None
    sizes, optimizer = list(shares.values()), config["optimizer"]
    if not any(sizes) and len(sizes) > 1 and not any(bool(each.any()) for each in model.parameters() if each.ndim > 1):
        return "All weights are 0, which no gradient gets through, as init=zeros begins: try init=pytorch"
    if not any(sizes):
        what = "No gradient reaches any layer, as where too large steps have silenced all units"
        return f"{what}: try {lower_rate(optimizer, config['recipe'])}, or a model with batch norm"
    if len(sizes) > 2 and sizes[0] < VANISHED * sizes[-1]:
        squashing = [type(each).__name__ for each in model.modules() if isinstance(each, SQUASHING)]
        through = f" through {len(squashing)} layers of {squashing[0]}" if squashing else ""
        other = "model.activation=relu" if "activation" in config["model"] and squashing else "fewer layers"
        return (
            f"The gradient dies on its way back{through} (by the size of the weights that of the first layer is"
            f" {sizes[0] / sizes[-1]:.1g} of that of the last): try {other}, or a model with batch norm"
        )
    lr = optimizer.get("lr")
    is_scaled = str(optimizer.get("_target_")) == "torch.optim.SGD"  # other optimizers divide by the gradient's size
    if isinstance(lr, float) and is_scaled:
        moved = steps * lr * max(sizes) / (1 - optimizer.get("momentum", 0.0))
        if moved < FEWEST_CHANGES:
            return f"The steps move no weight by 1 % of its size: try optimizer.lr={100 * lr:g} (a hundred times)"
    return None
