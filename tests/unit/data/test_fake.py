"""Made samples of any shape, which a model can learn."""

import pytest
import torch

from dlexp.data.fake import fake


@pytest.mark.parametrize("shape", [[5], [4, 6], [3, 8, 8]])
@pytest.mark.parametrize("kind", ["classes", "values"])
def test_fake_can_be_learnt(shape: list[int], kind: str) -> None:
    splits = fake(
        shape=shape, num_outputs=3, num_samples=300, num_test_samples=60, noise=0.1, targets=kind, data_seed=0
    )
    assert splits.test is not None
    inputs, targets = splits.train.inputs, splits.train.targets
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
