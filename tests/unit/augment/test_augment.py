"""Augmentation: every sample drawn by itself, every result one a slow and plain version could have made."""

import pytest
import torch
from torch import Tensor

from dlexp.augment.crop import RandomCrop
from dlexp.augment.cutout import Cutout
from dlexp.augment.flip import AlternatingFlip, RandomFlip
from dlexp.augment.operation import Draw, Operation
from dlexp.augment.rearrange import Fused, fused
from dlexp.augment.together import refuse_what_would_not_fit
from dlexp.errors import UserError

COUNT = 2000


def draw(seed: int = 0, count: int = COUNT, epoch: int = 0) -> Draw:
    return Draw(torch.Generator().manual_seed(seed), epoch, torch.arange(count), seed)


def same_image(count: int = COUNT, height: int = 6, width: int = 7) -> Tensor:
    """One image of distinct values, many times, so that what happened to each can be read off."""
    image = torch.arange(1, 2 * height * width + 1, dtype=torch.uint8).view(1, 2, height, width)
    return image.repeat(count, 1, 1, 1)


@pytest.mark.parametrize("mode", ["reflect", "zeros"])
@pytest.mark.parametrize("padding", [1, 2, 4])
def test_crop_makes_exactly_the_crops_of_the_padded_image_equally_often(padding: int, mode: str) -> None:
    images = same_image()
    pad = {"reflect": {"mode": "reflect"}, "zeros": {"mode": "constant"}}[mode]
    padded = torch.nn.functional.pad(images[:1].float(), [padding] * 4, **pad).to(torch.uint8)
    height, width = images.shape[2:]
    possible = {
        padded[0, :, top : top + height, left : left + width].numpy().tobytes(): 0
        for top in range(2 * padding + 1)
        for left in range(2 * padding + 1)
    }
    cropped = RandomCrop(padding=padding, mode=mode)(images, draw())
    assert cropped.dtype == torch.uint8 and cropped.shape == images.shape
    for image in cropped:
        possible[image.numpy().tobytes()] += 1  # a KeyError is an image no crop gives
    expected = COUNT / len(possible)
    assert all(abs(times - expected) < 6 * expected**0.5 for times in possible.values())


def test_crop_leaves_its_input_alone() -> None:
    images = same_image(10)
    RandomCrop(padding=2, mode="zeros")(images, draw())
    assert torch.equal(images, same_image(10))


def test_crop_larger_than_the_image_is_a_sentence() -> None:
    with pytest.raises(UserError, match="6×7"):
        RandomCrop(padding=6, mode="reflect")(same_image(2), draw())
    assert RandomCrop(padding=9, mode="zeros")(same_image(2), draw()).shape == (2, 2, 6, 7)


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_flip_mirrors_its_share(probability: float) -> None:
    images = same_image()
    flipped = RandomFlip(probability=probability)(images, draw())
    mirrored = (flipped == images.flip(3)).all((1, 2, 3))
    assert (mirrored | (flipped == images).all((1, 2, 3))).all()
    assert float(mirrored.float().mean()) == pytest.approx(probability, abs=0.05)


def mirrored(epoch: int, step: int = 0, seed: int = 0, samples: Tensor | None = None) -> list[bool]:
    """Which of the samples an alternating flip mirrors."""
    chosen = draw(count=COUNT, epoch=epoch)._replace(generator=torch.Generator().manual_seed(step), seed=seed)
    chosen = chosen if samples is None else chosen._replace(samples=samples)
    images = same_image(len(chosen.samples))
    flipped = AlternatingFlip()(images, chosen)
    is_mirrored = (flipped == images.flip(3)).all((1, 2, 3))
    assert (is_mirrored | (flipped == images).all((1, 2, 3))).all()
    return is_mirrored.tolist()


def agreement(one: list[bool], other: list[bool]) -> float:
    return sum(a == b for a, b in zip(one, other, strict=True)) / len(one)


def test_alternating_flip_shows_both_sides_in_two_epochs() -> None:
    first = mirrored(epoch=0)
    assert sum(first) / COUNT == pytest.approx(0.5, abs=0.05)
    assert mirrored(epoch=1) == [not each for each in first]
    assert mirrored(epoch=2) == mirrored(epoch=100) == first


