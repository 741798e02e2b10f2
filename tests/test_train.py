"""Parts of the loop on their own: averaging, choosing the best epoch, diagnosis, whole files."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from dlexp.errors import UserError, did_you_mean
from dlexp.experiment.advice import overfit_verdict, stuck_at_chance
from dlexp.machine.whole_file import whole_file
from dlexp.metric import Metric
from dlexp.records import checkpoints
from dlexp.train.average import ExponentialAverage, NoAverage
from dlexp.train.state import TrainState


def task(metric: str, chance: dict[str, float] | None = None, **metrics: Metric) -> Any:
    return SimpleNamespace(metric=metric, metrics=metrics, chance=chance or {})


CLASSIFIER = task("accuracy", {"loss": math.log(10), "accuracy": 0.1}, accuracy=Metric(unit="%", higher_is_better=True))
MISTAKES = task("error", {"loss": math.log(2), "error": 0.5}, error=Metric(unit="%", higher_is_better=False))
OWN = task("error", CLASSIFIER.chance, error=Metric(unit="%", higher_is_better=False))
GAIN = task("gain", gain=Metric(unit="", higher_is_better=True))
REGRESSOR = task("loss")


def state() -> TrainState:
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    return TrainState(model, nn.MSELoss(), optimizer, schedule, scaler, NoAverage(model), torch.zeros(1), {})


def test_the_average_follows_weights_and_batch_norm_statistics() -> None:
    model = nn.BatchNorm1d(1)
    average = ExponentialAverage(model, decay=0.5, every=2)
    with torch.no_grad():
        model.weight.fill_(3.0)
        model.running_mean.fill_(5.0)
    average.update(1)
    assert average.module.weight.item() == 1.0, "not due"
    average.update(2)  # the first update: the initial weights must not linger
    assert 1.0 < average.module.weight.item() <= 3.0
    for step in range(4, 200, 2):
        average.update(step)
    assert average.module.weight.item() == pytest.approx(3.0)
    assert average.module.running_mean.item() == pytest.approx(5.0)


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


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"hello"])
def test_damaged_weights_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "best.pt"
    path.write_bytes(content)
    with pytest.raises(UserError, match="can't be read"):
        checkpoints.load(path)
    with pytest.raises(UserError, match="there is no file"):
        checkpoints.load(tmp_path / "nothing.pt")


def test_weights_of_another_program_are_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, tmp_path / "foreign.pt")
    with pytest.raises(UserError, match="not a file of dlexp"):
        checkpoints.load(tmp_path / "foreign.pt")


def test_a_failing_save_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="disk"), whole_file(path) as file:
        file.write(b"half")
        raise OSError("disk full")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("metrics", "stuck"),
    [
        ({"step": 1000, "train/loss": math.log(10), "train/accuracy": 0.1}, True),
        ({"step": 1000, "train/loss": 2.5, "train/accuracy": 0.1}, True),
        ({"step": 100, "train/loss": math.log(10), "train/accuracy": 0.1}, False),
        ({"step": 1000, "train/loss": 1.9, "train/accuracy": 0.3}, False),
        ({"step": 1000, "train/loss": 2.29, "train/accuracy": 0.2}, False),
    ],
)
def test_stuck_at_chance(metrics: dict[str, float], stuck: bool) -> None:
    advice = stuck_at_chance(metrics, CLASSIFIER, {"lr": 0.5})
    assert (advice is not None) == stuck
    if advice:
        assert "optimizer.lr=0.05" in advice and "guessing gives loss 2.303, accuracy 10.0 %" in advice
    assert stuck_at_chance(metrics, REGRESSOR, {"lr": 0.5}) is None


@pytest.mark.parametrize(("error", "stuck"), [(0.5, True), (0.6, True), (0.3, False)])
def test_stuck_at_chance_by_a_metric_where_less_is_better(error: float, stuck: bool) -> None:
    """The advice knows of no metric by name: a task without accuracy gets it too."""
    metrics = {"step": 1000, "train/loss": math.log(2), "train/error": error}
    advice = stuck_at_chance(metrics, MISTAKES, {"lr": 0.5})
    assert (advice is not None) == stuck
    assert advice is None or "guessing gives loss 0.6931, error 50.0 %" in advice


def test_chance_that_is_inherited_speaks_of_what_is_measured() -> None:
    advice = stuck_at_chance({"step": 1000, "train/loss": math.log(10), "train/error": 0.9}, OWN, {"lr": 0.5})
    assert advice is not None and "train loss 2.303, and guessing gives loss 2.303." in advice


def test_overfit_verdict() -> None:
    assert overfit_verdict({"val/accuracy": 1.0, "step": 80}, CLASSIFIER, 2).startswith("PASS: 2 batches")
    assert overfit_verdict({"train/accuracy": 0.6, "step": 80}, CLASSIFIER, 1).startswith("FAIL: 1 batch ")
    assert overfit_verdict({"val/loss": 1e-4, "step": 80}, REGRESSOR, 1).startswith("PASS")
    assert overfit_verdict({"val/loss": 0.5, "step": 80}, REGRESSOR, 1).startswith("FAIL")
    assert overfit_verdict({"val/error": 0.0, "step": 80}, MISTAKES, 1).startswith("PASS: 1 batch learnt")
    assert "(error 60.0 % after" in overfit_verdict({"val/error": 0.6, "step": 80}, MISTAKES, 1)
    # Nobody knows how much of a plain number is enough: the loss decides.
    assert "(loss 0.5 after" in overfit_verdict({"val/gain": 9.0, "val/loss": 0.5, "step": 8}, GAIN, 1)


def test_did_you_mean_prefers_the_same_letters() -> None:
    assert did_you_mean("vgg61", ["vgg11", "vgg16", "vgg19"]) == " Did you mean 'vgg16'?"
    assert did_you_mean("xyz", ["sgd", "adam"]) == ""
