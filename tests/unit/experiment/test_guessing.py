"""What guessing gives, by the loss that is trained: of each criterion for classes, computed by hand."""

import math
from typing import Any

import pytest
import torch
from small import batches_of, task_with
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
from dlexp.data.splits import Split
from dlexp.experiment.advice import diverging, stuck_at_chance
from dlexp.experiment.guessing import tell_guess
from dlexp.tasks.language import Language
from dlexp.tasks.task import Task
from dlexp.train.batches import Batches

SETTINGS: Any = {"batch_size": 8, "seed": 0, "augment": [], "shuffle": True, "channels_last": False}


class Mine(nn.Module):
    """Wants more of the outputs than classes have."""

    def forward(self, outputs: dict[str, torch.Tensor], targets: torch.Tensor) -> torch.Tensor:
        return outputs["logits"].mean()


def told(criterion: nn.Module, num_classes: int, *, one_score: bool = False) -> Task:
    """A task of as many samples of each class, sorted."""
    task, targets = task_with(criterion, num_classes), torch.arange(num_classes).repeat_interleave(60)
    task.one_score = one_score
    split = Split(torch.zeros(len(targets), 2), targets)
    tell_guess(task, batches_of(split, mean=[0.0, 0.0], std=[1.0, 1.0], **SETTINGS))
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
        (Dice(cross_entropy=0.0), 1 - 2 / (1 + 5)),
    ],
)
def test_the_guess_of_several_classes(criterion: nn.Module, guess: float) -> None:
    assert told(criterion, 5).chance == {"loss": pytest.approx(guess), "accuracy": 1 / 5}


@pytest.mark.parametrize(
    ("criterion", "guess"),
    [
        (BCE(pos_weight=None), math.log(2)),
        (BCE(pos_weight=[3.0]), 2 * math.log(2)),
        (Hinge(margin=1.0, p=1), 1.0),
        (MeanSquaredError(), 1.0),
        (SoftmaxError(), 0.25),
        (Huber(delta=0.5), 0.375),
    ],
)
def test_the_guess_by_one_score(criterion: nn.Module, guess: float) -> None:
    assert told(criterion, 2, one_score=True).chance == {"loss": pytest.approx(guess), "accuracy": 1 / 2}


@pytest.mark.parametrize(("criterion", "one_score"), [(Perceptron(), True), (Mine(), False)])
def test_what_nobody_knows_is_not_said(criterion: nn.Module, one_score: bool) -> None:
    """Of the perceptron's 0 nothing can be told, and of accuracy alone nobody is told that nothing is learnt."""
    assert told(criterion, 2, one_score=one_score).chance == {}


def test_the_guess_of_tokens() -> None:
    task = Language(num_outputs=7, targets="none", objective="next", padding=None, mask_token=None, hidden=0.15)
    task.criterion = CrossEntropy(label_smoothing=0.0, weight=None)
    split = Split(torch.randint(0, 7, (20, 5)))
    tell_guess(task, Batches(split, fields={"inputs": Field([5], torch.int64, "plain")}, normalised={}, **SETTINGS))
    assert task.chance == {"loss": pytest.approx(math.log(7)), "perplexity": 7}


def test_a_hinge_that_learns_nothing_is_told_and_one_that_does_is_not() -> None:
    task = told(Hinge(margin=1.0, p=1), 10)
    stuck = {"step": 1000, "train/loss": 0.9, "train/accuracy": 0.1}
    advice = stuck_at_chance(stuck, task, {"lr": 0.5})
    assert advice is not None and "guessing gives loss 0.9, accuracy 10.0 %" in advice
    assert stuck_at_chance({**stuck, "train/loss": 0.7}, task, {"lr": 0.5}) is None
    advice = diverging(10.0, 0.9, task, "optimizer.lr=0.1")
    assert advice is not None and "guessing gives 0.9" in advice
