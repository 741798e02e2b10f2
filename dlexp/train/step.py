"""The two halves of an optimizer step: gradients of a batch, compiled where asked, and the update."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dlexp.batch import Batch, mapped
from dlexp.errors import UserError, listed
from dlexp.machine.torch_private import compile_errors, step_of, trace_autograd
from dlexp.methods.method import Method, Outcome, overrides
from dlexp.tasks.task import Task
from dlexp.train.state import TrainState

Gradients = Callable[[Batch, Tensor | float], Outcome]
Look = Callable[[], None] | None


def halves(
    state: TrainState, grad_clip: float | None, look: Look, *, compiles: bool, weighs: bool
) -> tuple[Gradients, Callable[..., None]]:
    """Returns what adds the gradients of a batch, and what updates the weights by them.

    For a method that makes its own steps, and an optimizer that asks for the loss as often as it wants, the first one
    does both. look: called before each update, with the gradients as they are.
    """
    if overrides(state.method, Method, "step"):
        return OwnSteps(state, grad_clip, look), lambda divisor: None
    gradients = (compiled_gradients_of if compiles else gradients_of)(state, weighs=weighs)
    if wants_closure(state.optimizer):
        return closing_step_of(state, gradients, grad_clip, look), lambda divisor: None
    return gradients, update_of(state.optimizer, state.scaler, grad_clip, look)


def gradients_of(state: TrainState, *, weighs: bool = False) -> Gradients:
    """Returns the function (batch, factor) → outcome, without graph.

    It adds `factor` times the gradient of the loss to each parameter's `grad`; the loss itself is not multiplied. With
    `weighs` the gradient is multiplied by the outcome's weight as well: that of a sum and not of a mean.
    """
    method, task, model, moment = state.method, state.task, state.model, state.moment

    def gradients(batch: Batch, factor: Tensor | float) -> Outcome:
        loss, outputs, used, weight = method.loss(task, model, batch, moment)[:4]
        whole = loss * weight if weighs and weight is not None else loss
        (whole if type(factor) is float and factor == 1 else whole * factor).backward()  # type: ignore[no-untyped-call]
        return Outcome(loss.detach(), mapped(Tensor.detach, outputs), used or batch, weight)

    return gradients


def compiled_gradients_of(state: TrainState, *, weighs: bool = False) -> Gradients:
    """Returns what `gradients_of` does, as code that torch generates for this model: forward, backward and sums in one.

    The first call takes seconds (a small net) to minutes. On CUDA the step is recorded as a CUDA graph.

    Raises, when called:
        UserError: the code can't be generated, or there is no compiler for it.
    """
    method, task, model, moment = state.method, state.task, state.model, state.moment
    parameters, device = [*model.parameters(), *task.parameters(), *method.parameters()], state.losses.device

    def loss_and_outputs(batch: Batch) -> tuple[Any, ...]:
        loss, outputs, used, weight = method.loss(task, model, batch, moment)[:4]
        return loss, outputs, used, weight

    # What is trained is an argument, since torch 2.11 does not look at it again: less from the step on at which a
    # group's part of the run is over.
    def loss_and_gradients(
        is_trained: tuple[bool, ...], batch: Batch, factor: Tensor | float, measures: bool
    ) -> tuple[Any, ...]:
        loss, outputs, used, weight = forward(batch)
        whole = loss * weight if weighs and weight is not None else loss
        trained = [parameter for parameter, included in zip(parameters, is_trained, strict=True) if included]
        gradients = torch.autograd.grad(whole * factor, trained, allow_unused=True)
        outputs = mapped(Tensor.detach, outputs)
        if measures:
            return loss.detach(), None, used, weight, task.sums(outputs, used or batch), gradients
        return loss.detach(), outputs, used, weight, None, gradients

    torch.compiler.reset()  # of earlier runs of this process: torch keeps 8 versions of one function, then it fails
    mode = "reduce-overhead" if device.type == "cuda" else None
    # Each size of image has its own code: one for all would depend on the sizes that came before, so a run that goes on
    # would differ in its last bits from one that was never stopped.
    generated = partial(torch.compile, fullgraph=True, mode=mode, dynamic=False)
    is_one_graph = trace_autograd()
    forward = loss_and_outputs if is_one_graph else generated(loss_and_outputs)
    compiled = generated(loss_and_gradients) if is_one_graph else loss_and_gradients
    measures = is_one_graph and device.type != "cuda" and are_ours(task)

    def gradients(batch: Batch, factor: Tensor | float) -> Outcome:
        nonlocal measures
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        if device.type == "cuda":  # of the batch before, with `accumulate`: the graph is about to reuse its memory
            for parameter in trained:
                parameter.grad = None if parameter.grad is None else parameter.grad.clone()
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        is_trained = tuple(parameter.requires_grad for parameter in parameters)
        try:
            loss, outputs, used, weight, sums, found = compiled(is_trained, batch, factor, measures)
        except Exception as error:
            if measures:  # what is no one graph with its sums may be one without them
                measures = False
                return gradients(batch, factor)
            if isinstance(error, compile_errors()):
                raise UserError(_why_not_compiled(error)) from error
            raise
        for parameter, gradient in zip(trained, found, strict=True):
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
        return Outcome(loss, outputs, used or batch, weight, sums)

    return gradients


def are_ours(task: Task) -> bool:
    """Returns whether all that a task measures is our own code, which a graph takes as it is.

    Of a person's own a graph would keep what Python does beside the tensors as it was the first time.
    """
    return all(type(each).__module__.startswith("dlexp.") for each in (task, *task.chosen.values(), *task.own.values()))


def _why_not_compiled(error: Exception) -> str:
    reason = " ".join(str(error).split())
    if "C++ compiler" in reason:
        return "compile=true needs a C++ compiler, and torch finds none that works: install g++ or clang"
    return f"compile=true can't compile this model ({reason[:200]}); leave it out"


def update_of(
    optimizer: Optimizer, scaler: torch.amp.GradScaler, grad_clip: float | None, look: Look = None
) -> Callable[..., None]:
    """Returns the function that clips the gradients, steps the optimizer and clears the gradients.

    It takes what the gradients are to be divided by first, where they are sums.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    # One that asks for the loss is only tried by this, and told 0.
    step = partial(optimizer.step, lambda: 0.0) if wants_closure(optimizer) else step_of(optimizer)

    def update(divisor: Tensor | None = None) -> None:
        if divisor is not None:
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.grad.div_(torch.where(divisor > 0, divisor, 1))  # nothing may have counted
        if grad_clip is not None or look is not None:
            scaler.unscale_(optimizer)
        if look is not None:
            look()
        if grad_clip is not None:
            nn.utils.clip_grad_norm_(parameters, grad_clip)
        if scaler.is_enabled():
            scaler.step(optimizer)
            scaler.update()
        else:
            step()
        for parameter in parameters:
            parameter.grad = None

    return update


