"""Mixup and cutmix: what becomes of inputs and targets, and that every sample draws by itself."""

import math
from typing import Any

import pytest
import torch
from small import batches_of, pairs
from torch import Tensor

from dlexp.augment.flip import RandomFlip
from dlexp.augment.mixing import CutMix, Mixup, MixupOrCutMix, as_probabilities, symmetric_beta
from dlexp.augment.operation import Draw, Mixing
from dlexp.data.splits import Split
from dlexp.errors import UserError
from dlexp.train.batches import Batches

COUNT = 4000
CLASSES = 5
MIXUP = Mixup(alpha=1.0, probability=1.0, num_classes=CLASSES)
CUTMIX = CutMix(alpha=1.0, probability=1.0, num_classes=CLASSES, targets="classes")
BOTH = MixupOrCutMix(
    mixup_alpha=0.8, cutmix_alpha=1.0, probability=1.0, cutmix_share=0.5, num_classes=CLASSES, targets="classes"
)
ALL: list[Mixing] = [MIXUP, CUTMIX, BOTH]
each_one = pytest.mark.parametrize("mixing", ALL, ids=lambda mixing: type(mixing).__name__)


def draw(count: int = COUNT, seed: int = 0, device: str = "cpu") -> Draw:
    return Draw(torch.Generator().manual_seed(seed), 0, torch.arange(count, device=device), seed=0)


def planes(count: int = COUNT, height: int = 8, width: int = 8) -> Tensor:
    """Images of one value each, their number: what comes from where can be read off."""
    return torch.arange(1.0, count + 1).view(-1, 1, 1, 1).expand(count, 2, height, width).contiguous()


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.5, 1.0, 2.5])
def test_weights_follow_the_beta_distribution(alpha: float) -> None:
    count = 200_000
    found = symmetric_beta(alpha, count, draw(count)).double().sort().values
    assert found.isfinite().all() and found[0] >= 0 and found[-1] <= 1
    assert found.mean().item() == pytest.approx(0.5, abs=0.005)
    assert found.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.02)
    # Kolmogorov and Smirnov's distance to torch's own samples: above 0.0062 once in a thousand times.
    torch.manual_seed(1)
    own = torch.distributions.Beta(torch.tensor(alpha, dtype=torch.float64), alpha).sample((count,)).sort().values
    points = torch.linspace(0, 1, 2001, dtype=torch.float64)[1:-1]
    shares = [torch.searchsorted(values, points) / count for values in (found, own)]
    assert (shares[0] - shares[1]).abs().max() < 0.0062


def test_mixup_weighs_each_sample_against_the_one_before_it() -> None:
    images, classes = planes(), torch.randint(0, CLASSES, (COUNT,))
    inputs, targets = MIXUP.mix(images, classes, draw())
    weights = symmetric_beta(1.0, COUNT, draw()).double()
    before = images.double().roll(1, 0)
    expected = weights.view(-1, 1, 1, 1) * images + (1 - weights.view(-1, 1, 1, 1)) * before
    torch.testing.assert_close(inputs.double(), expected, rtol=1e-6, atol=1e-3)
    one_hot = torch.nn.functional.one_hot(classes, CLASSES).double()
    expected = weights[:, None] * one_hot + (1 - weights[:, None]) * one_hot.roll(1, 0)
    torch.testing.assert_close(targets.double(), expected, rtol=0, atol=1e-6)
    assert inputs.dtype == targets.dtype == torch.float32
    assert len(weights.unique()) > 0.9 * COUNT, "every sample draws by itself"


def test_cutmix_pastes_a_rectangle_and_weighs_by_its_area() -> None:
    height, width = 10, 14
    images, classes = planes(height=height, width=width), torch.arange(COUNT) % CLASSES
    inputs, targets = CUTMIX.mix(images, classes, draw())
    pasted = inputs[:, 0] == images.roll(1, 0)[:, 0]
    assert torch.equal(inputs[:, 0], torch.where(pasted, images.roll(1, 0)[:, 0], images[:, 0])), "bit for bit"
    assert torch.equal(inputs[:, 0], inputs[:, 1])
    rows, columns = pasted.any(2).sum(1), pasted.any(1).sum(1)
    assert torch.equal(rows * columns, pasted.sum((1, 2))), "a rectangle"
    area = pasted.float().mean((1, 2))
    ids = torch.arange(COUNT)
    torch.testing.assert_close(targets[ids, classes], 1 - area, rtol=0, atol=1e-6)
    torch.testing.assert_close(targets[ids, classes.roll(1)], area, rtol=0, atol=1e-6)
    assert pasted.any(0).all() and (~pasted).any(0).all(), "anywhere"
    assert {0, height} <= set(rows.tolist()) and {0, width} <= set(columns.tolist())
    # Where the edge cuts nothing off, the area is what was drawn: 1 - share of Beta(1, 1), the mean of which is 0.5.
    drawn = 1 - symmetric_beta(1.0, COUNT, draw())
    inside = ~(pasted[:, 0].any(1) | pasted[:, -1].any(1) | pasted[:, :, 0].any(1) | pasted[:, :, -1].any(1))
    assert inside.sum() > 200
    assert (area[inside] - drawn[inside]).mean().abs() < 0.005
    assert (area <= drawn + 2 / height + 2 / width).all()


