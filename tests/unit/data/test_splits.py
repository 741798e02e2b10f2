"""Splitting, shortening and the statistics of the training split."""

import pytest
import torch
from small import divided

from dlexp.config.build import load_data
from dlexp.config.compose import compose
from dlexp.data.class_counts import are_unbalanced, counts_by_class
from dlexp.data.partition import held_out, some_of_each
from dlexp.data.spiral import spiral
from dlexp.data.splits import Split, Splits
from dlexp.data.statistics import CHUNK, statistics
from dlexp.errors import UserError


def numbered(count: int) -> Split:
    return Split(torch.arange(count, dtype=torch.float32)[:, None], torch.arange(count))


def rows(split: Split | None) -> set[int]:
    assert split is not None
    return set(split.targets.tolist())


def test_validation_is_split_off_without_overlap() -> None:
    splits = divided(Splits(numbered(100), numbered(20)), val_size=0.1)
    assert len(rows(splits.val)) == 10
    assert rows(splits.train) | rows(splits.val) == set(range(100))
    assert not rows(splits.train) & rows(splits.val)
    assert rows(splits.test) == set(range(20))


def test_split_seed_alone_decides() -> None:
    def val(seed: int, limit: int | None = None) -> set[int]:
        return rows(divided(Splits(numbered(100), None), val_size=0.2, split_seed=seed, limit=limit).val)

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
    splits = divided(Splits(numbered(50), None), val_size=7, split_seed=3, limit=30)
    assert splits.val is not None and len(splits.val.targets) == 7
    for split in (splits.train, splits.val):
        assert torch.equal(split.inputs[:, 0].long(), split.targets)


def test_val_size_zero_trains_on_everything() -> None:
    splits = divided(Splits(numbered(10), None, val=numbered(4)), val_size=0)
    assert splits.val is None and len(splits.train.targets) == 10


def test_own_validation_split_is_kept() -> None:
    splits = divided(Splits(numbered(10), None, val=numbered(4)), val_size=0.5)
    assert len(rows(splits.val)) == 4 and len(splits.train.targets) == 10


def test_train_limit_shortens_training_alone() -> None:
    def shortened(**settings: int) -> Splits:
        return divided(Splits(numbered(100), numbered(50)), val_size=0.3, split_seed=0, **settings)

    whole, few, fewer = shortened(), shortened(train_limit=12), shortened(train_limit=5)
    assert len(few.train) == 12 and rows(fewer.train) < rows(few.train) < rows(whole.train)
    for name in ("val", "test"):
        assert rows(few.named[name]) == rows(whole.named[name])
    both = shortened(train_limit=5, limit=12)
    assert [len(each) for each in both.named.values()] == [5, 12, 12] and rows(both.train) == rows(fewer.train)
    assert [len(each) for each in shortened(train_limit=12, limit=5).named.values()] == [5, 5, 5]


def test_limit_shortens_all_three_at_random() -> None:
    splits = divided(Splits(numbered(100), numbered(50)), val_size=0.3, split_seed=0, limit=12)
    assert [len(rows(split)) for split in (splits.train, splits.val, splits.test)] == [12, 12, 12]
    assert rows(splits.test) != set(range(12))


@pytest.mark.parametrize("val_size", [10, 1000, 0.99])
def test_a_validation_split_that_takes_all_is_a_mistake(val_size: float) -> None:
    with pytest.raises(UserError, match="data.val_size"):
        divided(Splits(numbered(10), None), val_size=val_size)


def test_statistics_of_images_are_exact() -> None:
    images = torch.randint(0, 256, (CHUNK + 300, 3, 4, 4), generator=torch.Generator().manual_seed(0))
    mean, std, *_ = statistics(images.to(torch.uint8))
    values = images.double() / 255
    torch.testing.assert_close(torch.tensor(mean).double(), values.mean((0, 2, 3)), rtol=0, atol=1e-7)
    torch.testing.assert_close(torch.tensor(std).double(), values.std((0, 2, 3), correction=0), rtol=0, atol=1e-7)


