"""Colour jitter: each image has factors of its own, within the bounds asked for."""

import pytest
import torch
from torch import Tensor

from dlexp.augment.color_jitter import ColorJitter
from dlexp.augment.operation import Draw

COUNT = 2000


def draw(seed: int = 0) -> Draw:
    return Draw(torch.Generator().manual_seed(seed), 0, torch.arange(COUNT), 0)


def halves(low: int, high: int) -> Tensor:
    """Returns images whose upper half has one grey value and whose lower half another."""
    images = torch.full((COUNT, 3, 8, 8), low, dtype=torch.uint8)
    images[:, :, 4:] = high
    return images


def test_brightness_multiplies_each_image_by_its_own_factor() -> None:
    changed = ColorJitter(brightness=0.5, contrast=0, saturation=0)(halves(60, 120), draw())
    factors = changed[:, 0, 7, 7] / 120
    assert factors.min() == pytest.approx(0.5, abs=0.02) and factors.max() == pytest.approx(1.5, abs=0.02)
    assert factors.mean() == pytest.approx(1, abs=0.03) and factors.std() == pytest.approx(1 / 12**0.5, abs=0.02)
    assert (changed[:, 0, 0, 0] - factors * 60).abs().max() <= 1


def test_contrast_spreads_around_the_mean_of_the_image() -> None:
    changed = ColorJitter(brightness=0, contrast=0.5, saturation=0)(halves(60, 120), draw()).float()
    assert (changed.mean((1, 2, 3)) - 90).abs().max() <= 1
    spread = (changed[:, 0, 7, 7] - changed[:, 0, 0, 0]) / 60
    assert spread.min() == pytest.approx(0.5, abs=0.04) and spread.max() == pytest.approx(1.5, abs=0.04)


def test_saturation_changes_colours_and_leaves_greys() -> None:
    jitter = ColorJitter(brightness=0, contrast=0, saturation=0.5)
    assert torch.equal(jitter(halves(60, 120), draw()), halves(60, 120))
    images = halves(100, 100)
    images[:, 0] = 160
    distance = (lambda changed: (changed[:, 0] - changed[:, 1])[:, 0, 0])(jitter(images, draw()).float())
    assert distance.min() == pytest.approx(30, abs=2) and distance.max() == pytest.approx(90, abs=2)


def test_nothing_asked_for_changes_nothing_and_draws_nothing() -> None:
    chosen = draw()
    state = chosen.generator.get_state()
    images = halves(60, 120)
    assert torch.equal(ColorJitter(brightness=0, contrast=0, saturation=0)(images, chosen), images)
    assert torch.equal(chosen.generator.get_state(), state)
