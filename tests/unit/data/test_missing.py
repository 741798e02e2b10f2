"""Values that nobody knows become means of the training samples, and of no others."""

import math

import pytest
import torch

from dlexp.data.missing import filled
from dlexp.data.splits import Split, Splits
from dlexp.errors import UserError


def splits(train: list[list[float]], test: list[list[float]], *, fills: bool = True) -> Splits:
    train_inputs, test_inputs = (torch.tensor(rows, dtype=torch.float64) for rows in (train, test))
    return Splits(
        Split(train_inputs, torch.zeros(len(train)), weights=torch.ones(len(train))),
        Split(test_inputs, torch.zeros(len(test))),
        feature_names=["a", "b"],
        fills_missing=fills,
    )


def test_the_mean_is_that_of_the_training_samples() -> None:
    data = splits([[1, math.nan], [1.7e9, 4], [math.nan, 6]], [[math.nan, math.nan], [9e9, 9]])
    found, means = filled(data)
    assert means == [850000000.5, 5.0]
    assert found.train.inputs.tolist() == [[1, 5], [1.7e9, 4], [850000000.5, 6]] and found.train.weights is not None  # type: ignore[union-attr]
    assert found.test is not None and found.test.inputs.tolist() == [[850000000.5, 5], [9e9, 9]]  # type: ignore[union-attr]


def test_series_are_filled_by_channel() -> None:
    inputs = torch.tensor([[[1.0, math.nan], [3.0, 5.0]], [[2.0, 3.0], [math.nan, math.nan]]])
    data = Splits(Split(inputs, torch.zeros(2)), None, fills_missing=True)
    assert filled(data)[0].train.inputs.tolist() == [[[1, 2], [3, 5]], [[2, 3], [4, 4]]]  # type: ignore[union-attr]


def test_what_is_not_to_be_filled_stays() -> None:
    data = splits([[1, 2]], [[3, math.nan]], fills=False)
    assert filled(data) == (data, None)


def test_a_feature_without_a_value_in_training_is_named() -> None:
    data = splits([[1, math.nan]], [[3, 4]])
    with pytest.raises(UserError, match="no training sample has a value of b, so there is no mean"):
        filled(data)


def test_names_are_one_a_feature() -> None:
    with pytest.raises(UserError, match=r"the data has 3 feature_names, and inputs of the shape \[2\] a sample"):
        Splits(Split(torch.zeros(4, 2), torch.zeros(4)), None, feature_names=["a", "b", "c"])
