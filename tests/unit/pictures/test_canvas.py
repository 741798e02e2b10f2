"""Drawings as pixels."""

import io

import numpy as np
import pytest
from made_drawings import ADAM, SGD, arm, drawn
from PIL import Image

from dlexp.pictures.canvas import as_figure
from dlexp.pictures.differences import WIDTH, Gap
from dlexp.pictures.looks import LIGHT
from dlexp.pictures.style import render


def test_a_file_of_pixels_shows_the_same_shapes() -> None:
    drawings = drawn(
        [arm(ADAM, [96.7, 96.8], failed=["failed"]), arm(SGD, [96.5, 96.6])],
        [Gap(ADAM, "adam − sgd", 0.2, -0.1, 0.45, "said")],
        shift=96.55,
        margin=0.5,
        margin_words="margin",
    )
    png, width, height = render(as_figure(drawings))
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).reshape(height, width, 3)
    assert width / height == pytest.approx((2 * WIDTH + 32 + 24) / (drawings[0].height + 24), rel=0.01)
    for colour in (LIGHT["c1"], LIGHT["c0"], LIGHT["wash"]):
        wanted = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
        assert (np.abs(pixels.astype(int) - wanted).max(axis=2) < 3).sum() > 50, colour
    assert png == render(as_figure(drawings))[0]
