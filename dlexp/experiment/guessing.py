"""What guessing gives by a task's own loss, which tells a training that learns nothing from one that does."""

import copy
import math
from collections.abc import Mapping
from typing import Any

import torch

from dlexp.batch import Batch
from dlexp.data.fields import Field
from dlexp.machine import generators
from dlexp.tasks.task import Task

SAMPLES, SIDE = 16, 8  # of made-up answers
EVEN, SKEWED = 1, 4  # classes as often as each other, and the first ones far more often


def tell_guess(task: Task, fields: Mapping[str, Field], device: torch.device) -> None:
    """Tells a task of classes the loss of its `undecided` outputs, where that is the same whatever the answers are.

    It is not where classes weigh unequally in it (Dice), and 0 says nothing of guessing (the perceptron): then nobody
    knows, and by other metrics alone no run is told that it learns nothing.
    """
    name = "targets" if "targets" in fields else next(iter(fields))
    sizes = [SAMPLES, *(min(size or SIDE, SIDE) for size in fields[name].shape)]
    draws, losses = torch.rand(sizes, generator=torch.Generator().manual_seed(0)), list[float | None]()
    for power in (EVEN, SKEWED):
        batch = {name: (draws**power * getattr(task, "num_outputs", 1)).long().to(device)}
        if (outputs := task.undecided(batch)) is None:
            return
        losses.append(loss_of(task, outputs, batch))
    one, other = losses
    is_known = one is not None and other is not None and one > 0 and math.isclose(one, other, rel_tol=1e-4)
    task.chance = {"loss": one, **task.chance} if one is not None and is_known else {}


def loss_of(task: Task, outputs: Any, batch: Batch) -> float | None:
    """Returns a task's loss of outputs; None where a person's own asks for others or for more of the batch, or where
    the task holds what can't be copied.
    """
    with generators.kept(next(iter(batch.values())).device), torch.no_grad():
        try:
            probe = copy.deepcopy(task).eval()  # a criterion may count what it has seen
            return float(probe.loss(outputs, batch))
        except Exception:
            return None
