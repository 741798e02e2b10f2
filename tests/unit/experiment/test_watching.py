"""What watchers see: a loss in the mode that the model is in."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from dlexp.experiment.watching import RunView
from dlexp.tasks.autoencoding import Autoencoding


def test_a_loss_of_a_model_that_is_evaluated_has_no_noise_of_the_training() -> None:
    model = nn.Linear(3, 3)
    task = Autoencoding(class_names=None, targets="none", noise=1.0, hidden=0.0, target="augmented")
    task.criterion = nn.MSELoss()
    state = SimpleNamespace(model=model, average=SimpleNamespace(module=model))
    run: Any = SimpleNamespace(state=state, task=task, only_look=set())
    tracker: Any = SimpleNamespace(folder=Path())
    view, batch = RunView(run, tracker, "mine"), {"inputs": torch.rand(5, 3)}
    task.train(), model.eval()
    losses = [float(view.loss(batch)) for _ in range(3)]
    assert len(set(losses)) == 1 and task.training
    model.train()
    assert len({float(view.loss(batch)) for _ in range(3)}) == 3
