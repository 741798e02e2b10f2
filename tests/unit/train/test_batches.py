"""Batches: order, normalisation, layout, and that an epoch can be entered at any step."""

import pytest
import torch
from small import batches_of, pairs
from torch import Tensor

from dlexp.augment.crop import RandomCrop
from dlexp.augment.flip import RandomFlip
from dlexp.augment.seeds import derived_seed
from dlexp.data.splits import Split
from dlexp.train.batches import Batches


def images(count: int = 50) -> Split:
    generator = torch.Generator().manual_seed(1)
    return Split(torch.randint(0, 256, (count, 3, 8, 8), generator=generator).to(torch.uint8), torch.arange(count))


def batches(split: Split, **changes: object) -> Batches:
    channels = split.inputs.shape[1]
    settings = {
        "batch_size": 8,
        "mean": [0.5] * channels,
        "std": [0.25] * channels,
        "seed": 0,
        "augment": [],
        "shuffle": True,
        "channels_last": False,
    }
    return batches_of(split, **(settings | changes))  # type: ignore[arg-type]


def targets(of: Batches, epoch: int = 0) -> list[int]:
    return [int(target) for batch in of.epoch(epoch) for target in batch["targets"]]


def test_in_order_keeps_everything() -> None:
    ordered = batches(images(), shuffle=False)
    assert len(ordered) == 7 and ordered.num_samples == 50
    assert targets(ordered) == list(range(50))


def test_shuffled_drops_the_incomplete_batch_and_repeats_nothing() -> None:
    shuffled = batches(images())
    assert len(shuffled) == 6 and shuffled.num_samples == 48
    seen = targets(shuffled)
    assert len(seen) == len(set(seen)) == 48
    assert seen != targets(shuffled, epoch=1)
    assert seen == targets(batches(images()))
    assert seen != targets(batches(images(), seed=1))


def test_split_smaller_than_a_batch_is_one_batch() -> None:
    small = batches(images(5))
    assert len(small) == 1 and sorted(targets(small)) == [0, 1, 2, 3, 4]


def test_all_samples_at_once_are_one_and_the_same_batch_unless_something_changes_them() -> None:
    whole = batches(images(20), batch_size=20)
    assert whole.is_one_batch and targets(whole) == targets(whole, epoch=1) == list(range(20))
    for batch in whole.epoch(0):  # as a model may
        batch["inputs"].zero_()
        batch["targets"].zero_()
    (again,) = whole.epoch(1)
    assert again["inputs"].any() and again["targets"].tolist() == list(range(20))
    flipped = batches(images(20), batch_size=20, augment=[RandomFlip(probability=0.5)])
    assert not flipped.is_one_batch and targets(flipped) != targets(flipped, epoch=1)
    weighted = images(20)
    weighted.weights = torch.ones(20, dtype=torch.float64)
    assert not batches(weighted, batch_size=20).is_one_batch
    assert not batches(images(20)).is_one_batch and not batches(images(20), shuffle=False).is_one_batch


def test_samples_for_a_model_to_see_first_are_of_the_whole_split() -> None:
    some = batches(images()).spread(10)
    tenth = batches(Split(images().inputs[::5], images().targets[::5]), shuffle=False).spread(10)
    assert all(torch.equal(some[name], tenth[name]) for name in ("inputs", "targets"))
    assert len(batches(images()).spread(60)["inputs"]) == 50 and some["inputs"].dtype == torch.float32


def test_bytes_are_normalised() -> None:
    split = images()
    inputs, answers = pairs(batches(split, mean=[0.1, 0.2, 0.3], std=[0.5, 0.6, 0.7]))[0]
    expected = split.inputs[answers].double() / 255
    expected = (expected - torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)) / torch.tensor([0.5, 0.6, 0.7]).view(
        1, 3, 1, 1
    )
    assert inputs.dtype == torch.float32
    torch.testing.assert_close(inputs.double(), expected, rtol=0, atol=1e-6)


