"""Data sets made by formula: spiral, linear, fake."""

import pytest
import torch

from dlexp.data.fake import fake
from dlexp.data.linear import linear
from dlexp.data.spiral import spiral


def test_spiral_has_the_published_shape() -> None:
    splits = spiral(points_per_class=1000, num_classes=3, noise=0.2, data_seed=0)
    assert splits.test is not None
    assert splits.train.inputs.shape == splits.test.inputs.shape == (3000, 2)
    assert splits.train.inputs.dtype == torch.float32 and splits.train.targets.dtype == torch.int64
    assert splits.train.targets.bincount().tolist() == [1000] * 3
    x, y = splits.train.inputs[1000:2000].T  # arm 1: angles 4 to 8, radius 0 to 1
    torch.testing.assert_close((x * x + y * y).sqrt(), torch.linspace(0, 1, 1000), rtol=0, atol=1e-5)
    turn = torch.atan2(x, y) - (4 + 4 * torch.linspace(0, 1, 1000))
    error = torch.remainder(turn + torch.pi, 2 * torch.pi) - torch.pi
    assert error[1:].std().item() == pytest.approx(0.2, rel=0.1) and abs(error[1:].mean()) < 0.03


def test_spiral_test_set_is_drawn_anew() -> None:
    def made(seed: int) -> list[torch.Tensor]:
        splits = spiral(points_per_class=20, num_classes=2, noise=0.2, data_seed=seed)
        assert splits.test is not None
        return [splits.train.inputs, splits.test.inputs]

    drawn = [*made(0), *made(1)]
    assert all(not torch.equal(one, other) for i, one in enumerate(drawn) for other in drawn[:i])
    assert torch.equal(made(0)[0], drawn[0])


def test_linear_lies_on_its_line() -> None:
    splits = linear(weights=[2.0, -3.4], bias=4.2, noise=0.01, num_points=1000, data_seed=0)
    assert splits.test is not None
    for inputs, targets in (splits.train, splits.test):
        assert inputs.shape == (1000, 2) and targets.shape == (1000, 1) and targets.dtype == torch.float32
        ones = torch.cat([inputs, torch.ones(1000, 1)], dim=1)
        found = torch.linalg.lstsq(ones, targets).solution.flatten()
        assert found.tolist() == pytest.approx([2, -3.4, 4.2], abs=0.003)
        assert (targets - ones @ found[:, None]).std().item() == pytest.approx(0.01, rel=0.1)
    assert not torch.equal(splits.train.inputs, splits.test.inputs)


@pytest.mark.parametrize("shape", [[5], [4, 6], [3, 8, 8]])
@pytest.mark.parametrize("kind", ["classes", "values"])
def test_fake_can_be_learnt(shape: list[int], kind: str) -> None:
    splits = fake(
        shape=shape, num_outputs=3, num_samples=300, num_test_samples=60, noise=0.1, targets=kind, data_seed=0
    )
    assert splits.test is not None
    inputs, targets = splits.train
    assert list(inputs.shape) == [300, *shape] and len(splits.test.inputs) == 60
    assert inputs.dtype == (torch.uint8 if len(shape) == 3 else torch.float32)
    if kind == "classes":
        assert targets.bincount().tolist() == [100] * 3
        means = torch.stack([inputs[targets == label].float().mean(0) for label in range(3)])
        distances = (splits.test.inputs.float()[:, None] - means).flatten(2).norm(dim=2)
        assert (distances.argmin(1) == splits.test.targets).all()
    else:
        assert targets.shape == (300, 3) and targets.dtype == torch.float32


def test_every_class_appears_in_a_tiny_fake_set() -> None:
    splits = fake(
        shape=[1, 4, 4], num_outputs=10, num_samples=10, num_test_samples=1, noise=0, targets="classes", data_seed=1
    )
    assert sorted(splits.train.targets.tolist()) == list(range(10))
