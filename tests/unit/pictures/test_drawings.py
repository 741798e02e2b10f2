"""Drawings of a report: the same lengths on both sides, names that never overlap, axes with round numbers."""

import io
import itertools
import math
import random
import re
from collections.abc import Sequence
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dlexp.pictures.arm_curves import MOST_ARMS, Curve, arm_curves, shown, thinned, worth_drawing
from dlexp.pictures.canvas import as_figure
from dlexp.pictures.differences import WIDTH, Arm, Gap, differences
from dlexp.pictures.drawing import Drawing, Mark, Who, as_svg, fitted, markup, short_names, spread, text_width
from dlexp.pictures.looks import DARK, GREY, LIGHT, LOOKS
from dlexp.pictures.over_settings import Series, heat_map, over_setting
from dlexp.pictures.scales import Scale, plain, scale_for
from dlexp.pictures.style import render

ADAM, SGD = Who("adam", 0, 1), Who("sgd", 1, 0)


def marks(drawing: Drawing, look: str, name: str | None = None) -> list[Mark]:
    return [
        mark for mark in drawing.marks if mark.look == look and (name is None or (mark.arm and mark.arm.name == name))
    ]


def arm(who: Who, values: Sequence[float], half: float | None = 0.2, **more: object) -> Arm:
    mean = sum(values) / len(values) if values else None
    ends = (None, None) if half is None or mean is None else (mean - half, mean + half)
    runs = [(f"{who.name}, seed {seed}", value) for seed, value in enumerate(values)]
    return Arm(who, runs, mean, *ends, said="said", **more)  # type: ignore[arg-type]


def drawn(arms: Sequence[Arm], gaps: Sequence[Gap] = (), **more: object) -> list[Drawing]:
    facts: dict[str, object] = {"axis": "accuracy, %", "gap_axis": "difference", "shift": None}
    return differences(arms, gaps, **(facts | more))  # type: ignore[arg-type]


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


def test_one_run_has_a_dot_and_no_mean() -> None:
    (left,) = drawn([arm(ADAM, [95.0], half=None)])
    assert len(marks(left, "dot")) == 1 and not marks(left, "mean") and not marks(left, "ci")
    assert drawn([arm(ADAM, [])]) == []


def curve(who: Who, end: float, points: int = 10, seeds: int = 3, scatter: float = 0.5) -> Curve:
    chance = random.Random(who.name)
    base = [(float(x), end - (end - 10) * math.exp(-x / 2)) for x in range(1, points + 1)]
    runs = [(f"seed {seed}", [(x, y + chance.gauss(0, scatter)) for x, y in base]) for seed in range(seeds)]
    return Curve(who, runs, [(x, y, y - scatter, y + scatter) for x, y in base])


def test_names_of_lines_never_overlap() -> None:
    curves = [curve(Who(f"arm {number}", number, min(number, GREY)), 90 + number / 1000) for number in range(MOST_ARMS)]
    drawing = arm_curves(curves, shown(curves, True), axis="accuracy", below="epochs")
    heights = sorted(mark.points[0][1] for mark in marks(drawing, "name"))
    assert len(heights) == MOST_ARMS
    assert all(after - before >= 16.9 for before, after in itertools.pairwise(heights))
    assert heights[0] > 0 and heights[-1] < drawing.height
    assert all(mark.points[0][0] + text_width(mark.words) <= WIDTH for mark in marks(drawing, "name"))


def test_curves_are_drawn_in_three_layers_and_of_grey_arms_means_alone() -> None:
    curves = [curve(Who(f"arm {number}", number, min(number, GREY)), 90 + number) for number in range(10)]
    drawing = arm_curves(curves, shown(curves, True), axis="accuracy", below="epochs")
    order = [mark.look for mark in drawing.marks if mark.look in ("band", "seed", "line", "trial")]
    assert [look for look, _ in itertools.groupby(order)] == ["band", "seed", "line", "trial"]
    assert order.count("seed") == 3 * 5 and order.count("line") == 5 and order.count("trial") == 5


def test_curves_are_cut_to_where_arms_differ() -> None:
    curves = [curve(ADAM, 97), curve(SGD, 96)]
    seen = shown(curves, True)
    assert 80 < seen.low < 95 and seen.below and not seen.above
    alone = shown(curves[:1], True)
    assert not alone.below and alone.low < 50


def test_a_loss_over_decades_has_a_log_axis_that_a_reader_may_switch() -> None:
    losses = [
        Curve(who, [], [(x, end * math.exp(-x), None, None) for x in range(1, 9)]) for who, end in ((ADAM, 9), (SGD, 5))
    ]
    seen = shown(losses, False)
    drawing = arm_curves(losses, seen, axis="loss", below="epochs")
    assert seen.log and "data-values" in markup(drawing) and 'log"' in markup(drawing)
    assert "data-values" not in markup(
        arm_curves([curve(ADAM, 97)], shown([curve(ADAM, 97)], True), axis="a", below="b")
    )


