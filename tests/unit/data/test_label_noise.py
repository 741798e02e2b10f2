"""Labels replaced on purpose: how many, by what, and whose."""

import pytest
import torch
from small import divided

from dlexp.data.label_noise import with_label_noise
from dlexp.data.splits import Split, Splits
from dlexp.errors import UserError


def split(count: int = 1000) -> Split:
    return Split(torch.arange(float(count))[:, None], torch.arange(count) % 5)


def test_a_share_becomes_another_class_all_with_even_chances() -> None:
    before = split(20_000)
    found, count = with_label_noise(before, 0.3, 5, 0, None, "train")
    is_changed = found.targets != before.targets
    assert count == int(is_changed.sum()) == 6000 and torch.equal(before.targets, split(20_000).targets)
    steps = ((found.targets - before.targets) % 5)[is_changed].bincount(minlength=5)
    assert steps[0] == 0 and (steps[1:] - 1500).abs().max() < 150
    assert torch.equal(with_label_noise(before, 0.3, 5, 0, None, "train")[0].targets, found.targets)
    assert not torch.equal(with_label_noise(before, 0.3, 5, 1, None, "train")[0].targets, found.targets)


def test_what_counts_nowhere_is_neither_replaced_nor_a_class_to_be() -> None:
    found, count = with_label_noise(split(), 0.5, 5, 0, 2, "train")
    assert count == 400 and torch.equal(found.targets == 2, split().targets == 2)


def test_only_training_samples_are_mislabelled_and_balance_counts_what_they_have_then() -> None:
    splits = divided(Splits(split(), split(), stratified=False), label_noise=0.4, num_outputs=5, sampling="balanced")
    clean = divided(Splits(split(), split(), stratified=False), num_outputs=5)
    assert splits.val is not None and clean.val is not None and splits.test is not None
    assert torch.equal(splits.val.targets, clean.val.targets) and torch.equal(splits.test.targets, split().targets)
    assert int((splits.train.targets != clean.train.targets).sum()) == splits.num_replaced["train"] == 360
    assert clean.num_replaced["train"] == splits.num_replaced["test"] == 0 and splits.train.weights is not None
    totals = torch.zeros(5, dtype=torch.float64).index_add(0, splits.train.targets, splits.train.weights)
    assert torch.allclose(totals, torch.ones(5, dtype=torch.float64))


def test_test_samples_are_mislabelled_apart_from_those_for_training() -> None:
    both = {"label_noise": 0.4, "test_label_noise": 0.1, "num_outputs": 5, "val_size": 0}
    one, other = (divided(Splits(split(), split()), **both, split_seed=seed) for seed in (0, 1))
    assert one.test is not None and other.test is not None
    is_wrong = one.test.targets != split().targets
    assert int(is_wrong.sum()) == one.num_replaced["test"] == 100 and one.num_replaced["train"] == 400
    assert not torch.equal(one.test.targets, other.test.targets)
    alone = divided(Splits(split(), split()), **(both | {"label_noise": None}))
    assert alone.test is not None and torch.equal(alone.test.targets, one.test.targets)
    with pytest.raises(UserError, match=r"data.test_label_noise=0.1 changes nothing: there are no test samples"):
        divided(Splits(split(), None), **both)


def test_a_number_that_is_no_class_stays_to_be_refused() -> None:
    targets = torch.arange(10) % 5
    targets[3] = 7
    found, count = with_label_noise(Split(torch.zeros(10, 1), targets), 0.9, 5, 0, None, "train")
    assert found.targets[3] == 7 and count == 8


def test_values_and_single_classes_are_refused() -> None:
    with pytest.raises(UserError, match="replaces class numbers"):
        with_label_noise(Split(torch.zeros(4, 1), torch.zeros(4, 1)), 0.5, 3, 0, None, "train")
    with pytest.raises(UserError, match="at least two classes"):
        with_label_noise(split(), 0.5, 1, 0, None, "train")