def test_statistics_of_features_far_from_zero() -> None:
    features = torch.randn(CHUNK + 10, 3, generator=torch.Generator().manual_seed(0)) + torch.tensor([1e4, 0, -5])
    features[:, 1] = 7  # constant: its std must not become 0
    mean, std, *_ = statistics(features)
    assert mean == pytest.approx(features.double().mean(0).tolist())
    assert std == pytest.approx([features[:, 0].double().std(correction=0).item(), 1, std[2]])
    assert all(isinstance(value, float) for value in mean + std)


def of_classes(*sizes: int, groups: list[int] | None = None) -> Split:
    classes = torch.cat([torch.full((size,), number) for number, size in enumerate(sizes)])
    return Split(torch.arange(len(classes))[:, None], classes, groups=groups)


@pytest.mark.parametrize(
    ("sizes", "count", "held"),
    [
        ((50, 50, 50), 30, [10, 10, 10]),
        ((900, 100), 100, [90, 10]),
        ((1000, 2, 2, 1), 20, [18, 1, 1, 0]),  # of two one stays, and the only one of a class is trained on
        ((2, 2), 2, [1, 1]),
        ((40, 10), 45, [36, 9]),
        ((40, 0, 10), 5, [4, 0, 1]),
    ],
)
def test_what_is_held_out_has_its_part_of_each_class(sizes: tuple[int, ...], count: int, held: list[int]) -> None:
    split = of_classes(*sizes)
    for seed in range(5):
        rest, part = held_out(split, count, seed)
        assert part.targets.bincount(minlength=len(sizes)).tolist() == held and len(rest) == len(split) - count
        assert torch.equal(torch.cat([rest.inputs, part.inputs]).sort(dim=0).values, split.inputs)
        assert torch.equal(held_out(split, count, seed)[1].inputs, part.inputs)
    assert count < 10 or not torch.equal(held_out(split, count, 5)[1].inputs, part.inputs)


def test_fewer_are_held_out_than_there_are_classes() -> None:
    found = {tuple(held_out(of_classes(*[3] * 10), 3, seed)[1].targets.tolist()) for seed in range(20)}
    assert len(found) > 10 and all(len(set(classes)) == 3 for classes in found)


def test_classes_have_any_numbers() -> None:
    split = Split(torch.zeros(30, 1), torch.tensor([-1, 255, 7] * 10))
    assert held_out(split, 6, 0)[1].targets.sort().values.tolist() == [-1, -1, 7, 7, 255, 255]


def test_groups_come_before_classes() -> None:
    """Ten patients of each class, and one who alone has two more classes: that patient may be on either side."""
    groups = [number for number in range(20) for _ in range(10)] + [20] * 4
    split = of_classes(100, 100, 2, 2, groups=groups)
    for seed in range(20):
        rest, part = held_out(split, 60, seed)
        assert not set(rest.groups.tolist()) & set(part.groups.tolist()) and len(part) in (60, 64)  # type: ignore[union-attr]
        assert part.targets.bincount(minlength=4)[:2].tolist() == [30, 30]


def test_published_and_generated_sets_keep_their_split() -> None:
    """To the bit: the figures of their presets stand on it."""
    whole = spiral(points_per_class=30, num_classes=3, noise=0.2, drawing="even", test_size=1.0, data_seed=0)
    splits = divided(whole, val_size=20, split_seed=4)
    drawn = torch.randperm(90, generator=torch.Generator().manual_seed(4))[:20].sort().values
    assert splits.val is not None and torch.equal(splits.val.inputs, whole.train.inputs[drawn])
    assert splits.divided_by == ("data.val_size",) and splits.val.targets.bincount().tolist() != [7, 7, 6]


