"""Arms as dots and their differences: the same lengths on both sides, nothing lost, nothing at the wrong place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_drawings import ADAM, SGD, arm, drawn, marks

from dlexp.pictures.differences import WIDTH, Gap
from dlexp.pictures.looks import LOOKS


@given(
    means=st.lists(st.floats(0.0, 100.0), min_size=2, max_size=2),
    half=st.floats(0.001, 30.0),
    scatter=st.floats(0.001, 10.0),
)
def test_a_difference_is_as_long_as_the_gap_between_the_means(means: list[float], half: float, scatter: float) -> None:
    arms = [arm(who, [mean - scatter, mean + scatter], half) for who, mean in zip((ADAM, SGD), means, strict=True)]
    gap = means[0] - means[1]
    left, right = drawn(arms, [Gap(ADAM, "adam − sgd", gap, gap - half, gap + half, "said")], shift=means[1])
    on_left = [marks(left, "mean", name)[0].points[0][0] for name in ("adam", "sgd")]
    zero = marks(right, "zero")[0].points[0][0]
    assert marks(right, "mean", "adam")[0].points[0][0] - zero == pytest.approx(on_left[0] - on_left[1], abs=1e-6)
    for drawing in (left, right):
        assert all(
            -1 <= x <= WIDTH + 1 for mark in marks(drawing, "dot") + marks(drawing, "mean") for x, _ in mark.points
        )


def test_the_margin_is_a_track_that_holds_what_lies_inside() -> None:
    arms = [arm(ADAM, [96.7, 96.8]), arm(SGD, [96.5, 96.6])]
    gaps = [Gap(ADAM, "adam − sgd", 0.2, -0.1, 0.45, "said"), Gap(SGD, "sgd", None, None, None, "reference")]
    right = drawn(arms, gaps, shift=96.55, margin=0.5, margin_words="margin ± 0.5")[1]
    track, key = marks(right, "margin")
    interval = marks(right, "ci", "adam")[0]
    assert track.points[0][0] < interval.points[0][0] < interval.points[1][0] < track.points[1][0]
    assert key.points[0][1] > track.points[0][1]


def test_dots_of_equal_runs_stand_on_each_other() -> None:
    (left,) = drawn([arm(ADAM, [95.0] * 5, half=None)])
    places = [mark.points[0] for mark in marks(left, "dot")]
    assert len({x for x, _ in places}) == 1
    heights = sorted(y for _, y in places)
    assert heights[1] - heights[0] >= 2 * LOOKS["dot"].size - 1e-6


def test_an_interval_far_wider_than_the_dots_is_cut_with_an_arrow() -> None:
    (left,) = drawn([arm(ADAM, [95.0, 95.2], half=50.0), arm(SGD, [95.1, 95.3], half=0.1)])
    assert len(marks(left, "tri", "adam")) == 2 and not marks(left, "tri", "sgd")
    xs = [mark.points[0][0] for mark in marks(left, "dot")]
    assert max(xs) - min(xs) > 20


def test_a_failed_run_is_a_cross_at_the_edge() -> None:
    (left,) = drawn([arm(ADAM, [95.0, 95.2], failed=["adam, seed 3: the loss became nan"], note="1 of 3 diverged")])
    (cross,) = marks(left, "cross")
    assert cross.points[0][0] < 20 and cross.words == "adam, seed 3: the loss became nan"
    assert [mark.words for mark in marks(left, "warn")] == ["1 of 3 diverged"]


def test_crosses_of_failed_runs_stay_below_the_name() -> None:
    (left,) = drawn([arm(ADAM, [95.0, 95.2], failed=["diverged"] * 6), arm(SGD, [95.1, 95.3])])
    (name,) = marks(left, "name", "adam")
    assert min(mark.points[0][1] for mark in marks(left, "cross")) - 4 > name.points[0][1] + 2


def test_one_run_has_a_dot_and_no_mean() -> None:
    (left,) = drawn([arm(ADAM, [95.0], half=None)])
    assert len(marks(left, "dot")) == 1 and not marks(left, "mean") and not marks(left, "ci")
    assert drawn([arm(ADAM, [])]) == []