def test_curves_that_say_nothing_are_not_worth_drawing() -> None:
    assert not worth_drawing([curve(ADAM, 97, points=1)])
    same = [(float(x), 5.0, None, None) for x in range(5)]
    assert not worth_drawing([Curve(ADAM, [], same)])
    climbing = [(float(x), float(x), None, None) for x in range(5)]
    assert not worth_drawing([Curve(ADAM, [], climbing), Curve(SGD, [], climbing)])
    assert worth_drawing([Curve(ADAM, [], climbing)]) and worth_drawing([curve(ADAM, 97), curve(SGD, 96)])


def test_long_curves_are_thinned_and_keep_their_ends() -> None:
    long = [curve(ADAM, 97, points=2000, seeds=5), curve(SGD, 96, points=2000, seeds=5)]
    drawing = arm_curves(long, shown(long, True), axis="accuracy", below="epochs")
    assert sum(len(mark.points) for mark in drawing.marks if mark.inside and mark.shape == "line") < 2000
    assert thinned(long) == 15
    last = marks(drawing, "line", "adam")[0].points[-1]
    whole = arm_curves(long[:1], shown(long, True), axis="accuracy", below="epochs", whole=True)
    assert last[0] < marks(whole, "line", "adam")[0].points[-1][0]  # which leaves no room for names


@given(
    wanted=st.lists(st.floats(0, 240), min_size=1, max_size=20),
    gap=st.floats(1, 17),
)
def test_spread_places_keep_order_and_distance(wanted: list[float], gap: float) -> None:
    places = spread(wanted, gap, 0, 240)
    least = min(gap, 240 / max(1, len(wanted) - 1))
    assert all(-1e-6 <= place <= 240 + 1e-6 for place in places)
    assert all(after - before >= least - 1e-6 for before, after in itertools.pairwise(sorted(places)))
    order = sorted(range(len(wanted)), key=lambda number: (wanted[number], number))
    assert [places[number] for number in order] == sorted(places)


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


def test_texts_are_cut_where_they_are_too_wide() -> None:
    assert fitted("adam", 100) == "adam"
    assert text_width(fitted("激活函数" * 20, 100)) <= 100 and fitted("激活函数" * 20, 100).endswith("…")
    assert short_names(["activation relu" + "u" * 20, "activation tanh"], 90)[1] == "tanh"


def test_a_way_of_many_steps_does_not_drift() -> None:
    chance = random.Random(0)
    points = [(chance.uniform(0, 400), chance.uniform(0, 300)) for _ in range(30)]
    drawing = Drawing(440, 300)
    drawing.add("line", "line", *points)
    path = re.search(r' d="([^"]*)"', markup(drawing))
    assert path
    steps = [float(word) for word in re.findall(r"-?[\d.]+", path[1])]
    places = np.cumsum(np.array(steps).reshape(-1, 2), axis=0)
    assert np.abs(places - np.array(points)).max() < 0.051


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


def test_a_file_of_pixels_shows_the_same_shapes() -> None:
    drawings = drawn(
        [arm(ADAM, [96.7, 96.8], failed=["failed"]), arm(SGD, [96.5, 96.6])],
        [Gap(ADAM, "adam − sgd", 0.2, -0.1, 0.45, "said")],
        shift=96.55,
        margin=0.5,
        margin_words="margin",
    )
    png, width, height = render(as_figure(drawings))
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).reshape(height, width, 3)
    assert width / height == pytest.approx((2 * WIDTH + 32 + 24) / (drawings[0].height + 24), rel=0.01)
    for colour in (LIGHT["c1"], LIGHT["c0"], LIGHT["wash"]):
        wanted = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
        assert (np.abs(pixels.astype(int) - wanted).max(axis=2) < 3).sum() > 50, colour
    assert png == render(as_figure(drawings))[0]


def test_a_file_of_shapes_is_whole_and_has_its_own_colours() -> None:
    drawings = [
        arm_curves([curve(ADAM, 97), curve(SGD, 96)], shown([curve(SGD, 96)], True), axis="<&>", below="epochs")
    ]
    svg = as_svg(drawings)
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith("svg") and "<style>" in svg and LIGHT["c1"] in svg
    assert "style=" not in svg and "url(" not in svg and 'id="' not in svg
    assert svg == as_svg(drawings)


def test_looks_name_colours_that_light_and_dark_both_have() -> None:
    assert LIGHT.keys() == DARK.keys()
    assert {look.colour for look in LOOKS.values()} - {"arm"} <= LIGHT.keys()


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_texts_stand_out_from_the_paper(colours: dict[str, str]) -> None:
    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    paper = luminance(colours["bg"])
    for name in ("ink", "soft", "warn", *(f"c{number}" for number in range(GREY + 1))):
        low, high = sorted([paper, luminance(colours[name])])
        assert (high + 0.05) / (low + 0.05) >= 4.5, name  # WCAG 2.1, AA
