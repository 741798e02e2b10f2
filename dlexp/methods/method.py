"""How a step is made: the protocol between a method and the training loop, and today's way as its default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from torch import Tensor, nn

if TYPE_CHECKING:
    from dlexp.batch import Batch
from dlexp.tasks.task import Task


class Outcome(NamedTuple):
    """What a batch came to. batch: that which the outputs belong to, where it is not the one that came (two views)."""

    loss: Tensor
    outputs: Any
    batch: Batch | None = None


class Moment(NamedTuple):
    """Where a training is: tensors without axes on its device, filled in place, so that nothing is compiled anew.

    step, epoch: optimizer steps and epochs done (int64). progress: the share of the training that is done (float32).
    """

    step: Tensor
    epoch: Tensor
    progress: Tensor


class Loop(Protocol):
    """What the training loop does for a method that makes its own steps."""

    def gradients(self, loss: Tensor) -> None:
        """Adds the gradients of a loss, scaled and averaged over accumulated batches as the run says."""

    def update(self, part: str | None = None) -> None:
        """Clips, steps the optimizer (or one of its parts) and clears the gradients of what it trains."""


class Method(nn.Module):
    """One forward and backward pass a batch, and one update. What a class of its own overrides is done its way.

    Its parameters and buffers are saved and resumed with the training; they are trained only where `trained` names
    them. In `loss` the default generators may be drawn from: their state is saved.
    """

    def setup(self, model: nn.Module, task: Task, load: Callable[[str], nn.Module]) -> None:
        """Called once with the initial model on its device, before a saved state replaces what is made here.

        `load` returns the trained model of a run folder. Raises UserError where the method can't be done.
        """

    def loss(self, task: Task, model: nn.Module, batch: Batch, moment: Moment) -> Outcome:
        """Returns the loss of a training batch and the outputs it was made of."""
        outputs = task.predict(model, batch)
        return Outcome(task.loss(outputs, batch), outputs)

    def evaluate(
        self, task: Task, model: nn.Module, batch: Batch, ask: Callable[..., Any]
    ) -> tuple[Outcome, Mapping[str, Tensor]]:
        """Returns the outcome of a batch of validation or test, and sums of the method's own `metrics`."""
        outputs = task.predict(model, batch, ask)
        return Outcome(task.loss(outputs, batch), outputs), {}
