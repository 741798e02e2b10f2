"""Clouds: their centres and spread are found again, and centres that can't be are refused."""

import pytest

from dlexp.data.blobs import blobs
from dlexp.errors import UserError

SIZES = {"test_size": 1.0, "data_seed": 0}


def test_blobs_stand_around_their_centres() -> None:
    centres = [[-1.0, 0.0, 2.0], [3.0, 1.0, 0.0], [0.0, 5.0, 5.0]]
    splits = blobs(centres=centres, points_per_class=2000, spread=0.5, **SIZES)
    for number, centre in enumerate(centres):
        own = splits.train.inputs[:][splits.train.targets == number]
        assert own.mean(dim=0).tolist() == pytest.approx(centre, abs=0.05)
        assert own.std(dim=0).tolist() == pytest.approx([0.5] * 3, rel=0.06)


@pytest.mark.parametrize("centres", [[[1.0, 2.0]], [[1.0, 2.0], [3.0]], [[], []]])
def test_centres_that_can_t_be_are_refused(centres: list[list[float]]) -> None:
    with pytest.raises(UserError, match=r"must list a point for each of at least two classes"):
        blobs(centres=centres, points_per_class=3, spread=1.0, **SIZES)