def wants_closure(optimizer: Optimizer) -> bool:
    """Returns whether an optimizer's step asks for the loss again, as L-BFGS does."""
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    return closure is not None and closure.default is closure.empty


def closing_step_of(state: TrainState, gradients: Gradients, grad_clip: float | None, look: Look) -> Gradients:
    """Returns the function that steps an optimizer which asks for the loss and its gradients as often as it wants.

    What it returns is the outcome before the step.
    """
    optimizer: Any = state.optimizer
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]

    def step(batch: Batch, factor: Tensor | float) -> Outcome:
        outcomes: list[Outcome] = []

        def closure() -> Tensor:
            for parameter in parameters:
                parameter.grad = None
            outcome = gradients(batch, factor)
            for parameter in parameters:  # torch's L-BFGS views them as one row, which channels-last order is not
                parameter.grad = None if parameter.grad is None else parameter.grad.contiguous()
            if look is not None and not outcomes:
                look()
            if grad_clip is not None:
                nn.utils.clip_grad_norm_(parameters, grad_clip)
            outcomes.append(outcome if not outcomes else outcome._replace(outputs=None))
            return outcome.loss

        optimizer.step(closure)
        for parameter in parameters:
            parameter.grad = None
        return outcomes[0]

    return step


class OwnSteps:
    """What a method that makes its own steps is given: see `dlexp.methods.method.Loop`."""

    def __init__(self, state: TrainState, grad_clip: float | None, look: Look) -> None:
        self.model, self.task, self._state = state.model, state.task, state
        optimizers: dict[str | None, Optimizer] = {None: state.optimizer}
        optimizers |= zip(*_parts_of(state.optimizer), strict=True)
        no_scaler = torch.amp.GradScaler(state.losses.device.type, enabled=False)
        self._updates = {name: update_of(each, no_scaler, grad_clip, look) for name, each in optimizers.items()}

    def __call__(self, batch: Batch, factor: Tensor | float) -> Outcome:
        """Makes the whole step of a batch."""
        loss, outputs, used, weight = self._state.method.step(self, batch, self._state.moment)[:4]
        return Outcome(loss.detach(), mapped(Tensor.detach, outputs), used or batch, weight)

    def gradients(self, loss: Tensor) -> None:
        loss.backward()  # type: ignore[no-untyped-call]

    def clear(self) -> None:
        self._state.optimizer.zero_grad()

    def update(self, part: str | None = None) -> None:
        if part not in self._updates:
            names = [str(name) for name in self._updates if name is not None]
            raise UserError(f"the optimizer has no part '{part}'; it has {listed(names) or 'none (optimizer.parts)'}")
        self._updates[part]()
        self.clear()


def _parts_of(optimizer: Optimizer) -> tuple[list[str], list[Optimizer]]:
    return getattr(optimizer, "names", []), getattr(optimizer, "parts", [])
