"""What guessing gives by a task's own loss, which tells a training that learns nothing from one that does."""

import copy
from typing import Any

import torch

from dlexp.batch import Batch, first_of
from dlexp.machine import generators
from dlexp.tasks.task import Task
from dlexp.train.batches import Batches

# Training samples that are guessed, and numbers that all guesses together have at most.
GUESSED, MOST = 100, 2**24


def tell_guess(task: Task, train: Batches) -> None:
    """Tells a task the loss of its `undecided` outputs of some training samples.

    A loss that cannot be made of them, or that is 0 of outputs which know nothing (the perceptron's), says nothing of
    guessing; and by other metrics alone nobody is told that nothing is learnt.
    """
    if type(task).undecided is Task.undecided:
        return
    loss = None
    if train.can_be_seen_again:
        batch = train.spread(GUESSED)
        answers = batch.get("targets", first_of(batch))
        every = -(-answers.numel() * getattr(task, "num_outputs", 1) // MOST) or 1
        batch = {name: field[::every] for name, field in batch.items()}
        loss = loss_of(task, task.undecided(batch), batch)
    task.chance = {"loss": loss, **task.chance} if loss is not None and loss > 0 else {}


def loss_of(task: Task, outputs: Any, batch: Batch) -> float | None:
    """Returns a task's loss of outputs; None where a person's own asks for others, or for more of the batch."""
    with generators.kept(next(iter(batch.values())).device), torch.no_grad():
        probe = copy.deepcopy(task).eval()  # a criterion may count what it has seen
        try:
            return float(probe.loss(outputs, batch))
        except Exception:
            return None
