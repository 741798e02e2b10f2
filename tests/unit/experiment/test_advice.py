"""What is said of a training that learns nothing, and of one that is to learn a few batches by heart."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from dlexp.criteria.cross_entropy import CrossEntropy
from dlexp.criteria.mse import MeanSquaredError
from dlexp.experiment.advice import overfit_verdict, stuck_at_chance
from dlexp.metric import Metric
from dlexp.tasks.task import Task


class Learnt(SimpleNamespace):
    loss = Task.loss


def task(metric: str, chance: dict[str, float] | None = None, **metrics: Metric) -> Any:
    return Learnt(metric=metric, metrics=metrics, besides={}, chance=chance or {}, criterion=MeanSquaredError())


CLASSIFIER = task("accuracy", {"loss": math.log(10), "accuracy": 0.1}, accuracy=Metric(unit="%", higher_is_better=True))
MISTAKES = task("error", {"loss": math.log(2), "error": 0.5}, error=Metric(unit="%", higher_is_better=False))
OWN = task("error", CLASSIFIER.chance, error=Metric(unit="%", higher_is_better=False))
GAIN = task("gain", gain=Metric(unit="", higher_is_better=True))
REGRESSOR = task("loss")


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


class Likelihood(nn.Module):
    """A criterion of one's own, whose values may be negative."""


class OwnLoss(Learnt):
    def loss(self, outputs: Any, batch: Any) -> Any: ...


@pytest.mark.parametrize("loss", [-3.0, 0.001, 0.5])
@pytest.mark.parametrize(
    "criterion", [Likelihood(), nn.GaussianNLLLoss(), CrossEntropy(label_smoothing=0.1, weight=None)]
)
def test_a_loss_whose_least_value_is_not_zero_gets_no_verdict(loss: float, criterion: nn.Module) -> None:
    record = {"val/loss": loss, "val/accuracy": 1.0, "step": 80}
    assert overfit_verdict(record, Learnt(**vars(REGRESSOR) | {"criterion": criterion}), 1).startswith("no verdict")
    assert overfit_verdict(record, Learnt(**vars(CLASSIFIER) | {"criterion": criterion}), 1).startswith("PASS")
    assert overfit_verdict(record, OwnLoss(**vars(REGRESSOR)), 1).startswith("no verdict on 1 batch (loss ")
