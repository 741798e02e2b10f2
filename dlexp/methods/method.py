"""How a step is made: the protocol between a method and the training loop, and the plain way as its default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from dlexp.batch import IGNORED, Batch
from dlexp.errors import UserError
from dlexp.metric import Metric
from dlexp.tasks.task import Task

if TYPE_CHECKING:
    from dlexp.data.normalisation import Normalisation


class Outcome(NamedTuple):
    """What a batch came to.

    batch: that which the outputs belong to, where it is not the one that came; while training it may have any number of
    rows, and metrics are means over them. weight: what the loss is a mean over (see `Task.weight`); None: each batch
    counts by its rows. sums: what the task measures of the outputs, where that is known already.
    """

    loss: Tensor
    outputs: Any
    batch: Batch | None = None
    weight: Tensor | int | None = None
    sums: dict[str, Tensor] | None = None

    @property
    def counted(self) -> Tensor:
        """The loss, 0 where nothing counts: a mean over nothing is no number."""
        return torch.where(self.weight > 0, self.loss, 0) if isinstance(self.weight, Tensor) else self.loss


class Moment(NamedTuple):
    """Where a training is: tensors without axes on its device, filled in place, so that nothing is compiled anew.

    step, epoch: optimizer steps and epochs done (int64). progress: the share of the training that is done (float32).
    """

    step: Tensor
    epoch: Tensor
    progress: Tensor

    @classmethod
    def beginning(cls, device: torch.device | None = None) -> Moment:
        """Returns the moment before the first step."""
        step, epoch = (torch.zeros((), dtype=torch.int64, device=device) for _ in range(2))
        return cls(step, epoch, torch.zeros((), device=device))

    def move(self, *, step: int, epoch: int, progress: float) -> None:
        """Fills in where the training is now."""
        self.step.fill_(step)
        self.epoch.fill_(epoch)
        self.progress.fill_(progress)


class Loop(Protocol):
    """What a method that makes its own steps is given: the training's parts, and what is done to them."""

    model: nn.Module
    task: Task

    def gradients(self, loss: Tensor) -> None:
        """Adds the gradients of a loss to the parameters' `grad`."""

    def clear(self) -> None:
        """Forgets the gradients of all parameters."""

    def update(self, part: str | None = None) -> None:
        """Clips the gradients, steps the optimizer (or that of its `parts` alone), and forgets all gradients."""


@dataclass(frozen=True)
class Start:
    """What a method is set up with.

    model: on its device, with its initial weights. load: returns the trained model of a run folder (see `dlexp.load`),
    on the device; one of a regression answers in the unit in which this run's loss sees targets. normalised: how this
    run's inputs are, to be undone for a model that normalises by itself. steps: of the whole training.
    """

    model: nn.Module
    task: Task
    load: Callable[[str], nn.Module]
    normalised: Mapping[str, Normalisation]
    steps: int

    def undone(self, batch: Batch) -> dict[str, Tensor]:
        """Returns a batch's inputs as they were before this run normalised them."""
        inputs = {name: field for name, field in batch.items() if name != "targets"}
        return inputs | {name: each.undone(inputs[name]) for name, each in self.normalised.items() if name in inputs}


class Method(nn.Module):
    """One forward and backward pass a batch, and one update. What a class of its own overrides is done its way.

    Parameters and buffers of a method are saved and resumed with the training. In `loss`, `step` and `evaluate` the
    default generators may be drawn from: their state is saved. What is not overridden costs nothing.
    """

    views: int = 1
    """How often a training batch has each sample, every time augmented anew: first all of them, then all once more."""
    whole: bool = False
    """Whether there is one step, which sees all training samples (see `dlexp.methods.solver`)."""
    trains: bool = False
    """Whether the optimizer trains the method's own parameters; else only `setup` and `after_step` change them."""
    metrics: Mapping[str, Metric] = {}
    """What `evaluate` measures besides the task's metrics, by name."""
    goes_with_average: bool = True
    """Whether an average of the weights (the group ema) is what the method is about, too."""

    def may_choose(self, step: int) -> bool:
        """Returns whether the weights after so many steps are such as the method is to end with."""
        return True

    def setup(self, start: Start) -> None:
        """Called once before the training; a saved state replaces what is made here. Raises UserError."""

    def loss(self, task: Task, model: nn.Module, batch: Batch, moment: Moment) -> Outcome:
        """Returns the loss of a training batch and the outputs it was made of.

        Accumulation, mixed precision, clipping and compiling are around it.
        """
        outputs = task.predict(model, batch)
        return Outcome(task.loss(outputs, batch), outputs, weight=task.weight(outputs, batch))

    def step(self, loop: Loop, batch: Batch, moment: Moment) -> Outcome:
        """Makes the whole step of a batch: passes and updates, as many as it takes. Never compiled, nor accumulated.

        It counts as one step of schedule and averaged weights, whatever it updates.
        """
        raise NotImplementedError

    def evaluate(
        self, task: Task, model: nn.Module, batch: Batch, ask: Callable[..., Any]
    ) -> tuple[Outcome, Mapping[str, Tensor]]:
        """Returns the outcome of a batch of validation or test, and the sums of `metrics` over it.

        Gradients are off; `torch.enable_grad()` turns them on. ask: the option of evaluation, for `task.predict`.
        """
        outputs = task.predict(model, batch, ask)
        return Outcome(task.loss(outputs, batch), outputs, weight=task.weight(outputs, batch)), {}

    def conclude(self, sums: Mapping[str, Tensor], count: int) -> dict[str, float]:
        """Returns the values of `metrics` over `count` samples, by default means of the sums of their names."""
        return {name: float(total) / count for name, total in sums.items()}

    def after_step(self, model: nn.Module, step: int) -> None:
        """Called after each optimizer step, the first being 1, without gradients: masks, averaged copies."""


def want_classes(start: Start, name: str) -> None:
    """Raises UserError where a task learns no classes, of which a method makes distributions."""
    if start.task.learns != "classes" or getattr(start.task, "class_names", None) is None:
        raise UserError(f"method={name} is about classes, and this task ({type(start.task).__name__}) learns none")


def over_all_answers(task: Task, outputs: Tensor, batch: Batch) -> tuple[Tensor, int | None]:
    """Returns a task's loss as a mean over all answers, 0 for those that count nowhere, and how many all are (None:
    as many in each batch).

    For a method that learns something of unlabelled answers, too. Weights of classes weigh as in the loss alone.
    """
    loss = task.loss(outputs, batch)
    if task.weight(outputs, batch) is None:
        return loss, None
    counts = task.judged(outputs, batch)[1]["targets"] != IGNORED
    return loss * counts.sum() / counts.numel(), counts.numel()


def follow_mode(copied: nn.Module, model: nn.Module) -> None:
    """Puts each layer of a model's copy into the mode of its own: which of them train changes where one is frozen."""
    for other, module in zip(copied.modules(), model.modules(), strict=True):
        other.training = module.training


def overrides(part: nn.Module, base: type[nn.Module], name: str) -> bool:
    """Returns whether a class of a person's own says how something is done."""
    return getattr(type(part), name) is not getattr(base, name)
