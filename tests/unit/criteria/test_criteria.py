"""Losses of one score of two classes, and squares of classes: by hand, and with samples that count nowhere."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dlexp.batch import IGNORED
from dlexp.criteria.bce import BCE
from dlexp.criteria.hinge import Hinge
from dlexp.criteria.huber import Huber
from dlexp.criteria.mse import MeanSquaredError
from dlexp.criteria.mse_softmax import SoftmaxError
from dlexp.criteria.perceptron import Perceptron
from dlexp.errors import UserError

SCORES = torch.tensor([[1.5], [-0.5], [0.2], [-2.0]])
CLASSES = torch.tensor([1, 1, 0, 0])
SIDES = torch.tensor([1.0, 1.0, -1.0, -1.0])
BY_HAND = [
    (Perceptron(), lambda s, y: (-y * s).clamp_min(0)),
    (Hinge(margin=1.0, p=1), lambda s, y: (1 - y * s).clamp_min(0)),
    (Hinge(margin=2.0, p=2), lambda s, y: (2 - y * s).clamp_min(0) ** 2),
    (MeanSquaredError(), lambda s, y: (s - y) ** 2),
    (SoftmaxError(), lambda s, y: (s.sigmoid() - (y + 1) / 2) ** 2),
    (BCE(pos_weight=None), lambda s, y: (1 + (-y * s).exp()).log()),
    (BCE(pos_weight=[3.0]), lambda s, y: (1 + (-y * s).exp()).log() * (2 + y)),
    (Huber(delta=1.0), lambda s, y: torch.where((s - y).abs() < 1, (s - y) ** 2 / 2, (s - y).abs() - 0.5)),
]


@pytest.mark.parametrize(("criterion", "by_hand"), BY_HAND, ids=lambda each: type(each).__name__)
def test_one_score_of_two_classes(criterion: nn.Module, by_hand) -> None:
    wanted: Tensor = by_hand(SCORES[:, 0], SIDES)
    assert criterion(SCORES, CLASSES) == pytest.approx(float(wanted.mean()), rel=1e-6)
    ignored = torch.tensor([1, IGNORED, 0, 0])
    assert criterion(SCORES, ignored) == pytest.approx(float(wanted[[0, 2, 3]].mean()), rel=1e-6)
    assert criterion(SCORES, torch.full((4,), IGNORED)) == 0
    maps = SCORES.view(2, 1, 2)  # a score for each place of a sample
    assert criterion(maps, CLASSES.view(2, 2)) == pytest.approx(float(wanted.mean()), rel=1e-6)


def test_one_score_is_cross_entropy_of_0_and_it() -> None:
    logits = torch.cat([torch.zeros_like(SCORES), SCORES], dim=1)
    assert BCE(pos_weight=None)(SCORES, CLASSES) == pytest.approx(float(functional.cross_entropy(logits, CLASSES)))
    mixed = torch.tensor([[0.3, 0.7], [0.0, 1.0], [1.0, 0.0], [0.5, 0.5]])
    assert BCE(pos_weight=None)(SCORES, mixed) == pytest.approx(float(functional.cross_entropy(logits, mixed)))


def test_squares_of_several_classes() -> None:
    logits, classes = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 2, 1, 1, 0])
    truth = functional.one_hot(classes, 3).float()
    for criterion, outputs in ((MeanSquaredError(), logits), (SoftmaxError(), logits.softmax(dim=1))):
        assert criterion(logits, classes) == pytest.approx(float(functional.mse_loss(outputs, truth)))
        kept = torch.tensor([0, 2, 1, IGNORED, 0])
        assert criterion(logits, kept) == pytest.approx(
            float(functional.mse_loss(outputs[kept >= 0], truth[kept >= 0]))
        )
    assert Huber(delta=0.5)(logits, classes) == pytest.approx(float(functional.huber_loss(logits, truth, delta=0.5)))


def test_values_are_what_torch_has() -> None:
    outputs, targets = torch.randn(6, 2), 3 * torch.randn(6, 2)
    assert torch.equal(MeanSquaredError()(outputs, targets), functional.mse_loss(outputs, targets))
    assert Huber(delta=2.0)(outputs, targets) == pytest.approx(float(functional.huber_loss(outputs, targets, delta=2)))


@pytest.mark.parametrize("criterion", [Perceptron(), BCE(pos_weight=None)])
def test_several_scores_are_refused(criterion: nn.Module) -> None:
    with pytest.raises(UserError, match="one score"):
        criterion(torch.randn(4, 3), torch.tensor([0, 1, 2, 0]))
