"""Circles: their radii and the noise are found again."""

import pytest
import torch

from dlexp.data.circles import circles

SIZES = {"test_size": 1.0, "data_seed": 0}


def test_circles_have_their_radii() -> None:
    still = {"points_per_class": 200, "noise": 0.0, **SIZES}
    split = circles(radius=0.4, **still).train
    radii = split.inputs[:].norm(dim=1)
    assert torch.allclose(radii, torch.where(split.targets == 0, 1.0, 0.4), atol=1e-5)
    noisy = circles(radius=0.4, **(still | {"noise": 0.1, "points_per_class": 3000})).train
    assert noisy.inputs[:][noisy.targets == 0].norm(dim=1).std().item() == pytest.approx(0.1, rel=0.1)
