"""A metric over what was set: lines over one numeric setting, a map of two, and the trials of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dlexp.pictures.drawing import Drawing, Point, Who, fitted, spread, text_width
from dlexp.pictures.names import short_names
from dlexp.pictures.scales import Scale, horizontal, plain, scale_for, vertical

WIDTH, TOP, BOTTOM, BELOW = 440.0, 22.0, 262.0, 42.0
EDGE = 12.0  # below the lowest value, for the crosses of what has none


@dataclass(frozen=True)
class Series:
    """Values over a setting.

    points: setting and value with words; chosen: the one to ring. line: the means, joined; ends: their intervals.
    crosses: settings whose runs have no value, with words. arms: whose each point is, where not all are the same's.
    """

    who: Who
    points: Sequence[tuple[float, float, str]]
    line: Sequence[Point] = ()
    ends: Sequence[tuple[float, float, float]] = ()
    crosses: Sequence[tuple[float, str]] = ()
    chosen: Point | None = None
    arms: Sequence[Who] = field(default_factory=list)


def over_setting(
    series: Sequence[Series],
    *,
    axis: str,
    below: str,
    look: str = "line",
    near_the_best: bool | None = None,
    whole: bool = False,
) -> Drawing | None:
    """Returns the values of each series over a numeric setting (`below`), on a log axis where it spans decades.

    near_the_best: whether higher is better, where only what is near the best is to be seen; what lies farther off is an
    arrow at the edge. whole: the setting is a count. None where a setting has a single value, or nothing has one.
    """
    values = [(x, y) for each in series for x, y, _ in each.points] + [pair for each in series for pair in each.line]
    xs = [x for x, _ in values] + [x for each in series for x, _ in each.crosses]
    ys = [y for _, y in values] + [y for each in series for end in each.ends for y in end[1:]]
    if len(set(xs)) < 2 or not ys:
        return None
    names = short_names([each.who.name for each in series], 110) if len(series) > 1 else [""]
    low, high = _kept(ys, near_the_best)
    lowest = BOTTOM - (EDGE if any(each.crosses for each in series) else 0)
    y = scale_for([low, high], lowest, TOP)
    left = max((text_width(word, 13) for _, word in y.ticks()), default=28.0) + 10
    right = WIDTH - max(map(text_width, names)) - 12
    x = scale_for(xs, left + 6, right - 6, log=False if whole else None, whole=whole)
    drawing = Drawing(WIDTH, BOTTOM + BELOW, frame=(left, TOP - 8, right, BOTTOM + 2))
    drawing.text("tick", 0, 12, axis + (", log scale" if y.log else ""))
    vertical(drawing, y, left, right)
    horizontal(drawing, x, BOTTOM + 4, below + (", log scale" if x.log else ""))
    for each in series:
        if len(each.line) > 1:
            places = ((x(place), y(value)) for place, value in each.line)
            drawing.add("line", look, *places, words=each.who.name, arm=each.who, inside=True)
    for each in series:
        _points(drawing, each, x, y)
    if len(series) > 1:
        _names(drawing, series, names, x, y, right)
    told = (f"{each.who.name} at {plain(p[0])}: {p[1]:.4g}" for each in series for p in (each.line or each.points))
    drawing.label = f"{axis} over {below}; " + ", ".join(told)
    return drawing


def heat_map(
    cells: Mapping[tuple[float | str, float | str], tuple[float | None, str, str]],
    rows: Sequence[float | str],
    columns: Sequence[float | str],
    *,
    axis: str,
    row_words: str,
    column_words: str,
    higher_is_better: bool,
    best: tuple[float | str, float | str] | None,
) -> Drawing:
    """Returns a map: a cell for each pair (row, column) with its value, what is written in it, and longer words.

    The better, the stronger its colour; the best one has a frame. A cell without a value is a cross.
    """
    values = [value for value, _, _ in cells.values() if value is not None]
    names = [fitted(_said(row), 90, 13) for row in rows]
    left = max(text_width(name, 13) for name in names) + 10
    top, wide, high = 40.0, min(96.0, (2 * WIDTH - left) / len(columns)), 34.0
    drawing = Drawing(max(WIDTH, left + wide * len(columns)), top + high * len(rows) + 24)
    drawing.text("tick", 0, 12, f"{axis}, by {row_words} (down) and {column_words} (across)")
    for number, column in enumerate(columns):
        words = fitted(_said(column), wide - 4, 13)
        drawing.text("tick", left + wide * (number + 0.5), top - 8, words, anchor="middle")
    low, span = min(values, default=0.0), (max(values, default=1.0) - min(values, default=0.0)) or 1.0
    for place, (row, name) in enumerate(zip(rows, names, strict=True)):
        y = top + high * place
        drawing.text("tick", left - 8, y + high / 2 + 4.5, name, anchor="end")
        for number, column in enumerate(columns):
            x = left + wide * number
            if (row, column) not in cells:
                continue
            value, written, words = cells[row, column]
            if value is None:
                drawing.add("cross", "cross", (x + wide / 2, y + high / 2), words=words)
                continue
            share = (value - low) / span if higher_is_better else (low + span - value) / span
            box = ((x + 1, y + 1), (x + wide - 1, y + 1), (x + wide - 1, y + high - 1), (x + 1, y + high - 1))
            drawing.add("area", "cell", *box, words=words, strength=0.06 + 0.44 * share)
            if (row, column) == best:
                drawing.add("line", "over", *box, box[0])
            drawing.text("figure", x + wide / 2, y + high / 2 + 4.5, fitted(written, wide, 13), anchor="middle")
    told = (f"{_said(row)}, {_said(column)}: {said[1]}" for (row, column), said in cells.items())
    drawing.label = f"{axis} by {row_words} and {column_words}; " + ", ".join(told)
    return drawing


def _points(drawing: Drawing, series: Series, x: Scale, y: Scale) -> None:
    for place, low, high in series.ends:
        drawing.add("line", "ci", (x(place), y(low)), (x(place), y(high)), arm=series.who, inside=True)
    for number, (place, value, words) in enumerate(series.points):
        who = series.arms[number] if series.arms else series.who
        if TOP - 8 <= y(value) <= BOTTOM + 2:
            drawing.add("dot", "dot", (x(place), y(value)), words=words, arm=who, inside=True)
            continue
        edge, way = (BOTTOM, 1) if y(value) > BOTTOM else (TOP - 8, -1)
        arrow = [(x(place), edge), (x(place) - 5, edge - 8 * way), (x(place) + 5, edge - 8 * way)]
        drawing.add("area", "tri", *arrow, words=words, arm=who)
    for place, words in series.crosses:
        drawing.add("cross", "cross", (x(place), BOTTOM - 4), words=words, arm=series.who)
    if series.chosen is not None:
        place, value = series.chosen
        at = (x(place), min(max(y(value), TOP - 8), BOTTOM))  # an arrow's as well
        drawing.add("dot", "ring", at, words="chosen", arm=series.who, inside=True)


def _names(drawing: Drawing, series: Sequence[Series], names: Sequence[str], x: Scale, y: Scale, right: float) -> None:
    drawn = [(each, name) for each, name in zip(series, names, strict=True) if each.points or each.line]
    ends = [max(each.line or [point[:2] for point in each.points]) for each, _ in drawn]
    wanted = [min(max(y(value), TOP), BOTTOM) for _, value in ends]
    for (each, name), end, near, place in zip(drawn, ends, wanted, spread(wanted, 17, TOP, BOTTOM), strict=True):
        drawing.add("line", "lead", (x(end[0]) + 4, near), (right + 3, place), arm=each.who)
        drawing.text("name", right + 6, place + 4.5, name, arm=each.who)


def _kept(values: Sequence[float], near_the_best: bool | None) -> tuple[float, float]:
    """Returns the ends of the axis: all values, or four times what lies between the best and the middle one."""
    low, high = min(values), max(values)
    if near_the_best is None:
        return low, high
    middle = sorted(values)[len(values) // 2]
    if near_the_best:
        return max(low, high - 4 * (high - middle)) if high > middle else low, high
    return low, min(high, low + 4 * (middle - low)) if middle > low else high


def _said(value: float | str) -> str:
    return value if isinstance(value, str) else plain(value)
