"""A metric over what was set: maps, lines over rates, trials."""

import numpy as np
import pytest
from made_drawings import ADAM, marks

from dlexp.pictures.over_settings import Series, heat_map, over_setting


def test_a_map_shades_the_better_stronger_and_frames_the_best() -> None:
    cells: dict[tuple[float | str, float | str], tuple[float | None, str, str]] = {
        (row, column): (row + column, f"{row + column}", "words") for row in (1.0, 2.0) for column in (10.0, 20.0)
    }
    cells[2.0, 10.0] = (None, "", "diverged")
    facts: dict[str, object] = {"axis": "a", "row_words": "lr", "column_words": "width", "best": (2.0, 20.0)}
    drawing = heat_map(cells, [1.0, 2.0], [10.0, 20.0], higher_is_better=True, **facts)  # type: ignore[arg-type]
    strengths = [mark.strength or 0 for mark in marks(drawing, "cell")]
    assert strengths == sorted(strengths) and len(strengths) == 3
    assert len(marks(drawing, "cross")) == 1 and len(marks(drawing, "over")) == 1
    lower = heat_map(cells, [1.0, 2.0], [10.0, 20.0], higher_is_better=False, **facts)  # type: ignore[arg-type]
    assert [mark.strength for mark in marks(lower, "cell")] == [pytest.approx(0.56 - each) for each in strengths]


def test_values_over_rates_have_a_log_axis_and_crosses_below() -> None:
    points = [(10.0**-power, 90.0 + power, "words") for power in range(5)]
    series = Series(ADAM, points, [point[:2] for point in points], crosses=[(10.0, "diverged")], chosen=(0.1, 91.0))
    drawing = over_setting([series], axis="accuracy", below="lr")
    assert drawing is not None
    xs = [mark.points[0][0] for mark in marks(drawing, "dot")]
    assert xs == sorted(xs, reverse=True) and np.ptp(np.diff(xs)) < 1e-6
    (cross,) = marks(drawing, "cross")
    assert cross.points[0][0] > max(xs) and cross.points[0][1] > max(
        mark.points[0][1] for mark in marks(drawing, "dot")
    )
    assert len(marks(drawing, "ring")) == 1
    assert over_setting([Series(ADAM, [(1.0, 90.0, "")])], axis="a", below="lr") is None


def test_near_the_best_what_is_far_off_is_an_arrow() -> None:
    points = [(float(x), value, "") for x, value in enumerate([95.0, 94.5, 94.0, 93.8, 10.0])]
    drawing = over_setting([Series(ADAM, points)], axis="a", below="b", near_the_best=True)
    assert drawing is not None and len(marks(drawing, "dot")) == 4 and len(marks(drawing, "tri")) == 1