def test_alternating_flip_depends_on_the_sample_and_the_seed_alone() -> None:
    first = mirrored(epoch=0)
    assert mirrored(epoch=0, step=7) == first
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(3))
    assert mirrored(epoch=0, samples=order) == [first[i] for i in order.tolist()]
    # coins of neighbours, of neighbouring seeds and of seeds far apart are independent
    assert agreement(first[:-1], first[1:]) == pytest.approx(0.5, abs=0.05)
    assert agreement(first[:-2], first[2:]) == pytest.approx(0.5, abs=0.05)
    for seed in (1, 2, 3, 2**40, 2**63 - 1):
        assert agreement(first, mirrored(epoch=0, seed=seed)) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("mode", ["reflect", "zeros"])
def test_crop_and_flip_fused_are_what_they_are_one_by_one(mode: str) -> None:
    parts: list[Operation] = [
        RandomCrop(padding=2, mode=mode),
        RandomFlip(probability=0.5),
        AlternatingFlip(),
        RandomCrop(padding=1, mode=mode),
    ]
    cutout = Cutout(size=3, fill="zeros")
    operations = fused([*parts, cutout, parts[0]])
    assert [type(each) for each in operations] == [Fused, Cutout, Fused]
    images = torch.randint(1, 256, (200, 3, 9, 8), dtype=torch.uint8)
    together, one_by_one = images, images
    first, second = draw(1, 200), draw(1, 200)
    for operation in operations:
        together = operation(together, first)
    for operation in [*parts, cutout, parts[0]]:
        one_by_one = operation(one_by_one, second)
    assert torch.equal(together, one_by_one)
    assert torch.equal(first.generator.get_state(), second.generator.get_state())
    assert fused([]) == []


@pytest.mark.parametrize("size", [1, 2, 3, 16])
def test_cutout_covers_one_square_a_sample(size: int) -> None:
    images = torch.full((COUNT, 3, 8, 9), 200, dtype=torch.uint8)
    covered = Cutout(size=size, fill="zeros")(images, draw()) == 0
    assert torch.equal(covered[:, 0], covered[:, 2])
    rows, columns = covered[:, 0].any(2).sum(1), covered[:, 0].any(1).sum(1)
    assert torch.equal(rows * columns, covered[:, 0].sum((1, 2)))  # a rectangle
    assert int(rows.max()) == min(size, 8) and int(columns.max()) == min(size, 9)
    assert size > 8 or len({tuple(sample.flatten().tolist()) for sample in covered[:200, 0]}) > 20
    assert covered[:, 0].any(0).all()  # every pixel is reached


def test_cutout_fills_with_the_mean_colour() -> None:
    images = torch.zeros(4, 2, 8, 8, dtype=torch.uint8)
    images[:, 1] = 77
    assert torch.equal(Cutout(size=4, fill="mean")(images, draw()), images)


OPERATIONS = [
    RandomCrop(padding=2, mode="reflect"),
    RandomCrop(padding=2, mode="zeros"),
    RandomFlip(probability=0.5),
    AlternatingFlip(),
    Cutout(size=3, fill="mean"),
]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: type(operation).__name__)
def test_samples_differ_and_the_generator_decides(operation: Operation) -> None:
    images = same_image(64)
    result = operation(images, draw(5, 64))
    assert len({sample.numpy().tobytes() for sample in result}) > 1
    assert torch.equal(result, operation(images, draw(5, 64)))
    assert not torch.equal(result, operation(images, draw(6, 64)))
    # floats and the channels-last layout give the same pixels
    floats = operation(images.float().contiguous(memory_format=torch.channels_last), draw(5, 64))
    torch.testing.assert_close(floats, result.float(), rtol=0, atol=1)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: type(operation).__name__)
def test_features_are_refused_in_a_sentence(operation: Operation) -> None:
    with pytest.raises(UserError, match="augment=none"):
        operation(torch.zeros(4, 2), draw())


def test_what_would_be_left_behind_is_refused_with_the_word_that_moves_both() -> None:
    with pytest.raises(UserError, match=r"'data.fields=\{depth: \{kind: mask\}\}' moves both"):
        refuse_what_would_not_fit([RandomFlip(probability=0.5)], {}, ["depth"], ["depth"])
