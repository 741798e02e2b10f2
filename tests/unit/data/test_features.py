"""Rows of a table by their columns, as the inputs of a model."""

import math
from typing import Any

import pytest

from dlexp.data.features import as_inputs
from dlexp.errors import UserError

NAMES = ["length", "colour=blue", "colour=red"]


def test_rows_become_inputs_in_the_order_of_the_features() -> None:
    one: dict[str, Any] = {"colour": "red", "length": 1700000030, "label": "?"}
    assert as_inputs([one, {"length": "2.5", "colour": "blue"}], NAMES).tolist() == [[1700000030, 0, 1], [2.5, 1, 0]]
    (gaps,) = as_inputs([{"length": None, "colour": math.nan}], NAMES).tolist()
    assert len(gaps) == 3 and all(map(math.isnan, gaps))


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"lenght": 1, "colour": "red"}, "a row has no 'length'; it has lenght, colour. Did you mean 'lenght'"),
        ({"length": 1, "colour": "green"}, "'green' is no colour of the table: it had blue, red"),
        ({"length": "tall", "colour": "red"}, "'tall' is no number, as length is"),
        ({"length": "1_0", "colour": "red"}, "'1_0' is no number, as length is"),
        ({"length": "inf", "colour": "red"}, "'inf', as a row's length, is infinite"),
        ({"length": -math.inf, "colour": "red"}, "'-inf', as a row's length, is infinite"),
    ],
)
def test_wrong_rows_are_sentences(row: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        as_inputs([row], NAMES)