def test_classes_are_counted_by_name() -> None:
    splits = Splits(of_classes(3, 2, 1), None, val=of_classes(0, 0, 4))
    facts = {"num_outputs": 3, "class_names": ["ant", "bee", "void"]}
    assert counts_by_class(splits, facts, ignored=2) == {"train": {"ant": 3, "bee": 2}, "val": {"ant": 0, "bee": 0}}
    assert counts_by_class(splits, {"num_outputs": 2, "class_names": None}, None)["train"] == {"0": 3, "1": 2}
    assert counts_by_class(Splits(Split(torch.zeros(3, 1), torch.zeros(3, 1)), None), facts, None) == {}


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([80, 20], True),
        ([212, 357], True),
        ([5421, 6742], False),
        ([50, 60], False),
        ([12, 6, 9], False),
        ([9, 0], True),
    ],
)
def test_unbalanced_is_more_than_chance_explains(counts: list[int], expected: bool) -> None:
    assert are_unbalanced(counts) == expected


def test_a_group_is_in_one_split_whatever_the_seed() -> None:
    generator = torch.Generator().manual_seed(0)
    patients = torch.randint(0, 40, (500,), generator=generator)
    split = Split(torch.arange(500.0)[:, None], torch.arange(500), groups=patients)
    for seed in range(50):
        splits = divided(Splits(*held_out(split, 100, seed)), val_size=0.2, split_seed=seed)
        parts = [splits.train, splits.val, splits.test]
        found = [set(patients[part.targets].tolist()) for part in parts]
        assert sum(map(len, found)) == len(set.union(*found)) == len(patients.unique())
        assert set().union(*map(rows, parts)) == set(range(500)) and sum(map(len, parts)) == 500
        assert abs(len(splits.test) - 100) <= 2 and abs(len(splits.val) - 0.2 * (500 - len(splits.test))) <= 2
        assert all(torch.equal(patients[part.targets], torch.as_tensor(part.groups)) for part in parts)
    assert rows(held_out(split, 100, 0)[1]) != rows(held_out(split, 100, 1)[1])


def test_groups_that_can_not_be_divided() -> None:
    """Of two groups each is one side, however far from the size that was asked for."""
    split = Split(torch.arange(100.0)[:, None], torch.arange(100), groups=["a"] + 99 * ["b"])
    for count in (1, 40, 90):
        rest, held = held_out(split, count, 0)
        assert {len(rest), len(held)} == {1, 99} and len(held) == (1 if count < 50 else 99)
    with pytest.raises(UserError, match="all 3 samples are of one group"):
        held_out(Split(torch.zeros(3, 1), torch.zeros(3), groups=[7, 7, 7]), 1, 0)
    for groups in (None, [7]):
        with pytest.raises(
            UserError,
            match="^there is only one sample, so none can be held out; data.test_size=0 data.val_size=0",
        ):
            held_out(Split(torch.zeros(1, 1), torch.zeros(1), groups=groups), 1, 0)


def test_a_group_in_two_splits_of_the_data_is_named() -> None:
    def grouped(*names: str) -> Split:
        return Split(torch.zeros(len(names), 1), torch.zeros(len(names)), groups=names)

    with pytest.raises(UserError, match="group bob lies in the training and in the test split"):
        divided(Splits(grouped("ann", "bob", "cat"), grouped("dan", "bob")), val_size=0)


@pytest.mark.parametrize("groups", [[1, 2], [[1], [2], [3]], [0.5, 1, 2], [None, 1, 2]])
def test_wrong_groups(groups: list[object]) -> None:
    with pytest.raises(UserError, match="groups must be a whole number or a text for each of 3 samples"):
        Split(torch.zeros(3, 1), groups=groups)


@pytest.mark.parametrize("weights", [[1.0, 2.0], [[1], [2], [3]], [1, -1, 1], [1, float("nan"), 1], ["a", "b", "c"]])
def test_wrong_weights(weights: list[object]) -> None:
    with pytest.raises(UserError, match="weights must be a number of at least 0 for each of 3 samples"):
        Split(torch.zeros(3, 1), weights=weights)


def test_weights_of_zero_everywhere() -> None:
    with pytest.raises(UserError, match="the weights of all training samples are 0"):
        divided(Splits(Split(torch.zeros(3, 1), weights=[0, 0, 0]), None), val_size=0)


