"""The dress rehearsal: device, model, criterion, optimizer and schedule tried on shapes, before any data is read."""

import torch
from omegaconf import DictConfig

from dlexp.build import build, build_augment, plain
from dlexp.data.batches import Draw
from dlexp.data.memory import available_bytes
from dlexp.device import select_device, select_precision
from dlexp.errors import UserError
from dlexp.summary import check_shapes


def rehearse(cfg: DictConfig) -> list[str]:
    """Returns what would go wrong in the first step, a sentence each.

    The model is built on the meta device (shapes without memory) and run at the data's shape; the criterion sees
    logits and targets of the right shapes; the optimizer gets one small parameter.
    """
    problems: list[str] = []
    for attempt in (_device, _model, _criterion, _optimizer, _augment):
        try:
            attempt(cfg)
        except UserError as error:
            problems.append(str(error))
    return problems


def _device(cfg: DictConfig) -> None:
    device = select_device(cfg.device)
    select_precision(cfg.precision, device, convolutional=False)


def _model(cfg: DictConfig) -> None:
    shape, num_outputs = plain(cfg.data.shape), cfg.data.num_outputs
    try:
        with torch.device("meta"):
            model = build(cfg.model)
    except Exception as error:
        raise _cause(error, "model") from error
    _hold_against_memory(model)
    check_shapes(model, shape, num_outputs, name=str(cfg.model["_target_"]).rpartition(".")[2])


def _hold_against_memory(model: torch.nn.Module) -> None:
    """Raises UserError when the weights alone are more than what is free: the system might end the process instead."""
    tensors = [*model.parameters(), *model.buffers()]
    size, free = sum(tensor.numel() * tensor.element_size() for tensor in tensors), available_bytes()
    if free is not None and size > free:
        count = sum(parameter.numel() for parameter in model.parameters())
        raise UserError(
            f"the model's {count:,} parameters take {size / 1e9:,.1f} GB, and {free / 1e9:.1f} GB of memory are free;"
            " try a smaller model"
        )


def _criterion(cfg: DictConfig) -> None:
    task = build(cfg.task)
    outputs = torch.zeros(4, cfg.data.num_outputs)
    classes = cfg.task.targets == "classes"
    targets = torch.zeros(4, dtype=torch.int64) if classes else torch.zeros_like(outputs)
    try:
        loss = build(cfg.criterion)(outputs, targets)
        task.sums(outputs, targets)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"criterion {cfg.criterion['_target_']} does not go with task {cfg.task['_target_']}: {error}"
            f"; classification takes criterion=cross_entropy, nll or hinge, regression criterion=mse"
        ) from error
    if loss.ndim:
        raise UserError(
            f"criterion {cfg.criterion['_target_']} gives a tensor of shape {list(loss.shape)}, not one number"
        )


def _optimizer(cfg: DictConfig) -> None:
    try:
        optimizer = build(cfg.optimizer, [torch.nn.Parameter(torch.zeros(1))])
    except Exception as error:
        raise _cause(error, "optimizer") from error
    try:
        build(cfg.scheduler, optimizer, 100)
    except Exception as error:
        raise _cause(error, "scheduler") from error


def _augment(cfg: DictConfig) -> None:
    shape = plain(cfg.data.shape)
    try:
        images = torch.zeros(2, *shape, dtype=torch.uint8 if len(shape) == 3 else torch.float32)
        for operation in build_augment(cfg.augment):
            images = operation(images, Draw(torch.Generator(), epoch=0, samples=torch.arange(2)))
    except Exception as error:
        raise _cause(error, f"augment at data shape {shape}") from error


def _cause(error: Exception, where: str) -> Exception:
    """Returns the UserError for a value that a constructor refused, or the error itself: bugs keep their traceback."""
    cause = error.__cause__ or error
    if isinstance(cause, UserError):
        return cause
    if isinstance(cause, (ValueError, TypeError, AssertionError)):
        return UserError(f"{where}: {cause}")
    return error