def test_either_of_both() -> None:
    images, classes = planes(), torch.arange(COUNT) % CLASSES
    inputs, targets = BOTH.mix(images, classes, draw())
    kinds = (inputs == images) | (inputs == images.roll(1, 0))
    is_cut = kinds.all((1, 2, 3))
    assert is_cut.float().mean().item() == pytest.approx(0.5, abs=0.05)
    torch.testing.assert_close(targets.sum(1), torch.ones(COUNT), rtol=0, atol=1e-6)
    for share in (0.0, 1.0):
        settings: dict[str, Any] = {"mixup_alpha": 2.0, "cutmix_alpha": 2.0, "probability": 1.0, "targets": "classes"}
        only = MixupOrCutMix(**settings, cutmix_share=share, num_classes=CLASSES).mix(images, classes, draw())[0]
        is_cut = ((only == images) | (only == images.roll(1, 0))).all((1, 2, 3))
        assert is_cut.float().mean().item() == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize("probability", [0.0, 0.3])
def test_the_others_stay_as_they_are(probability: float) -> None:
    images, classes = planes(), torch.arange(COUNT) % CLASSES
    for mixing in (
        Mixup(alpha=3.0, probability=probability, num_classes=CLASSES),
        CutMix(alpha=3.0, probability=probability, num_classes=CLASSES, targets="classes"),
    ):
        inputs, targets = mixing.mix(images, classes, draw())
        untouched = (inputs == images).all((1, 2, 3))
        assert (~untouched).float().mean().item() == pytest.approx(probability, abs=0.03)
        assert torch.equal(targets[untouched], as_probabilities(classes, CLASSES)[untouched])


def test_values_and_features_are_mixed_by_mixup() -> None:
    values, features = torch.randn(64, 2), torch.randn(64, 3)
    inputs, targets = MIXUP.mix(features, values, draw(64))
    weights = symmetric_beta(1.0, 64, draw(64))[:, None]
    torch.testing.assert_close(targets, weights * values + (1 - weights) * values.roll(1, 0))
    torch.testing.assert_close(inputs, weights * features + (1 - weights) * features.roll(1, 0))


def test_one_after_the_other_keeps_probabilities() -> None:
    inputs, targets = planes(64), torch.arange(64) % CLASSES
    for mixing in ALL:
        inputs, targets = mixing.mix(inputs, targets, draw(64))
    assert targets.shape == (64, CLASSES)
    torch.testing.assert_close(targets.sum(1), torch.ones(64), rtol=0, atol=1e-5)


def test_cutmix_refuses_values_and_features_in_a_sentence() -> None:
    with pytest.raises(UserError, match="augment=cutmix pastes.*augment=mixup"):
        CutMix(alpha=1.0, probability=1.0, num_classes=1, targets="values")
    with pytest.raises(UserError, match="'cutmix' changes images"):
        CUTMIX.mix(torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64), draw(4))


@each_one
def test_the_generator_decides_and_nothing_is_changed_in_place(mixing: Mixing) -> None:
    images, classes = planes(64), torch.arange(64) % CLASSES
    first, again, other = (mixing.mix(images, classes, draw(64, seed)) for seed in (1, 1, 2))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])
    assert torch.equal(images, planes(64)) and torch.equal(classes, torch.arange(64) % CLASSES)


@each_one
def test_no_value_is_read_from_the_device(mixing: Mixing) -> None:
    # On the meta device anything that reads a value raises.
    images, classes = planes(16).to("meta"), torch.arange(16, device="meta")
    inputs, targets = mixing.mix(images, classes, draw(16, device="meta"))
    assert inputs.is_meta and inputs.shape == images.shape and targets.shape == (16, CLASSES)


def batches(augment: list[Any], channels_last: bool = False) -> Batches:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randint(0, 256, (50, 3, 8, 8), generator=generator).to(torch.uint8)
    settings: dict[str, Any] = {"batch_size": 8, "mean": [0.5] * 3, "std": [0.25] * 3, "seed": 3, "shuffle": True}
    split = Split(inputs, torch.arange(50) % CLASSES)
    return batches_of(split, augment=augment, channels_last=channels_last, **settings)


@each_one
def test_mixing_comes_after_all_operations_and_after_normalisation(mixing: Mixing) -> None:
    plain = pairs(batches([RandomFlip(probability=1.0)]), 2)
    for order in ([mixing, RandomFlip(probability=1.0)], [RandomFlip(probability=1.0), mixing]):
        mixed = pairs(batches(order), 2)
        for (inputs, targets), (images, classes) in zip(mixed, plain, strict=True):
            least, most = torch.minimum(images, images.roll(1, 0)), torch.maximum(images, images.roll(1, 0))
            assert (inputs >= least - 1e-5).all() and (inputs <= most + 1e-5).all()
            assert (targets[torch.arange(8), classes] > 0).sum() >= 7
            assert not math.isclose(targets.max(1).values.mean().item(), 1.0)


@each_one
@pytest.mark.parametrize("start", [0, 1, 5])
def test_an_epoch_entered_midway_is_identical(mixing: Mixing, start: int) -> None:
    whole, rest = (pairs(batches([RandomFlip(probability=0.5), mixing]), 4, first) for first in (0, start))
    assert len(rest) == 6 - start
    for (inputs, targets), (again, same) in zip(whole[start:], rest, strict=True):
        assert torch.equal(inputs, again) and torch.equal(targets, same)


@each_one
def test_channels_last_survives(mixing: Mixing) -> None:
    last, first = (pairs(batches([mixing], channels_last=layout))[0] for layout in (True, False))
    assert last[0].is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(last[0], first[0]) and torch.equal(last[1], first[1])