def test_every_sample_validates_in_one_fold() -> None:
    """Of classes each fold has as many, but for one."""
    targets = torch.tensor([0] * 61 + [1] * 30 + [2] * 9)
    split = Split(torch.arange(100.0)[:, None], targets)
    seen: list[int] = []
    for fold in range(5):
        splits = divided(Splits(split, numbered(20)), folds=5, fold=fold, val_size=0)
        assert splits.val is not None and splits.test is not None and len(splits.test) == 20
        seen += splits.val.inputs[:, 0].long().tolist()
        assert len(splits.val) == 20 and len(splits.train) == 80
        assert splits.val.targets.bincount().sub(torch.tensor([12.2, 6, 1.8])).abs().max() < 1
    assert sorted(seen) == list(range(100))
    one, other = (divided(Splits(split, None), folds=5, fold=0, split_seed=seed).val for seed in (0, 1))
    assert one is not None and other is not None and not torch.equal(one.inputs, other.inputs)


def test_folds_take_whole_groups() -> None:
    patients = torch.randint(0, 23, (200,), generator=torch.Generator().manual_seed(0))
    split = Split(torch.arange(200.0)[:, None], torch.arange(200), groups=patients)
    validated: list[int] = []
    for fold in range(4):
        splits = divided(Splits(split, None), folds=4, fold=fold)
        assert splits.val is not None and 45 <= len(splits.val) <= 55
        assert not set(patients[splits.val.targets].tolist()) & set(patients[splits.train.targets].tolist())
        validated += splits.val.targets.tolist()
    assert sorted(validated) == list(range(200))


def test_folds_that_are_not_possible() -> None:
    with pytest.raises(UserError, match="this data set has some of its own"):
        divided(Splits(numbered(10), None, val=numbered(4)), folds=2, fold=0)
    with pytest.raises(UserError, match="as many samples for training at least, and there are 3"):
        divided(Splits(numbered(3), None), folds=4, fold=0)
    with pytest.raises(UserError, match="as many groups for training at least, and there are 2"):
        divided(Splits(Split(torch.zeros(4, 1), groups=[1, 1, 2, 2]), None), folds=3, fold=0)


def test_balanced_sampling_multiplies_weights() -> None:
    targets = torch.tensor([0, 0, 0, 2])
    train = divided(Splits(Split(torch.zeros(4, 1), targets, weights=[1, 1, 0, 5]), None), val_size=0).train
    assert train.weights is not None and train.weights.tolist() == [1, 1, 0, 5]
    train = divided(Splits(train, None), val_size=0, sampling="balanced").train
    assert train.weights is not None and train.weights.tolist() == [0.5, 0.5, 0, 1]
    with pytest.raises(UserError, match="it wants one class number a sample"):
        divided(Splits(Split(torch.zeros(4, 1), torch.zeros(4, 1)), None), val_size=0, sampling="balanced")


def test_groups_far_from_the_size_asked_for_are_told(caplog: pytest.LogCaptureFixture) -> None:
    _, held = held_out(Split(torch.zeros(300, 1), torch.zeros(300), groups=[0] * 299 + [1]), 30, 0)
    assert len(held) == 1
    assert "30 samples were to be held out, and the nearest that whole groups come to is 1" in caplog.text


def made(*words: str) -> Splits:
    splits = load_data(compose(list(words)).config["data"])
    assert isinstance(splits, Splits)
    return splits


@pytest.mark.parametrize("name", ["blobs", "circles", "curve", "moons", "spiral"])
def test_the_test_split_is_drawn_anew_and_can_be_left_out(name: str) -> None:
    whole, without, half = (made(f"data={name}", f"data.test_size={size}") for size in (1, 0, 0.5))
    assert whole.test is not None and half.test is not None and without.test is None
    drawn = (whole.train, without.train, half.train)
    for field in ("inputs", "targets"):
        assert all(torch.equal(each.fields[field], whole.train.fields[field]) for each in drawn)
    assert len(whole.test) == len(whole.train) == 2 * len(half.test)
    key = "targets" if name == "curve" else "inputs"
    assert not torch.equal(whole.test.fields[key], whole.train.fields[key])
    other = made(f"data={name}", "data.data_seed=1")
    assert not torch.equal(other.train.fields[key], whole.train.fields[key])
