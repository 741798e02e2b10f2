"""The average of the weights: of what it is one, and from when on."""

import pytest
import torch
from torch import nn

from dlexp.train.average import ExponentialAverage


def test_the_average_follows_weights_and_batch_norm_statistics() -> None:
    model = nn.BatchNorm1d(1)
    average = ExponentialAverage(model, decay=0.5, every=2)
    with torch.no_grad():
        model.weight.fill_(3.0)
        model.running_mean.fill_(5.0)
    average.update(1)
    assert average.module.weight.item() == 1.0, "not due"
    average.update(2)  # the first update: the initial weights must not linger
    assert 1.0 < average.module.weight.item() <= 3.0
    for step in range(4, 200, 2):
        average.update(step)
    assert average.module.weight.item() == pytest.approx(3.0)
    assert average.module.running_mean.item() == pytest.approx(5.0)
