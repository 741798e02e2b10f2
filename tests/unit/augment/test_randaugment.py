"""RandAugment and TrivialAugment: each operation is Pillow's on one image; on a batch each image has its own."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from torch import Tensor

from dlexp.augment import colours, randaugment
from dlexp.augment.color_jitter import ColorJitter
from dlexp.augment.operation import Draw, Operation
from dlexp.augment.randaugment import NUM_OPERATIONS, RANDAUGMENT, RandAugment, TrivialAugment, dealt, hand_sizes
from dlexp.augment.warp import Motion, warped
from dlexp.errors import UserError
from dlexp.models.vision import import_torchvision

COUNT = 24
FACTORS = torch.linspace(0, 2, COUNT)


def pictures(channels: int = 3, height: int = 33, width: int = 30, count: int = COUNT) -> Tensor:
    """Noise, smooth shades, few values, one value and dark images: what histograms and rounding could trip over."""
    generator = torch.Generator().manual_seed(1)
    noise = torch.randint(0, 256, (count, channels, height, width), generator=generator).float()
    shades = torch.linspace(0, 255, width).expand(count, channels, height, width) * (
        0.3 + 0.03 * torch.arange(channels).view(1, -1, 1, 1)
    )
    kinds = [
        noise,
        shades,
        (noise / 64).floor() * 64,
        torch.full_like(noise, 77),
        0.2 * noise + 20,
        0.5 * noise + 0.5 * shades,
    ]
    chosen = torch.arange(count) % len(kinds)
    return torch.stack([kinds[kind][i] for i, kind in enumerate(chosen.tolist())]).to(torch.uint8)


def as_pillow(image: Tensor) -> Image.Image:
    values = image.permute(1, 2, 0).numpy()
    return Image.fromarray(values if len(image) == 3 else values[..., 0])


def as_tensor(image: Image.Image) -> Tensor:
    values = torch.from_numpy(np.array(image))
    return values.permute(2, 0, 1) if values.ndim == 3 else values[None]


def largest_difference(found: Tensor, images: Tensor, pillow: Callable[[Image.Image, int], Image.Image]) -> int:
    assert found.dtype == torch.uint8 and found.shape == images.shape
    expected = torch.stack([as_tensor(pillow(as_pillow(image), i)) for i, image in enumerate(images)])
    return int((found.int() - expected.int()).abs().max())


ENHANCERS: list[tuple[Any, Any]] = [
    (colours.brightness, ImageEnhance.Brightness),
    (colours.saturation, ImageEnhance.Color),
    (colours.contrast, ImageEnhance.Contrast),
    (colours.sharpness, ImageEnhance.Sharpness),
]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("ours, pillows", ENHANCERS, ids=[ours.__name__ for ours, _ in ENHANCERS])
def test_blends_are_pillows(ours: Any, pillows: Any, channels: int) -> None:
    images = pictures(channels)
    found = ours(images, FACTORS)
    tolerance = 1  # of 255: where a product is a whole number up to rounding, either may cut it off
    assert largest_difference(found, images, lambda image, i: pillows(image).enhance(FACTORS[i].item())) <= tolerance
    assert torch.equal(ours(images, torch.ones(COUNT)), images)


def test_smoothing_is_pillows() -> None:
    images = pictures()
    found = colours.sharpness(images, torch.zeros(COUNT))
    assert largest_difference(found, images, lambda image, i: image.filter(ImageFilter.SMOOTH)) == 0
    tiny = images[..., :2, :]
    assert torch.equal(colours.sharpness(tiny, FACTORS), tiny)


@pytest.mark.parametrize("channels", [1, 3])
def test_operations_on_values_are_pillows(channels: int) -> None:
    images = pictures(channels)
    bits = torch.arange(COUNT) % 8 + 1
    assert (
        largest_difference(colours.posterize(images, bits), images, lambda x, i: ImageOps.posterize(x, int(bits[i])))
        == 0
    )
    assert not colours.posterize(images, torch.zeros(COUNT)).any()
    thresholds = torch.linspace(0, 256, COUNT)
    found = colours.solarize(images, thresholds)
    assert largest_difference(found, images, lambda x, i: ImageOps.solarize(x, thresholds[i].item())) == 0  # type: ignore[arg-type]
    assert largest_difference(colours.equalize(images), images, lambda x, i: ImageOps.equalize(x)) == 0
    assert largest_difference(colours.autocontrast(images), images, lambda x, i: ImageOps.autocontrast(x)) <= 1


def still(count: int) -> dict[str, Tensor]:
    return {name: torch.zeros(count) for name in Motion._fields}


def moved(images: Tensor, interpolation: str = "nearest", fill: int = 9, **changes: Tensor) -> Tensor:
    return warped(images, Motion(**(still(len(images)) | changes)), interpolation=interpolation, fill=fill)


STRENGTHS = torch.linspace(-1, 1, COUNT)
# Name and value of what moves, and the matrix by which Pillow's transform does the same.
MOVES: list[tuple[str, Tensor, Callable[[float], tuple[float, ...]]]] = [
    ("shear_x", 0.9 * STRENGTHS, lambda value: (1, value, 0, 0, 1, 0)),
    ("shear_y", 0.9 * STRENGTHS, lambda value: (1, 0, 0, value, 1, 0)),
    ("shift_x", (20 * STRENGTHS).round(), lambda value: (1, 0, value, 0, 1, 0)),
    ("shift_y", (40 * STRENGTHS).round(), lambda value: (1, 0, 0, 0, 1, value)),
]


def disagreement(found: Tensor, expected: list[Image.Image]) -> float:
    """The part of the values that differ."""
    return (found != torch.stack([as_tensor(image) for image in expected])).float().mean().item()


@pytest.mark.parametrize("name, values, matrix", MOVES, ids=[name for name, *_ in MOVES])
def test_shears_and_shifts_are_pillows(name: str, values: Tensor, matrix: Callable[[float], tuple[float, ...]]) -> None:
    images = pictures()
    expected = [
        as_pillow(image).transform(
            (30, 33), Image.Transform.AFFINE, matrix(value), Image.Resampling.NEAREST, fillcolor=(9, 9, 9)
        )
        for image, value in zip(images, values.tolist(), strict=True)
    ]
    share = disagreement(moved(images, **{name: values}), expected)
    # Sources exactly between two pixels may go to either side; shifts by whole pixels have none.
    assert share == 0 if "shift" in name else share < 0.005


def test_turns_are_pillows() -> None:
    images = pictures()
    angles = 135 * STRENGTHS
    expected = [
        as_pillow(image).rotate(angle, fillcolor=(9, 9, 9))
        for image, angle in zip(images, angles.tolist(), strict=True)
    ]
    assert disagreement(moved(images, angle=angles), expected) < 0.005
    assert torch.equal(moved(images, angle=torch.full((COUNT,), 180.0)), images.flip(2, 3))
    for interpolation in ("nearest", "bilinear"):
        assert torch.equal(moved(images, interpolation), images)


def test_bilinear_is_torchvisions() -> None:
    functional = import_torchvision().transforms.functional
    images = pictures()
    angles = 50 * STRENGTHS
    bilinear = import_torchvision().transforms.InterpolationMode.BILINEAR
    found = moved(images, "bilinear", fill=0, angle=angles)
    for image, angle, ours in zip(images, angles.tolist(), found, strict=True):
        theirs = functional.rotate(image.float(), angle, bilinear)
        assert (ours - theirs).abs().max() <= 0.51


def test_strengths_are_torchvisions() -> None:
    space = import_torchvision().transforms.RandAugment()._augmentation_space(31, (40, 60))
    assert space["ShearX"][0][-1] == pytest.approx(RANDAUGMENT.shear)
    assert (space["TranslateX"][0][-1], space["TranslateY"][0][-1]) == (
        pytest.approx(RANDAUGMENT.shift(60)),
        pytest.approx(RANDAUGMENT.shift(40)),
    )
    assert space["Rotate"][0][-1] == RANDAUGMENT.angle
    assert space["Color"][0][-1] == pytest.approx(RANDAUGMENT.blend)
    assert 8 - int(space["Posterize"][0][-1]) == RANDAUGMENT.bits
    assert len(space) == NUM_OPERATIONS


def draw(seed: int = 0, count: int = COUNT) -> Draw:
    return Draw(torch.Generator().manual_seed(seed), 0, torch.arange(count), seed=0)


@pytest.mark.parametrize("num_images", [1, 5, 13, 14, 15, 128])
def test_every_operation_gets_its_share_of_images(num_images: int) -> None:
    totals = torch.zeros(NUM_OPERATIONS)
    for first in range(NUM_OPERATIONS):
        sizes = hand_sizes(num_images, first)
        assert sum(sizes) == num_images and max(sizes) - min(sizes) <= 1
        totals += torch.tensor(sizes)
    assert (totals == num_images).all(), "in turns, every operation gets equally many"


def test_every_image_gets_one_operation_and_stays_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    # Operations that add their number, from 1 on; what moves adds 100 + 10 times the sign of what moves it.
    adders = [lambda images, strengths, most, k=k: images + k for k in range(1, len(randaugment.COLOURS) + 1)]
    monkeypatch.setattr(randaugment, "COLOURS", adders)

    def moving(images: Tensor, motion: Motion, **settings: Any) -> Tensor:
        moves = torch.stack(motion)
        assert (moves.ne(0).sum(0) == 1).all(), "one motion each"
        return images + 100 + moves.ne(0).int().argmax(0).to(torch.uint8).view(-1, 1, 1, 1)

    monkeypatch.setattr(randaugment, "warped", moving)
    images = torch.arange(56, dtype=torch.uint8).view(-1, 1, 1, 1).expand(56, 3, 4, 4).contiguous()
    counts: dict[tuple[int, int], int] = {}
    for seed in range(300):
        changed = dealt(images, torch.ones(56), RANDAUGMENT, 0, draw(seed, 56), "nearest", 0)
        added = (changed - images)[:, 0, 0, 0].tolist()
        assert sorted(added) == sorted([*range(1, 10), *range(100, 105)] * 4)
        for index, operation in enumerate(added):
            counts[index, operation] = counts.get((index, operation), 0) + 1
    expected = 300 / NUM_OPERATIONS
    assert len(counts) == 56 * NUM_OPERATIONS
    assert all(abs(count - expected) < 6 * math.sqrt(expected) for count in counts.values()), "any image, any operation"


def test_both_signs_and_all_strengths_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    monkeypatch.setattr(
        randaugment,
        "COLOURS",
        [lambda x, strengths, most: seen.extend(strengths.tolist()) or x] * len(randaugment.COLOURS),
    )
    images = pictures(count=2800)
    TrivialAugment(interpolation="nearest", fill=0)(images, draw(0, 2800))
    levels = (torch.tensor(seen) * 30).round().int()
    shares = torch.bincount(levels + 30, minlength=61) / len(levels)
    assert shares[30] == pytest.approx(1 / 31, abs=0.015)
    assert all(share == pytest.approx(1 / 62, abs=0.015) for share in [*shares[:30].tolist(), *shares[31:].tolist()])
    seen.clear()
    RandAugment(num_ops=1, magnitude=9, interpolation="nearest", fill=0)(images, draw(0, 2800))
    assert {round(value, 4) for value in seen} == {0.3, -0.3}


OPERATIONS: list[Operation] = [
    RandAugment(num_ops=2, magnitude=9, interpolation="nearest", fill=128),
    RandAugment(num_ops=3, magnitude=30, interpolation="bilinear", fill=0),
    TrivialAugment(interpolation="nearest", fill=128),
    ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2),
]
each_one = pytest.mark.parametrize("operation", OPERATIONS, ids=["randaugment", "strong", "trivialaugment", "jitter"])


@each_one
@pytest.mark.parametrize("count, channels", [(1, 3), (20, 1), (40, 3), (20, 2)])
def test_any_batch_of_images_works_and_the_generator_decides(operation: Operation, count: int, channels: int) -> None:
    images = pictures(channels, 16, 12, count)
    before = images.clone()
    first, again, other = (operation(images, draw(seed, count)) for seed in (1, 1, 2))
    assert first.dtype == torch.uint8 and first.shape == images.shape
    assert torch.equal(first, again) and torch.equal(images, before)
    assert count == 1 or not torch.equal(first, other)
    last = operation(images.contiguous(memory_format=torch.channels_last), draw(1, count))
    assert torch.equal(first, last)


def test_no_strength_changes_only_what_has_none() -> None:
    operation = RandAugment(num_ops=1, magnitude=0, interpolation="nearest", fill=0)
    images = pictures(count=1400)
    changed = (operation(images, draw(0, 1400)) != images).any(3).any(2).any(1).float().mean().item()
    # Of 14 operations only autocontrast and equalize have no strength; solarize at 255 inverts white alone.
    assert 0.05 < changed < 3 / 14


@each_one
def test_no_value_is_read_from_the_device(operation: Operation) -> None:
    # On the meta device anything that reads a value raises.
    images = pictures().to("meta")
    chosen = draw()._replace(samples=torch.arange(COUNT, device="meta"))
    assert operation(images, chosen).is_meta


@each_one
def test_floats_and_features_are_refused_in_a_sentence(operation: Operation) -> None:
    with pytest.raises(UserError, match="bytes.*float32"):
        operation(torch.zeros(4, 3, 8, 8), draw(0, 4))
    with pytest.raises(UserError, match="augment=none"):
        operation(torch.zeros(4, 2), draw(0, 4))
