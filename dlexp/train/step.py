"""The two halves of an optimizer step: gradients of a batch, compiled where asked, and the update."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dlexp.batch import Batch, mapped
from dlexp.errors import UserError
from dlexp.machine.torch_private import compile_errors, step_of, trace_autograd
from dlexp.tasks.task import Task

Gradients = Callable[[Batch, Tensor | float], tuple[Tensor, Any]]


def gradients_of(model: nn.Module, task: Task, device: torch.device) -> Gradients:
    """Returns the function (batch, factor) → (loss, outputs), both without graph.

    It adds `factor` times the gradient of the loss to each parameter's `grad`; the loss itself is not multiplied.
    """

    def gradients(batch: Batch, factor: Tensor | float) -> tuple[Tensor, Any]:
        outputs = task.predict(model, batch)
        loss = task.loss(outputs, batch)
        (loss if type(factor) is float and factor == 1 else loss * factor).backward()  # type: ignore[no-untyped-call]
        return loss.detach(), mapped(Tensor.detach, outputs)

    return gradients


def compiled_gradients_of(model: nn.Module, task: Task, device: torch.device) -> Gradients:
    """Returns what `gradients_of` does, as code that torch generates for this model: forward and backward in one.

    The first call takes seconds (a small net) to minutes. On CUDA the step is recorded as a CUDA graph.

    Raises, when called:
        UserError: the code can't be generated, or there is no compiler for it.
    """
    parameters = [*model.parameters(), *task.parameters()]

    def loss_and_outputs(batch: Batch) -> tuple[Any, ...]:
        outputs = task.predict(model, batch)
        return task.loss(outputs, batch), outputs

    # What is trained is an argument, since torch 2.11 does not look at it again: less from the step on at which a
    # group's part of the run is over.
    def loss_and_gradients(is_trained: tuple[bool, ...], batch: Batch, factor: Tensor | float) -> tuple[Any, ...]:
        loss, outputs = forward(batch)
        trained = [parameter for parameter, included in zip(parameters, is_trained, strict=True) if included]
        gradients = torch.autograd.grad(loss * factor, trained, allow_unused=True)
        return loss.detach(), mapped(Tensor.detach, outputs), gradients

    mode = "reduce-overhead" if device.type == "cuda" else None
    # Each size of image has its own code: one for all would depend on the sizes that came before, so a run that goes on
    # would differ in its last bits from one that was never stopped.
    generated = partial(torch.compile, fullgraph=True, mode=mode, dynamic=False)
    is_one_graph = trace_autograd()
    forward = loss_and_outputs if is_one_graph else generated(loss_and_outputs)
    compiled = generated(loss_and_gradients) if is_one_graph else loss_and_gradients

    def gradients(batch: Batch, factor: Tensor | float) -> tuple[Tensor, Any]:
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        if device.type == "cuda":  # of the batch before, with `accumulate`: the graph is about to reuse its memory
            for parameter in trained:
                parameter.grad = None if parameter.grad is None else parameter.grad.clone()
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        is_trained = tuple(parameter.requires_grad for parameter in parameters)
        try:
            loss, outputs, found = compiled(is_trained, batch, factor)
        except compile_errors() as error:
            raise UserError(_why_not_compiled(error)) from error
        for parameter, gradient in zip(trained, found, strict=True):
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
        return loss, outputs

    return gradients


def _why_not_compiled(error: Exception) -> str:
    reason = " ".join(str(error).split())
    if "C++ compiler" in reason:
        return "compile=true needs a C++ compiler, and torch finds none that works: install g++ or clang"
    return f"compile=true can't compile this model ({reason[:200]}); leave it out"


def rest_finished(optimizer: Optimizer) -> None:
    """Spares the gradients of groups whose part of the run is over: their learning rate stays 0."""
    for group in optimizer.param_groups:
        if group.get("until", 1.0) < 1 and group["lr"] == 0:
            for parameter in group["params"]:
                parameter.requires_grad_(False)


def update_of(optimizer: Optimizer, scaler: torch.amp.GradScaler, grad_clip: float | None) -> Callable[[], None]:
    """Returns the function that clips the gradients, steps the optimizer and clears the gradients."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    step = step_of(optimizer)

    def update() -> None:
        if grad_clip is not None:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(parameters, grad_clip)
        if scaler.is_enabled():
            scaler.step(optimizer)
            scaler.update()
        else:
            step()
        for parameter in parameters:
            parameter.grad = None

    return update
