"""Half moons: without noise they lie on their circles."""

import torch

from dlexp.data.moons import moons

SIZES = {"test_size": 1.0, "data_seed": 0}


def test_moons_lie_on_their_circles() -> None:
    still = {"points_per_class": 200, "noise": 0.0, **SIZES}
    split = moons(**still).train
    upper, lower = (split.inputs[:][split.targets == number] for number in (0, 1))
    assert (upper.norm(dim=1) - 1).abs().max() < 1e-5 and upper[:, 1].min() >= -1e-5
    assert ((lower - torch.tensor([1.0, 0.5])).norm(dim=1) - 1).abs().max() < 1e-5 and lower[:, 1].max() <= 0.5 + 1e-5
