"""Axes: few round numbers, within the ends."""

from hypothesis import given
from hypothesis import strategies as st

from dlexp.pictures.scales import Scale, plain, scale_for


@given(low=st.floats(-1e3, 1e3), span=st.floats(1e-6, 1e6))
def test_marks_of_an_axis_are_few_and_within(low: float, span: float) -> None:
    ticks = Scale(low, low + span, 0, 100).ticks(6)
    assert len(ticks) <= 7
    assert all(low - span * 1e-6 <= value <= low + span * (1 + 1e-6) for value, _ in ticks)
    assert len({word for _, word in ticks}) == len(ticks)


def test_marks_of_log_axes_are_round() -> None:
    words = [word for _, word in Scale(1e-5, 1.0, 0, 100, log=True).ticks(6)]
    assert words == ["0.00001", "0.0001", "0.001", "0.01", "0.1", "1"]
    assert [word for _, word in Scale(0.08, 0.2, 0, 100, log=True).ticks(5)] == ["0.10", "0.15", "0.20"]
    assert [word for _, word in scale_for([1.0, 3.0], 0, 100, log=False, whole=True).ticks(8)] == ["1", "2", "3"]


def test_numbers_are_written_as_people_do() -> None:
    told = [plain(0.0001), plain(-2.0), plain(1e-9), plain(-0.0, 1), plain(12.0), plain(0.1 + 0.2)]
    assert told == ["0.0001", "−2", "1e−9", "0.0", "12", "0.3"]
