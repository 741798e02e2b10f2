"""The dress rehearsal: device, model, criterion, optimizer and schedule tried on shapes, before any data is read."""

from collections.abc import Mapping
from typing import Any

import torch

from dlexp.augment.operation import Draw, Mixing
from dlexp.config.build import build, build_augment, build_optimizer
from dlexp.config.lost_state import lost_state
from dlexp.errors import UserError
from dlexp.machine.device import select_device, select_precision
from dlexp.machine.memory import available_bytes
from dlexp.machine.torch_private import start_without_compiler
from dlexp.models.layers import check_shapes
from dlexp.tasks.task import hold_sums_to_metrics, hold_to_protocol
from dlexp.train.state import trained_parameters


def rehearse(config: Mapping[str, Any], is_here: bool) -> list[str]:
    """Returns what would go wrong in the first step, or be lost after it, a sentence each.

    The model is built on the meta device (shapes without memory) and run at the data's shape; the criterion sees
    logits and targets of the right shapes; the optimizer gets one small parameter. Device and memory are looked at for
    a run that `is_here`.
    """
    start_without_compiler()
    problems: list[str] = []
    everywhere = (_model, _criterion, _optimizer, _augment, _evaluation)
    for attempt in (_device, _memory, *everywhere) if is_here else everywhere:
        try:
            attempt(config)
        except UserError as error:
            problems += error.problems
    return problems or lost_state(config, _small_parameters(config))


def _device(config: Mapping[str, Any]) -> None:
    device = select_device(config["device"])
    select_precision(config["precision"], device, convolutional=False)


def _model(config: Mapping[str, Any], shape: list[int] | None = None) -> None:
    """Tries the model at the data's shape, or at another that it will see."""
    shape, num_outputs = shape or config["data"]["shape"], config["data"]["num_outputs"]
    try:
        with torch.device("meta"):
            model = build(config["model"])
    except Exception as error:
        raise _cause(error, "model") from error
    check_shapes(model, shape, num_outputs, name=str(config["model"]["_target_"]).rpartition(".")[2])


def _memory(config: Mapping[str, Any]) -> None:
    """Raises UserError when the weights alone are more than what is free: the system might end the process instead."""
    try:
        with torch.device("meta"):
            model = build(config["model"])
    except Exception:  # `_model` tells of it
        return
    tensors = [*model.parameters(), *model.buffers()]
    size, free = sum(tensor.numel() * tensor.element_size() for tensor in tensors), available_bytes()
    if size > free:
        count = sum(parameter.numel() for parameter in model.parameters())
        raise UserError(
            f"the model's {count:,} parameters take {size / 1e9:,.1f} GB, and {free / 1e9:.1f} GB of memory are free;"
            " try a smaller model"
        )


def _criterion(config: Mapping[str, Any]) -> None:
    task, name = build(config["task"]), config["task"]["_target_"]
    hold_to_protocol(task, name)
    outputs = torch.zeros(4, config["data"]["num_outputs"])
    targets = _targets(config, len(outputs))
    try:
        loss = build(config["criterion"])(outputs, targets)
        hold_sums_to_metrics(task, task.sums(outputs, targets), name)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"criterion {config['criterion']['_target_']} does not go with task {config['task']['_target_']}: {error}"
            f"; classification takes criterion=cross_entropy, nll or hinge, regression criterion=mse"
        ) from error
    if loss.ndim:
        raise UserError(
            f"criterion {config['criterion']['_target_']} gives a tensor of shape {list(loss.shape)}, not one number"
        )


def _optimizer(config: Mapping[str, Any]) -> None:
    try:
        optimizer = build_optimizer(
            config["optimizer"], [*_small_parameters(config), *_parameters_of_criterion(config)]
        )
    except Exception as error:
        raise _cause(error, "optimizer") from error
    try:
        build(config["scheduler"], optimizer, 100)
    except Exception as error:
        raise _cause(error, "scheduler") from error


def _small_parameters(config: Mapping[str, Any]) -> list[tuple[str, torch.nn.Parameter]]:
    """Returns parameters with the model's names and number of axes, of one value each; one will do torch's own."""
    if str(config["optimizer"].get("_target_")).startswith("torch."):
        return [("weight", torch.nn.Parameter(torch.zeros(1)))]
    try:
        with torch.device("meta"):
            model = build(config["model"])
    except Exception:  # `_model` tells of it
        return [("weight", torch.nn.Parameter(torch.zeros(1)))]
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    return [(name, torch.nn.Parameter(torch.zeros([1] * parameter.ndim))) for name, parameter in trained]


def _parameters_of_criterion(config: Mapping[str, Any]) -> list[tuple[str, torch.nn.Parameter]]:
    try:
        return trained_parameters(torch.nn.Module(), build(config["criterion"]))
    except Exception:  # `_criterion` tells of it
        return []


def _augment(config: Mapping[str, Any]) -> None:
    shape = config["data"]["shape"]
    inputs = torch.zeros(2, *shape, dtype=torch.uint8 if len(shape) == 3 else torch.float32)
    targets = _targets(config, 2)
    draw = Draw(torch.Generator(), epoch=0, samples=torch.arange(2), seed=0)
    try:
        augment = build_augment(config["augment"])
        for operation in augment:
            if not isinstance(operation, Mixing):
                inputs = operation(inputs, draw)
        for operation in augment:
            if isinstance(operation, Mixing):
                inputs, targets = operation.mix(inputs.float(), targets, draw)
    except Exception as error:
        raise _cause(error, f"augment at data shape {shape}") from error
    if list(inputs.shape[1:]) != shape:
        _model(config, list(inputs.shape[1:]))
    if targets.is_floating_point() and config["task"]["targets"] == "classes":
        names = [name for name, node in config["augment"].items() if node is not None]
        mixers = [f"augment.{name}" for name, each in zip(names, augment, strict=True) if isinstance(each, Mixing)]
        _mixed_classes(config, targets, " and ".join(mixers))


def _mixed_classes(config: Mapping[str, Any], targets: torch.Tensor, mixers: str) -> None:
    """Tries criterion and task on probabilities, unless the criterion does not even take class numbers."""
    criterion, task = build(config["criterion"]), build(config["task"])
    outputs = torch.zeros(len(targets), config["data"]["num_outputs"])
    try:
        criterion(outputs, _targets(config, len(targets)))
    except Exception:
        return
    try:
        criterion(outputs, targets)
        task.sums(outputs, targets)
    except Exception as error:
        raise UserError(
            f"{mixers} makes probabilities of class numbers, which criterion {config['criterion']['_target_']} with"
            f" task {config['task']['_target_']} can't take; criterion=cross_entropy can"
        ) from error


def _targets(config: Mapping[str, Any], count: int) -> torch.Tensor:
    if config["task"]["targets"] == "classes":
        return torch.zeros(count, dtype=torch.int64)
    return torch.zeros(count, config["data"]["num_outputs"])


def _evaluation(config: Mapping[str, Any]) -> None:
    build(config["evaluation"])(torch.nn.Flatten(), torch.zeros(2, *config["data"]["shape"]))


def _cause(error: Exception, where: str) -> Exception:
    """Returns the UserError for a value that a constructor refused, or the error itself: bugs keep their traceback."""
    if isinstance(error, (ValueError, TypeError, AssertionError)):
        return UserError(f"{where}: {error}")
    return error
