"""How large a run will be, before any of it is there: parameters, optimizer steps, bytes in its folder."""

import math
import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dlexp.config.build import build, build_optimizer, build_task, load_data, prepared, target
from dlexp.data.fetch.files import find, search_roots
from dlexp.errors import UserError
from dlexp.experiment.assemble import make_plan
from dlexp.experiment.initial_weights import freeze
from dlexp.records.checkpoints import KEPT

# A state holds besides: the losses of an epoch's batches, generators, names, zip headers.
STATE_BYTES = 20_000


def num_training_samples(data: Mapping[str, Any]) -> int:
    """Returns how many samples a training would see an epoch, where that costs little and writes nothing.

    Sets of dlexp are generated or read from where they lie (images are only counted).

    Raises:
        UserError: it can't be known without a download, or without calling what a person wrote; or the data is wrong.
    """
    function: Any = target(data["_target_"])
    if not function.__module__.startswith("dlexp."):
        raise UserError(f"{function.__module__} is your own: it would have to run")
    source = getattr(sys.modules[function.__module__], "SOURCE", None)
    if source is not None and find(source, search_roots(data["root"])) is None:
        raise UserError(f"{source.name} is not on this machine yet")
    kept = {"in_memory": False} if "in_memory" in data else {}
    return len(prepared(load_data({**data, **kept}), {**data, "sampling": None}).train)  # it draws as many


def num_steps(config: Mapping[str, Any], num_samples: int) -> tuple[int, int]:
    """Returns optimizer steps and epochs of a whole training (patience may end it before)."""
    num_batches = num_samples // min(config["batch_size"], num_samples)
    if config["overfit_batches"] is not None:
        num_batches = min(num_batches, config["overfit_batches"])
    plan = make_plan(config, num_batches, torch.device("cpu"), torch.float32)
    steps = plan.total_steps(num_batches)
    return steps, math.ceil(steps / plan.steps_per_epoch(num_batches))


def skeleton(config: Mapping[str, Any]) -> nn.Module:
    """Returns the model without memory for its weights, frozen where the config says so.

    Raises:
        UserError: a pattern of `freeze` matches nothing, or all is frozen.
    """
    with torch.device("meta"):
        model: nn.Module = build(config["model"])
    freeze(model, config["freeze"])
    return model


def num_bytes(config: Mapping[str, Any], model: nn.Module, seconds: float | None) -> int:
    """Returns the bytes of weights and states that a finished run keeps, at most.

    Weights: the last, and the best where there is a validation, which are one file if they are the same. States: of a
    run that ends before its first save only the last. What an optimizer keeps is seen from a step of it with a value
    for each parameter.
    """
    weights = _bytes(model.state_dict()) + _bytes(build_task(config).state_dict())
    keep = config["checkpoint"]["keep"]
    if keep != "resume":
        return weights if keep == "best" else 0
    average = _bytes(build(config["ema"], model).state_dict())
    state = weights + average + _optimizer_bytes(config, model) + STATE_BYTES
    every = config["checkpoint"]
    by_clock = every["every_minutes"] is not None and (seconds is None or seconds > 60 * every["every_minutes"])
    is_saved_before = by_clock or every["every_epochs"] is not None or every["every_steps"] is not None
    validates = config["data"]["folds"] or config["data"]["val_size"] > 0 or config["overfit_batches"] is not None
    num_weights = 2 if validates else 1
    return num_weights * weights + (KEPT if is_saved_before else 1) * state


def _bytes(tensors: Mapping[str, Any]) -> int:
    return sum(each.numel() * each.element_size() for each in tensors.values() if isinstance(each, Tensor))


def _optimizer_bytes(config: Mapping[str, Any], model: nn.Module) -> int:
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    small = [(name, nn.Parameter(torch.ones([1] * parameter.ndim))) for name, parameter in trained]
    optimizer = build_optimizer(config["optimizer"], small)
    for _, parameter in small:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    total = 0
    for (_, parameter), (_, one) in zip(trained, small, strict=True):
        kept = [value for value in optimizer.state.get(one, {}).values() if isinstance(value, Tensor)]
        total += sum(value.element_size() * parameter.numel() for value in kept if value.shape == one.shape)
    return total
