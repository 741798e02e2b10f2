"""Curves of arms: a mean with its shade, thin lines for the seeds, names at the ends of the lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dlexp.pictures.drawing import Drawing, Point, Who, spread, text_width
from dlexp.pictures.looks import GREY
from dlexp.pictures.names import short_names
from dlexp.pictures.scales import Scale, horizontal, scale_for, vertical

WIDTH, TOP, BOTTOM, BELOW = 440.0, 22.0, 262.0, 42.0
LINE, LONGEST_NAME = 17.0, 130.0
MOST_ARMS = 14  # whose names find room
MOST_POINTS = 1600  # of all lines together
# What is farther off than this many ranges of the second half leaves the picture: first epochs flatten the rest.
KEPT = 1.0


@dataclass(frozen=True)
class Curve:
    """An arm's runs (in words, with their points) and its mean: x, value, and the interval's ends where it has one."""

    who: Who
    seeds: Sequence[tuple[str, Sequence[Point]]]
    mean: Sequence[tuple[float, float, float | None, float | None]]


class Window(NamedTuple):
    """What a picture shows of values: the ends, whether lines leave it below and above, and whether it is log.

    share: these are per cents, which no log axis is for.
    """

    low: float
    high: float
    below: bool
    above: bool
    log: bool
    share: bool


def worth_drawing(curves: Sequence[Curve]) -> bool:
    """Whether lines have at least two points, and not all arms the same ones."""
    if not any(len(curve.mean) > 1 for curve in curves):
        return False
    values = {tuple(value for _, value, _, _ in curve.mean) for curve in curves}
    return len(values) > 1 or (len(curves) == 1 and len(set(next(iter(values)))) > 1)


def window(curves: Sequence[Curve], share: bool) -> Window:
    """Returns the range where the arms differ: of the second half of the lines, and once more as much beyond.
    Of a single arm that is all.

    share: values lie between 0 and 100 and stay on a linear axis.
    """
    everything = [value for curve in curves for line in _lines(curve) for _, value in line]
    halves = [line[len(line) // 2 :] for curve in curves for line in _lines(curve)]
    late = sorted(value for line in halves for _, value in line)
    trimmed = late[len(late) // 50 : len(late) - len(late) // 50]  # of lone spikes
    means = [value for curve in curves for _, value, _, _ in curve.mean[len(curve.mean) // 2 :]]
    log = not share and min(everything) > 0 and max(everything) / min(everything) > 3
    change, back = (math.log, math.exp) if log else (float, float)
    low, high = change(min([*trimmed, *means])), change(max([*trimmed, *means]))
    span = (high - low) or abs(high) * 0.05 or 1.0
    least, most = change(min(everything)), change(max(everything))
    if len(curves) == 1:
        low, high = least, most
    low, high = max(least, low - KEPT * span), min(most, high + KEPT * span)
    return Window(back(low), back(high), low > least, high < most, log, share)


def thinned(curves: Sequence[Curve]) -> int:
    """Returns of how many points one is drawn, so that a page stays light."""
    points = sum(len(curve.mean) for curve in curves)
    points += sum(len(line) for curve in _coloured(curves) for _, line in curve.seeds)
    return max(1, math.ceil(points / MOST_POINTS))


def _coloured(curves: Sequence[Curve]) -> list[Curve]:
    return [curve for curve in curves if curve.who.colour != GREY or len(curves) <= GREY + 1]


def arm_curves(curves: Sequence[Curve], seen: Window, *, axis: str, below: str, whole: bool = True) -> Drawing:
    """Returns the drawing of a metric (`axis`) against epochs, steps or seconds (`below`).

    whole: x is counted, so that the first and the last one stand at the ends. Lines are thinned where they have more
    than `MOST_POINTS` together; of many arms those in grey are means alone.
    """
    names = [""] if len(curves) == 1 else short_names([curve.who.name for curve in curves], LONGEST_NAME)
    right = WIDTH - max(map(text_width, names)) - 16
    y = scale_for([seen.low, seen.high], BOTTOM, TOP, log=seen.log)
    left = max(text_width(word, 13) for _, word in y.ticks()) + 10
    xs = [place for curve in curves for line in _lines(curve) for place, _ in line]
    x = scale_for(xs if whole else [0.0, *xs], left + 8, right - 6, log=False, whole=whole)
    drawing = Drawing(WIDTH, BOTTOM + BELOW, frame=(left, TOP, right, BOTTOM))
    if not seen.share and y.low > 0:
        drawing.values = (y.low, y.high, y.log)
    drawing.text("tick", 0, 12, axis + (", log scale" if y.log else ""))
    vertical(drawing, y, left, right)
    horizontal(drawing, x, BOTTOM + 4, below, most=8)
    coloured, every = _coloured(curves), thinned(curves)
    for curve in coloured:
        _shade(drawing, curve, x, y, every)
    for curve in coloured:
        for words, points in curve.seeds if len(curve.seeds) > 1 else ():
            _line(drawing, curve.who, "seed", points, x, y, every, words)
    for curve in curves:
        points = [(place, value) for place, value, _, _ in curve.mean]
        _line(drawing, curve.who, "line" if curve in coloured else "trial", points, x, y, every, curve.who.name)
    _label(drawing, curves, names, x, y, right)
    drawing.label = f"{axis} against {below}, one line an arm: " + ", ".join(curve.who.name for curve in curves)
    return drawing


def _lines(curve: Curve) -> list[list[Point]]:
    mean = [(place, value) for place, value, _, _ in curve.mean]
    return [line for line in ([list(points) for _, points in curve.seeds] + [mean]) if line]


def _line(
    drawing: Drawing, who: Who, look: str, points: Sequence[Point], x: Scale, y: Scale, every: int, words: str
) -> None:
    kept = [point for number, point in enumerate(points) if number % every == 0 or number == len(points) - 1]
    if len(kept) > 1:
        places = ((x(place), y(value)) for place, value in kept)
        drawing.add("line", look, *places, words=words, arm=who, inside=True)


def _shade(drawing: Drawing, curve: Curve, x: Scale, y: Scale, every: int) -> None:
    ends = [(place, low, high) for place, _, low, high in curve.mean if low is not None and high is not None]
    kept = [end for number, end in enumerate(ends) if number % every == 0 or number == len(ends) - 1]
    if len(kept) > 1:
        upper = [(x(place), y(high)) for place, _, high in kept]
        lower = [(x(place), y(low)) for place, low, _ in reversed(kept)]
        drawing.add("area", "band", *upper, *lower, arm=curve.who, inside=True)


def _label(drawing: Drawing, curves: Sequence[Curve], names: Sequence[str], x: Scale, y: Scale, right: float) -> None:
    """Writes each name beside the end of its line, as near as the others leave room."""
    drawn = [(curve, name) for curve, name in zip(curves, names, strict=True) if curve.mean and name]
    ends = [curve.mean[-1] for curve, _ in drawn]
    wanted = [min(max(y(value), TOP), BOTTOM) for _, value, _, _ in ends]
    for (curve, name), end, near, place in zip(drawn, ends, wanted, spread(wanted, LINE, TOP, BOTTOM), strict=True):
        drawing.add("line", "lead", (x(end[0]) + 3, near), (right + 5, place), arm=curve.who)
        drawing.text("name", right + 8, place + 4.5, name, arm=curve.who)
