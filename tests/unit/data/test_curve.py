"""Points beside a curve: the noise that is left has the width and the variance that are stated."""

import math

import pytest

from dlexp.data.curve import FUNCTIONS, curve

SIZES = {"test_size": 1.0, "data_seed": 0}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_points_lie_beside_their_curve(function: str) -> None:
    splits = curve(function=function, num_points=4000, noise=0.3, **SIZES)
    x, y = splits.train.inputs[:], splits.train.targets
    assert x.shape == y.shape == (4000, 1) and (x.min(), x.max()) == (-1, 1)
    truth = {"cubic": x * x * x, "sine": (math.pi * x).sin(), "line": x}[function]
    noise = y - truth
    assert noise.min() >= -1e-6 and noise.max() <= 0.3 + 1e-6
    assert noise.var().item() == pytest.approx(0.0075, rel=0.05) and noise.mean().item() == pytest.approx(
        0.15, abs=0.01
    )
