"""Points beside a plane: its coefficients and its noise are found again."""

import pytest
import torch

from dlexp.data.linear import linear


def test_linear_lies_on_its_line() -> None:
    splits = linear(weights=[2.0, -3.4], bias=4.2, noise=0.01, num_points=1000, data_seed=0)
    assert splits.test is not None
    for split in (splits.train, splits.test):
        inputs, targets = split.inputs, split.targets
        assert inputs.shape == (1000, 2) and targets.shape == (1000, 1) and targets.dtype == torch.float32
        ones = torch.cat([inputs, torch.ones(1000, 1)], dim=1)
        found = torch.linalg.lstsq(ones, targets).solution.flatten()
        assert found.tolist() == pytest.approx([2, -3.4, 4.2], abs=0.003)
        assert (targets - ones @ found[:, None]).std().item() == pytest.approx(0.01, rel=0.1)
    assert not torch.equal(splits.train.inputs, splits.test.inputs)


def test_whole_numbers_are_weights_too() -> None:
    whole, same = (linear(weights=each, bias=1, noise=0.0, num_points=5, data_seed=0) for each in ([1, 2], [1.0, 2.0]))
    assert torch.equal(whole.train.targets, same.train.targets)
