"""The state of a training: which epoch is the best, and that it is saved and loaded exactly."""

from pathlib import Path

import torch
from small import task_with
from torch import nn

from dlexp.methods.method import Method
from dlexp.records import checkpoints
from dlexp.train.average import NoAverage
from dlexp.train.state import TrainState


def state() -> TrainState:
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    parts = (model, task_with(nn.MSELoss()), Method(), optimizer, schedule, scaler, NoAverage(model))
    return TrainState(*parts, torch.zeros(1), {})


def test_the_best_epoch_is_the_first_best_and_ties_go_to_the_smaller_loss() -> None:
    training = state()
    answers = []
    for epoch, (accuracy, loss) in enumerate([(0.5, 1.0), (0.7, 0.9), (0.7, 0.8), (0.7, 0.8), (0.6, 0.1)], start=1):
        training.epoch = epoch - 1  # finished ones
        answers.append(training.improves(accuracy, loss, higher_is_better=True))
    assert answers == [True, True, True, False, False]
    assert (training.best, training.best_loss, training.best_epoch, training.bad_validations) == (0.7, 0.8, 3, 2)


def test_state_round_trip_is_exact_with_its_generator(tmp_path: Path) -> None:
    first, second = state(), state()
    first.epoch, first.step, first.best = 3, 40, 0.5
    checkpoints.save(tmp_path / "state.pt", first.state_dict())
    drawn = torch.rand(3)
    second.load_state_dict(checkpoints.load(tmp_path / "state.pt"))
    assert torch.equal(torch.rand(3), drawn), "dropout goes on with the same numbers"
    assert (second.epoch, second.step, second.best) == (3, 40, 0.5)
    assert torch.equal(first.model.weight, second.model.weight)
