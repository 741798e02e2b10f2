"""The dress rehearsal: device, model, criterion, optimizer and schedule tried on shapes, before any data is read."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from dlexp.augment.operation import Draw, Mixing
from dlexp.config.build import build, build_augment, build_optimizer
from dlexp.config.lost_state import lost_state
from dlexp.errors import UserError, listed
from dlexp.machine.device import select_device, select_precision
from dlexp.machine.memory import available_bytes
from dlexp.machine.torch_private import start_without_compiler
from dlexp.models.layers import check_shapes
from dlexp.tasks.task import Task, hold_sums_to_metrics, hold_to_protocol
from dlexp.train.state import trained_parameters


def rehearse(config: Mapping[str, Any], is_here: bool) -> list[str]:
    """Returns what would go wrong in the first step, or be lost after it, a sentence each.

    The model is built on the meta device (shapes without memory) and run at the data's shape; the criterion sees
    logits and targets of the right shapes; the optimizer gets one small parameter. Device and memory are looked at for
    a run that `is_here`.
    """
    start_without_compiler()
    problems: list[str] = []

    def tried(attempt: Callable[..., Any], *args: Any) -> Any:
        """Returns what an attempt returns; None where it tells of problems."""
        try:
            return attempt(*args)
        except UserError as error:
            problems.extend(error.problems)
            return None

    if is_here:
        tried(_device, config)
    model: nn.Module | None = tried(_model, config)
    if model is not None:
        if is_here:
            tried(_memory, model)
        tried(_shapes, config, model, config["data"]["shape"])
    measures = tried(_measures, config)
    parameters = _small_parameters(config, model)
    tried(_optimizer, config, [*parameters, *(trained_parameters(nn.Module(), measures[0]) if measures else [])])
    tried(_augment, config, model, measures)
    tried(_evaluation, config)
    return problems or lost_state(config, parameters)


def _device(config: Mapping[str, Any]) -> None:
    device = select_device(config["device"])
    select_precision(config["precision"], device, convolutional=False)


def _model(config: Mapping[str, Any]) -> nn.Module:
    with _refused("model"), torch.device("meta"):
        model: nn.Module = build(config["model"])
    return model


def _shapes(config: Mapping[str, Any], model: nn.Module, shape: list[int]) -> None:
    name = str(config["model"]["_target_"]).rpartition(".")[2]
    check_shapes(model, shape, config["data"]["num_outputs"], name)


def _memory(model: nn.Module) -> None:
    """Raises UserError when the weights alone are more than what is free: the system might end the process instead."""
    tensors = [*model.parameters(), *model.buffers()]
    size, free = sum(tensor.numel() * tensor.element_size() for tensor in tensors), available_bytes()
    if size > free:
        count = sum(parameter.numel() for parameter in model.parameters())
        raise UserError(
            f"the model's {count:,} parameters take {size / 1e9:,.1f} GB, and {free / 1e9:.1f} GB of memory are free;"
            " try a smaller model"
        )


def _measures(config: Mapping[str, Any]) -> tuple[nn.Module, Task]:
    """Returns criterion and task, which go with each other."""
    classes = config["data"]["class_names"]
    if classes and config["task"]["targets"] == "values":
        raise UserError(
            f"the data has classes ({listed(classes, most=3)}), and this task learns values; task=classification learns"
            " classes"
        )
    task, name = build(config["task"]), config["task"]["_target_"]
    hold_to_protocol(task, name)
    outputs = torch.zeros(4, config["data"]["num_outputs"])
    targets = _targets(config, len(outputs))
    try:
        criterion = build(config["criterion"])
        loss = criterion(outputs, targets)
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
    return criterion, task


def _optimizer(config: Mapping[str, Any], named_parameters: list[tuple[str, nn.Parameter]]) -> None:
    with _refused("optimizer"):
        optimizer = build_optimizer(config["optimizer"], named_parameters)
    with _refused("scheduler"):
        build(config["scheduler"], optimizer, 100)


def _small_parameters(config: Mapping[str, Any], model: nn.Module | None) -> list[tuple[str, nn.Parameter]]:
    """Returns parameters with the model's names and number of axes, of one value each; one will do torch's own."""
    if model is None or str(config["optimizer"].get("_target_")).startswith("torch."):
        return [("weight", nn.Parameter(torch.zeros(1)))]
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    return [(name, nn.Parameter(torch.zeros([1] * parameter.ndim))) for name, parameter in trained]


def _augment(config: Mapping[str, Any], model: nn.Module | None, measures: tuple[nn.Module, Task] | None) -> None:
    """Tries the augmentation, the model at the shape that it gives, and `measures` on the targets that it mixes."""
    shape = config["data"]["shape"]
    inputs = torch.zeros(2, *shape, dtype=torch.uint8 if len(shape) == 3 else torch.float32)
    targets = _targets(config, 2)
    draw = Draw(torch.Generator(), epoch=0, samples=torch.arange(2), seed=0)
    with _refused(f"augment at data shape {shape}"):
        augment = build_augment(config["augment"])
        for operation in augment:
            if not isinstance(operation, Mixing):
                inputs = operation(inputs, draw)
        for operation in augment:
            if isinstance(operation, Mixing):
                inputs, targets = operation.mix(inputs.float(), targets, draw)
    if model is not None and list(inputs.shape[1:]) != shape:
        _shapes(config, model, list(inputs.shape[1:]))
    if measures is None or not targets.is_floating_point() or config["task"]["targets"] != "classes":
        return
    criterion, task = measures
    outputs = torch.zeros(len(targets), config["data"]["num_outputs"])
    try:
        criterion(outputs, targets)
        task.sums(outputs, targets)
    except Exception as error:
        names = [name for name, node in config["augment"].items() if node is not None]
        mixers = [f"augment.{name}" for name, each in zip(names, augment, strict=True) if isinstance(each, Mixing)]
        raise UserError(
            f"{' and '.join(mixers)} makes probabilities of class numbers, which criterion"
            f" {config['criterion']['_target_']} with task {config['task']['_target_']} can't take;"
            " criterion=cross_entropy can"
        ) from error


def _targets(config: Mapping[str, Any], count: int) -> torch.Tensor:
    if config["task"]["targets"] == "classes":
        return torch.zeros(count, dtype=torch.int64)
    return torch.zeros(count, config["data"]["num_outputs"])


def _evaluation(config: Mapping[str, Any]) -> None:
    build(config["evaluation"])(nn.Flatten(), torch.zeros(2, *config["data"]["shape"]))


@contextmanager
def _refused(where: str) -> Iterator[None]:
    """Makes a sentence of what a constructor says of a value that it refuses; bugs keep their traceback."""
    try:
        yield
    except (ValueError, TypeError, AssertionError) as error:
        raise UserError(f"{where}: {error}") from error
