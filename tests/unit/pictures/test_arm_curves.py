"""Curves of arms: layers, cuts, names that never overlap."""

import itertools
import math

from made_drawings import ADAM, SGD, curve, marks

from dlexp.pictures.arm_curves import MOST_ARMS, Curve, arm_curves, thinned, window, worth_drawing
from dlexp.pictures.differences import WIDTH
from dlexp.pictures.drawing import Who, markup, text_width
from dlexp.pictures.looks import GREY


def test_names_of_lines_never_overlap() -> None:
    curves = [curve(Who(f"arm {number}", number, min(number, GREY)), 90 + number / 1000) for number in range(MOST_ARMS)]
    drawing = arm_curves(curves, window(curves, True), axis="accuracy", below="epochs")
    heights = sorted(mark.points[0][1] for mark in marks(drawing, "name"))
    assert len(heights) == MOST_ARMS
    assert all(after - before >= 16.9 for before, after in itertools.pairwise(heights))
    assert heights[0] > 0 and heights[-1] < drawing.height
    assert all(mark.points[0][0] + text_width(mark.words) <= WIDTH for mark in marks(drawing, "name"))


def test_curves_are_drawn_in_three_layers_and_of_grey_arms_means_alone() -> None:
    curves = [curve(Who(f"arm {number}", number, min(number, GREY)), 90 + number) for number in range(10)]
    drawing = arm_curves(curves, window(curves, True), axis="accuracy", below="epochs")
    order = [mark.look for mark in drawing.marks if mark.look in ("band", "seed", "line", "trial")]
    assert [look for look, _ in itertools.groupby(order)] == ["band", "seed", "line", "trial"]
    assert order.count("seed") == 3 * 5 and order.count("line") == 5 and order.count("trial") == 5


def test_curves_are_cut_to_where_arms_differ() -> None:
    curves = [curve(ADAM, 97), curve(SGD, 96)]
    seen = window(curves, True)
    assert 80 < seen.low < 95 and seen.below and not seen.above
    alone = window(curves[:1], True)
    assert not alone.below and alone.low < 50


def test_a_loss_over_decades_has_a_log_axis_that_a_reader_may_switch() -> None:
    losses = [
        Curve(who, [], [(x, end * math.exp(-x), None, None) for x in range(1, 9)]) for who, end in ((ADAM, 9), (SGD, 5))
    ]
    seen = window(losses, False)
    drawing = arm_curves(losses, seen, axis="loss", below="epochs")
    assert seen.log and "data-values" in markup(drawing) and 'log"' in markup(drawing)
    assert "data-values" not in markup(
        arm_curves([curve(ADAM, 97)], window([curve(ADAM, 97)], True), axis="a", below="b")
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
    drawing = arm_curves(long, window(long, True), axis="accuracy", below="epochs")
    assert sum(len(mark.points) for mark in drawing.marks if mark.inside and mark.shape == "line") < 2000
    assert thinned(long) == 15
    last = marks(drawing, "line", "adam")[0].points[-1]
    whole = arm_curves(long[:1], window(long, True), axis="accuracy", below="epochs", whole=True)
    assert last[0] < marks(whole, "line", "adam")[0].points[-1][0]  # which leaves no room for names
