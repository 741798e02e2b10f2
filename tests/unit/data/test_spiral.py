"""The spiral: the published shape, and a test set of its own."""

import math
from typing import Any

import pytest
import torch

from dlexp.data.spiral import spiral

OTHERS: dict[str, Any] = {"num_classes": 3, "noise": 0.2, "test_size": 1.0, "data_seed": 0}


@pytest.mark.parametrize(("drawing", "apart", "turn"), [("even", 2 * math.pi / 3, 4 * math.pi / 3), ("cs231n", 4, 4)])
def test_spiral_has_the_published_shape(drawing: str, apart: float, turn: float) -> None:
    splits = spiral(points_per_class=1000, drawing=drawing, **OTHERS)
    assert splits.test is not None
    assert splits.train.inputs.shape == splits.test.inputs.shape == (3000, 2)
    assert splits.train.inputs.dtype == torch.float32 and splits.train.targets.dtype == torch.int64
    assert splits.train.targets.bincount().tolist() == [1000] * 3
    for arm in range(3):
        x, y = splits.train.inputs[1000 * arm : 1000 * (arm + 1)].T
        torch.testing.assert_close((x * x + y * y).sqrt(), torch.linspace(0, 1, 1000), rtol=0, atol=1e-5)
        left = torch.atan2(x, y) - (arm * apart + turn * torch.linspace(0, 1, 1000))
        error = torch.remainder(left + torch.pi, 2 * torch.pi) - torch.pi
        assert error[1:].std().item() == pytest.approx(0.2, rel=0.1) and abs(error[1:].mean()) < 0.03


def test_spiral_test_set_is_drawn_anew() -> None:
    def made(seed: int) -> list[torch.Tensor]:
        splits = spiral(points_per_class=20, drawing="even", **(OTHERS | {"data_seed": seed}))
        assert splits.test is not None
        return [splits.train.inputs, splits.test.inputs]

    drawn = [*made(0), *made(1)]
    assert all(not torch.equal(one, other) for i, one in enumerate(drawn) for other in drawn[:i])
    assert torch.equal(made(0)[0], drawn[0])
