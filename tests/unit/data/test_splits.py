"""Splitting, shortening and the statistics of the training split."""

import pytest
import torch

from dlexp.data.splits import CHUNK, Split, Splits, prepare, some_of_each, statistics
from dlexp.errors import UserError


def numbered(count: int) -> Split:
    return Split(torch.arange(count, dtype=torch.float32)[:, None], torch.arange(count))


def rows(split: Split | None) -> set[int]:
    assert split is not None
    return set(split.targets.tolist())


def test_validation_is_split_off_without_overlap() -> None:
    splits = prepare(Splits(numbered(100), numbered(20)), val_size=0.1, split_seed=0, limit=None)
    assert len(rows(splits.val)) == 10
    assert rows(splits.train) | rows(splits.val) == set(range(100))
    assert not rows(splits.train) & rows(splits.val)
    assert rows(splits.test) == set(range(20))


def test_split_seed_alone_decides() -> None:
    def val(seed: int, limit: int | None = None) -> set[int]:
        return rows(prepare(Splits(numbered(100), None), val_size=0.2, split_seed=seed, limit=limit).val)

    assert val(0) == val(0) != val(1)
    assert val(0, limit=5) < val(0)


def test_some_samples_of_each_class() -> None:
    """Data often lies sorted: the first samples are of one class."""
    targets = torch.tensor([0] * 60 + [2] * 30 + [3] * 4)
    split = Split(torch.arange(94.0)[:, None], targets)
    few = some_of_each(split, 16, seed=0)
    assert few.targets.bincount().tolist() == [6, 0, 6, 4], "the one that runs out leaves the rest to the others"
    assert few.targets[:3].unique().tolist() == [0, 2, 3] and torch.equal(targets[few.inputs[:, 0].long()], few.targets)
    assert rows(some_of_each(numbered(50), 8, seed=0)) != rows(some_of_each(numbered(50), 8, seed=1))
    assert torch.equal(some_of_each(split, 16, seed=0).inputs, few.inputs)
    assert len(some_of_each(split, 1000, seed=0).targets) == 94


def test_some_samples_of_values_come_from_the_whole_split() -> None:
    few = some_of_each(Split(torch.arange(1000.0)[:, None], torch.arange(1000.0)[:, None]), 20, seed=0)
    assert few.targets.max() > 700 and few.targets.min() < 300 and torch.equal(few.inputs, few.targets)


def test_inputs_stay_with_their_targets() -> None:
    splits = prepare(Splits(numbered(50), None), val_size=7, split_seed=3, limit=30)
    assert splits.val is not None and len(splits.val.targets) == 7
    for split in (splits.train, splits.val):
        assert torch.equal(split.inputs[:, 0].long(), split.targets)


def test_val_size_zero_trains_on_everything() -> None:
    splits = prepare(Splits(numbered(10), None, val=numbered(4)), val_size=0, split_seed=0, limit=None)
    assert splits.val is None and len(splits.train.targets) == 10


def test_own_validation_split_is_kept() -> None:
    splits = prepare(Splits(numbered(10), None, val=numbered(4)), val_size=0.5, split_seed=0, limit=None)
    assert len(rows(splits.val)) == 4 and len(splits.train.targets) == 10


def test_limit_shortens_all_three_at_random() -> None:
    splits = prepare(Splits(numbered(100), numbered(50)), val_size=0.3, split_seed=0, limit=12)
    assert [len(rows(split)) for split in (splits.train, splits.val, splits.test)] == [12, 12, 12]
    assert rows(splits.test) != set(range(12))


@pytest.mark.parametrize("val_size", [10, 1000, 0.99])
def test_a_validation_split_that_takes_all_is_a_mistake(val_size: float) -> None:
    with pytest.raises(UserError, match="data.val_size"):
        prepare(Splits(numbered(10), None), val_size=val_size, split_seed=0, limit=None)


def test_statistics_of_images_are_exact() -> None:
    images = torch.randint(0, 256, (CHUNK + 300, 3, 4, 4), generator=torch.Generator().manual_seed(0))
    mean, std = statistics(images.to(torch.uint8))
    values = images.double() / 255
    torch.testing.assert_close(torch.tensor(mean).double(), values.mean((0, 2, 3)), rtol=0, atol=1e-7)
    torch.testing.assert_close(torch.tensor(std).double(), values.std((0, 2, 3), correction=0), rtol=0, atol=1e-7)


def test_statistics_of_features_far_from_zero() -> None:
    features = torch.randn(CHUNK + 10, 3, generator=torch.Generator().manual_seed(0)) + torch.tensor([1e4, 0, -5])
    features[:, 1] = 7  # constant: its std must not become 0
    mean, std = statistics(features)
    assert mean == pytest.approx(features.double().mean(0).tolist())
    assert std == pytest.approx([features[:, 0].double().std(correction=0).item(), 1, std[2]])
    assert all(isinstance(value, float) for value in mean + std)
