"""What guessing gives, by the loss that is trained: of each criterion for classes, computed by hand."""

import math

import pytest
import torch
from small import task_with
from torch import nn

from dlexp.criteria.bce import BCE
from dlexp.criteria.cross_entropy import CrossEntropy
from dlexp.criteria.dice import Dice
from dlexp.criteria.hinge import Hinge
from dlexp.criteria.huber import Huber
from dlexp.criteria.mse import MeanSquaredError
from dlexp.criteria.mse_softmax import SoftmaxError
from dlexp.criteria.nll import NLL
from dlexp.criteria.perceptron import Perceptron
from dlexp.data.fields import Field
from dlexp.experiment.advice import diverging, stuck_at_chance
from dlexp.experiment.guessing import tell_guess
from dlexp.tasks.language import Language
from dlexp.tasks.segmentation import Segmentation
from dlexp.tasks.task import Task


class Mine(nn.Module):
    """Wants more of the outputs than classes have."""

    def forward(self, outputs: dict[str, torch.Tensor], targets: torch.Tensor) -> torch.Tensor:
        return outputs["logits"].mean()


class Uncopied(CrossEntropy):
    """Holds what can't be copied, as criteria that were compiled or wrapped do."""

    def __deepcopy__(self, memo: dict[int, object]) -> None:
        raise TypeError("cannot pickle")


def told(criterion: nn.Module, num_classes: int, *, one_score: bool = False) -> Task:
    task = task_with(criterion, num_classes)
    task.one_score = one_score
    fields = {"inputs": Field([2], torch.float32, "normalised"), "targets": Field([], torch.int64, "plain")}
    tell_guess(task, fields, torch.device("cpu"))
    return task


@pytest.mark.parametrize(
    ("criterion", "guess"),
    [
        (CrossEntropy(label_smoothing=0.1, weight=None), math.log(5)),
        (CrossEntropy(label_smoothing=0.0, weight=[1.0, 2.0, 3.0, 4.0, 5.0]), math.log(5)),
        (NLL(), math.log(5)),
        (Hinge(margin=1.0, p=1), 4 / 5),
        (Hinge(margin=2.0, p=2), 4 * 4 / 5),
        (MeanSquaredError(), 4 / 25),  # of the best constant, a fifth for each class
        (SoftmaxError(), 4 / 25),
        (Huber(delta=1.0), 2 / 25),
    ],
)
def test_the_guess_of_several_classes(criterion: nn.Module, guess: float) -> None:
    assert told(criterion, 5).chance == {"loss": pytest.approx(guess), "accuracy": 1 / 5}


@pytest.mark.parametrize(
    ("criterion", "guess"),
    [
        (BCE(pos_weight=None), math.log(2)),
        (Hinge(margin=1.0, p=1), 1.0),
        (MeanSquaredError(), 1.0),
        (SoftmaxError(), 0.25),
        (Huber(delta=0.5), 0.375),
    ],
)
def test_the_guess_by_one_score(criterion: nn.Module, guess: float) -> None:
    assert told(criterion, 2, one_score=True).chance == {"loss": pytest.approx(guess), "accuracy": 1 / 2}


@pytest.mark.parametrize(
    ("criterion", "one_score"),
    [
        (Perceptron(), True),
        (BCE(pos_weight=[3.0]), True),
        (Dice(cross_entropy=0.0), False),
        (Mine(), False),
        (Uncopied(label_smoothing=0.0, weight=None), False),
    ],
)
def test_what_nobody_knows_is_not_said(criterion: nn.Module, one_score: bool) -> None:
    """A guess of 0 tells nothing, some depend on how many samples each class has; accuracy alone is none, too."""
    assert told(criterion, 2, one_score=one_score).chance == {}


@pytest.mark.parametrize("objective", ["next", "masked"])
def test_the_guess_of_tokens(objective: str) -> None:
    task = Language(num_outputs=7, targets="none", objective=objective, padding=None, mask_token=None, hidden=0.5)
    task.criterion = CrossEntropy(label_smoothing=0.0, weight=None)
    tell_guess(task, {"inputs": Field([64], torch.int64, "plain")}, torch.device("cpu"))
    assert task.chance == {"loss": pytest.approx(math.log(7)), "perplexity": 7}


def test_the_guess_of_pixels() -> None:
    task = Segmentation(class_names=None, num_outputs=3, targets="mask", ignore_index=1)
    task.criterion = CrossEntropy(label_smoothing=0.0, weight=None)
    fields = {"inputs": Field([3, None, 500], torch.uint8, "image"), "targets": Field([None, 500], torch.int64, "mask")}
    tell_guess(task, fields, torch.device("cpu"))
    assert task.chance["loss"] == pytest.approx(math.log(3))


def test_a_hinge_that_learns_nothing_is_told_and_one_that_does_is_not() -> None:
    task = told(Hinge(margin=1.0, p=1), 10)
    stuck = {"step": 1000, "train/loss": 0.9, "train/accuracy": 0.1}
    advice = stuck_at_chance(stuck, task, {"lr": 0.5})
    assert advice is not None and "guessing gives loss 0.9, accuracy 10.0 %" in advice
    assert stuck_at_chance({**stuck, "train/loss": 0.7}, task, {"lr": 0.5}) is None
    advice = diverging(10.0, 0.9, task, "optimizer.lr=0.1")
    assert advice is not None and "guessing gives 0.9" in advice