def test_features_are_normalised_and_left_untouched() -> None:
    split = Split(torch.ones(4, 2), torch.zeros(4, 1))
    inputs, _ = pairs(batches(split, mean=[1, 0], std=[1, 2], shuffle=False, channels_last=True))[0]
    assert inputs.tolist() == [[0, 0.5]] * 4
    assert torch.equal(split.inputs, torch.ones(4, 2))


def test_channels_last() -> None:
    inputs, _ = pairs(batches(images(), channels_last=True))[0]
    assert inputs.is_contiguous(memory_format=torch.channels_last)
    plain, _ = pairs(batches(images()))[0]
    assert plain.is_contiguous() and torch.equal(plain, inputs)


@pytest.mark.parametrize("start", range(7))
def test_an_epoch_entered_midway_is_identical(start: int) -> None:
    def run(first: int) -> list[tuple[Tensor, Tensor]]:
        operations = [RandomCrop(padding=2, mode="reflect"), RandomFlip(probability=0.5)]
        return pairs(batches(images(), augment=operations), 4, first)

    whole, rest = run(0), run(start)
    assert len(rest) == 6 - min(start, 6)
    for (inputs, answers), (again, same) in zip(whole[start:], rest, strict=True):
        assert torch.equal(inputs, again) and torch.equal(answers, same)


def test_augmentation_changes_with_epoch_step_and_seed() -> None:
    same = Split(torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8).expand(16, 1, 8, 8), torch.zeros(16))

    def first(seed: int, epoch: int, step: int) -> Tensor:
        operations = [RandomCrop(padding=3, mode="zeros")]
        return pairs(batches(same, augment=operations, seed=seed), epoch)[step][0]

    drawn = [first(0, 0, 0), first(0, 0, 1), first(0, 1, 0), first(1, 0, 0)]
    assert all(not torch.equal(one, other) for i, one in enumerate(drawn) for other in drawn[:i])


def test_global_generator_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    list(batches(images(), augment=[RandomFlip(probability=0.5)]).epoch(0))
    assert torch.equal(before, torch.random.get_rng_state())


def test_derived_seeds_differ_and_fit() -> None:
    seeds = {derived_seed(seed, epoch, step) for seed in range(10) for epoch in range(10) for step in range(10)}
    assert len(seeds) == 1000 and all(0 <= seed < 2**63 for seed in seeds)
    assert derived_seed(1, 23) != derived_seed(12, 3)


@pytest.mark.parametrize("shuffle", [True, False])
def test_samples_normalised_beforehand_are_the_same_and_safe(shuffle: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = batches(images(), shuffle=shuffle)
    monkeypatch.setattr("dlexp.train.batches.READY_BYTES", 0)
    later = batches(images(), shuffle=shuffle)
    assert ready.ready.keys() == {"inputs"} and not later.ready
    for _ in range(2):
        for (inputs, answers), (same, equal) in zip(pairs(ready, 1), pairs(later, 1), strict=True):
            assert torch.equal(inputs, same) and torch.equal(answers, equal)
            inputs.zero_()  # as a model with an operation in place may do


def test_weights_draw_with_replacement_and_enter_an_epoch_anywhere() -> None:
    weights = [0, 1, 2, 5]
    split = Split(torch.arange(4000.0)[:, None], torch.arange(4000) % 4, weights=torch.tensor(weights).repeat(1000))
    drawn = batches(split)
    assert len(drawn) == 500 and drawn.num_samples == 4000
    shares = torch.tensor(targets(drawn)).bincount(minlength=4) / 4000
    assert shares[0] == 0 and (shares - torch.tensor(weights) / 8).abs().max() < 0.03
    assert targets(drawn) == targets(batches(split)) != targets(drawn, epoch=1)
    later = [row["inputs"] for row in drawn.epoch(3, start=490)]
    assert all(torch.equal(*pair) for pair in zip(later, [row["inputs"] for row in drawn.epoch(3)][490:], strict=True))
    assert targets(batches(split, shuffle=False)) == split.targets.tolist(), "evaluation sees every sample once"
