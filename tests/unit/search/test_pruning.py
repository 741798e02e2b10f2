"""Which trials lag behind others: at equal steps of trainings of equal length, and never the first ones."""

import pytest

from dlexp.search.pruning import WORST, Curve, curve, lags_behind_median, lags_in_halving, rungs

WHOLE = (27, None)


def reached(*values: float, schedule: tuple[int | None, int | None] = WHOLE, steps: int = 10) -> Curve:
    """Returns the curve of a trial with these values after epochs 1, 2, …, of so many steps each."""
    return Curve(schedule, {epoch: (steps * epoch, value) for epoch, value in enumerate(values, start=1)})


def test_a_curve_is_read_the_higher_the_better() -> None:
    rows = [
        {"epoch": 1, "step": 5, "val/loss": 2.0},
        {"epoch": 2, "step": 10, "train/loss": 1.0},  # not validated
        {"epoch": 3, "step": 15, "val/loss": None},
    ]
    found = curve(rows, "val/loss", False, WHOLE)
    assert found == Curve(WHOLE, {1: (5, -2.0), 3: (15, WORST)}) and found.last == 3
    assert curve(rows, "val/loss", True, WHOLE).values[1] == (5, 2.0)
    assert curve([], "val/loss", False, WHOLE).last == 0


@pytest.mark.parametrize(
    ("schedule", "is_whole"), [((3, None), True), ((4, None), False), ((9, 30), True), ((9, 31), False)]
)
def test_a_trial_at_its_end_is_whole(schedule: tuple[int | None, int | None], is_whole: bool) -> None:
    assert reached(1, 2, 3, schedule=schedule).is_whole is is_whole


def test_rungs_are_powers() -> None:
    assert [rungs(reached(*range(last)), 1, 3) for last in (0, 1, 2, 3, 8)] == [[], [1], [1], [1, 3], [1, 3]]
    assert rungs(reached(*range(27)), 1, 3) == [1, 3, 9, 27] and rungs(reached(*range(8)), 2, 2) == [2, 4, 8]
    every_other = Curve(WHOLE, {epoch: (epoch, 0.0) for epoch in (2, 4, 6)})
    assert rungs(every_other, 1, 3) == [2, 4], "the first that is validated after 3 epochs"


def test_halving_lets_the_best_third_go_on() -> None:
    others = [reached(value) for value in (0.9, 0.8, 0.7, 0.6, 0.5)]
    assert lags_in_halving(reached(0.85), others, 1, 3) is None  # second of six
    assert lags_in_halving(reached(0.75), others, 1, 3) == "2 of 5 other trials were better after epoch 1"
    assert lags_in_halving(reached(0.75), others[1:], 1, 3) is not None  # the second of five, of whom one goes on
    assert lags_in_halving(reached(0.1), others[:1], 1, 3) is None, "fewer than three have come there"
    assert lags_in_halving(reached(0.9), [reached(0.9)] * 5, 1, 3) is None, "equal ones are no better"
    assert lags_in_halving(reached(WORST), others, 1, 3) is not None


@pytest.mark.parametrize(
    "other",
    [
        reached(0.9, schedule=(9, None)),  # its schedule is shorter
        reached(0.9, schedule=(27, 100)),
        reached(0.9, steps=20),  # its batches are smaller
        Curve(WHOLE, {2: (20, 0.9)}),  # it was validated elsewhere
    ],
)
def test_only_equal_steps_of_equal_schedules_are_compared(other: Curve) -> None:
    assert lags_in_halving(reached(0.1), [reached(0.9)] * 5, 1, 3)
    assert lags_in_halving(reached(0.1), [other] * 5, 1, 3) is None
    assert lags_behind_median(reached(0.1), [reached(0.9)] * 5, 1, 4)
    assert lags_behind_median(reached(0.1), [other] * 5, 1, 4) is None


def test_the_median_of_what_others_had_reached_by_then() -> None:
    others = [reached(0.5, 0.2, 0.9), reached(0.6, 0.1), reached(0.7, 0.2), reached(0.4, 0.4), reached(0.9)]
    assert lags_behind_median(reached(0.3, 0.54), others, 1, 4) == "below the median of 4 other trials after epoch 2"
    assert lags_behind_median(reached(0.3, 0.55), others, 1, 4) is None
    assert lags_behind_median(reached(0.6, 0.1), others, 1, 4) is None, "its best counts, not its last"
    assert lags_behind_median(reached(0.3, 0.54), others, 3, 4) is None, "search.prune_from=3"
    assert lags_behind_median(reached(0.3, 0.54), others, 1, 5) is None, "search.prune_least=5"
    assert lags_behind_median(Curve(WHOLE), others, 1, 4) is None
