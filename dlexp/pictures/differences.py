"""Arms as dots with their intervals, and beside them their differences, a point as long on both sides.

The known plot of Gardner and Altman (1986), turned on its side: a difference on the right is as long as the gap between
two means on the left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dlexp.pictures.drawing import Drawing, Who, fitted, text_width
from dlexp.pictures.names import fitted_name
from dlexp.pictures.scales import Scale

WIDTH = 440.0
ROOM = 20.0  # at both ends of an axis, for dots and the crosses of failed runs
EDGE = 10.0
ROW, BETWEEN_DOTS, MOST_LANES = 66.0, 8.4, 7
# Intervals may be this many times as wide as all dots or differences; what is wider is cut at the edge, with an arrow.
WIDEST = 3.0


@dataclass(frozen=True)
class Row:
    """A row on the left: runs by their words and values, failed ones by what befell them.

    said: its numbers in words, at the right end. note: words behind the name, such as `reference`.
    """

    who: Who
    runs: Sequence[tuple[str, float]]
    mean: float | None
    low: float | None
    high: float | None
    said: str
    note: str = ""
    failed: Sequence[str] = field(default_factory=list)


@dataclass(frozen=True)
class Gap:
    """A row on the right. Without a value, as the reference and arms without a verdict have none, `said` is all."""

    who: Who
    name: str
    value: float | None
    low: float | None
    high: float | None
    said: str


def differences(
    arms: Sequence[Row],
    gaps: Sequence[Gap],
    *,
    axis: str,
    gap_axis: str,
    shift: float | None,
    margin: float | None = None,
    margin_words: str = "",
    bar: float | None = None,
    bar_words: str = "",
    labels: tuple[str, str] = ("", ""),
) -> list[Drawing]:
    """Returns the drawing of the arms, and that of the gaps where one of them has a value.

    shift: the mean that all gaps are to, marked in each row; None without one. margin: half the width of the track.
    bar: a length to show under the left axis. Without any value there is no drawing.
    """
    on_left = [value for arm in arms for _, value in arm.runs]
    if not on_left:
        return []
    on_right = [gap.value for gap in gaps if gap.value is not None]
    ends = [end for arm in arms for end in (arm.low, arm.high) if end is not None]
    gap_ends = [end for gap in gaps for end in (gap.low, gap.high) if end is not None]
    core = _core(on_left, [0.0, *on_right] if on_right else [])
    left = _ends(on_left, ends, core)
    right = _ends([0.0, *on_right], gap_ends + ([-margin, margin] if margin else []), core)
    widest = max(left[1] - left[0], right[1] - right[0] if on_right else 0.0)
    lanes = [_lanes(arm, _centred(left, widest)) for arm in arms]
    piled = [max([*each, min(len(arm.failed), MOST_LANES) - 1]) for arm, each in zip(arms, lanes, strict=True)]
    row = ROW + BETWEEN_DOTS * max(0, max(piled) - 1)
    scale = _centred(left, widest)
    drawings = [_left(arms, lanes, scale, row, axis, shift, bar, bar_words)]
    if on_right:
        drawings.append(_right(gaps, _centred(right, widest), row, gap_axis, margin, margin_words))
    for drawing, label in zip(drawings, labels, strict=False):
        drawing.label = label
    return drawings


def _left(
    arms: Sequence[Row],
    lanes: list[list[int]],
    scale: Scale,
    row: float,
    axis: str,
    shift: float | None,
    bar: float | None,
    bar_words: str,
) -> Drawing:
    bottom = row * len(arms) + 10
    drawing = Drawing(WIDTH, bottom + 54)
    _axis(drawing, scale, bottom, row, len(arms), axis, shift)
    if bar is not None:
        _bar(drawing, scale, bottom, bar, bar_words)
    for number, (arm, lane) in enumerate(zip(arms, lanes, strict=True)):
        top, who = number * row, arm.who
        _head(drawing, who, who.name, arm.note, arm.said, top, "warn" if arm.failed else "soft")
        dots, level = top + row - 22, top + row - 10
        for (words, value), place in zip(arm.runs, lane, strict=True):
            drawing.add("dot", "dot", (scale(value), dots - BETWEEN_DOTS * place), words=words, arm=who)
        if arm.mean is not None and len(arm.runs) > 1:
            words = f"{who.name}: {arm.said}"
            _interval(drawing, scale, who, level, arm.mean, arm.low, arm.high, words)
        for place, words in enumerate(arm.failed):
            at = (6.0 + 11 * (place // MOST_LANES), dots - BETWEEN_DOTS * (place % MOST_LANES))
            drawing.add("cross", "cross", at, words=words, arm=who)
    return drawing


def _right(
    gaps: Sequence[Gap], scale: Scale, row: float, axis: str, margin: float | None, margin_words: str
) -> Drawing:
    bottom = row * len(gaps) + 10
    drawing = Drawing(WIDTH, bottom + 54)
    if margin:
        low, high = (min(max(scale(end), 0.0), WIDTH) for end in (-margin, margin))
        for number, gap in enumerate(gaps):
            if gap.value is not None:
                _box(drawing, low, number * row + row - 31, high, number * row + row - 5)
        end = WIDTH - text_width(margin_words, 13) - 4
        _box(drawing, end - 22, bottom + 28, end, bottom + 43)
        drawing.text("tick", WIDTH, bottom + 40, margin_words, anchor="end")
    room = WIDTH - text_width(margin_words, 13) - 40
    _axis(drawing, scale, bottom, row, len(gaps), fitted(axis, room, 13), 0.0, plus="+")
    for number, gap in enumerate(gaps):
        top = number * row
        if gap.value is None:
            _head(drawing, gap.who, gap.name, gap.said, "", top, "soft")
            continue
        fits = text_width(gap.name) <= WIDTH - text_width(gap.said) - 10
        _head(drawing, gap.who, gap.name if fits else gap.who.name, "", gap.said, top, "soft")
        words = f"{gap.name}: {gap.said}"
        _interval(drawing, scale, gap.who, top + row - 18, gap.value, gap.low, gap.high, words)
    return drawing


def _axis(
    drawing: Drawing,
    scale: Scale,
    bottom: float,
    row: float,
    rows: int,
    words: str,
    shift: float | None,
    plus: str = "",
) -> None:
    if shift is not None:
        for number in range(rows):
            drawing.add("line", "zero", (scale(shift), number * row + 31), (scale(shift), number * row + row + 10))
    drawing.add("line", "axis", (0, bottom), (WIDTH, bottom))
    for value, word in scale.ticks(6):
        x = scale(value)
        if not EDGE <= x <= WIDTH - EDGE:  # its number would reach over the side of a sheet
            continue
        drawing.add("line", "axis", (x, bottom), (x, bottom + 4))
        drawing.text("tick", x, bottom + 18, plus * (value > 0) + word, anchor="middle")
    drawing.text("tick", 0, bottom + 40, words)


def _bar(drawing: Drawing, scale: Scale, bottom: float, length: float, words: str) -> None:
    """Draws a length below the axis; one that is longer than half of it is only told."""
    pixels, y = scale(scale.low + length) - scale(scale.low), bottom + 36
    end = WIDTH
    if pixels <= WIDTH / 2 - 60:
        end = WIDTH - pixels - 6
        drawing.add("line", "bar", (WIDTH - pixels, y), (WIDTH, y), words=words)
        for x in (WIDTH - pixels, WIDTH):
            drawing.add("line", "bar", (x, y - 4), (x, y + 4))
    drawing.text("tick", end, bottom + 40, words, anchor="end")


def _head(drawing: Drawing, who: Who, name: str, note: str, said: str, top: float, look: str) -> None:
    """Writes a row's name and note on the left and its numbers on the right; the name gives way where room is short."""
    room = WIDTH - text_width(said) - 10
    note = fitted(note, room * 0.6, 13)
    short = fitted_name(name, room - (text_width(note, 13) + 8 if note else 0))
    drawing.text("name", 0, top + 24, short, arm=who)
    if note:
        drawing.text(look, text_width(short) + 8, top + 24, note, arm=who)
    if said:
        drawing.text("plain", WIDTH, top + 24, said, anchor="end", arm=who)


def _interval(
    drawing: Drawing, scale: Scale, who: Who, y: float, mean: float, low: float | None, high: float | None, words: str
) -> None:
    if low is not None and high is not None and high > low:
        left, right = max(scale(low), 4.0), min(scale(high), WIDTH - 4)
        drawing.add("line", "ci", (left, y), (right, y), words=words, arm=who)
        for end, cut, way in ((left, scale(low) < 0, -1), (right, scale(high) > WIDTH, 1)):
            if cut:
                drawing.add("area", "tri", (end + 4 * way, y), (end - 5 * way, y - 5), (end - 5 * way, y + 5), arm=who)
    drawing.add("line", "mean", (scale(mean), y - 6), (scale(mean), y + 6), words=words, arm=who)


def _box(drawing: Drawing, left: float, top: float, right: float, bottom: float) -> None:
    drawing.add("area", "margin", (left, top), (right, top), (right, bottom), (left, bottom))


def _core(on_left: Sequence[float], on_right: Sequence[float]) -> float:
    """Returns the range of what is measured; of values that are all equal a small one around them."""
    spans = [max(values) - min(values) for values in (on_left, on_right) if values]
    return max(spans) or abs(on_left[0]) * 0.01 or 1.0


def _ends(values: Sequence[float], wide: Sequence[float], core: float) -> tuple[float, float]:
    """Returns the ends of an axis: of all values, and of what reaches farther, up to a limit."""
    low, high = min(values), max(values)
    least = max(min([low, *wide]), low - WIDEST * core)
    most = min(max([high, *wide]), high + WIDEST * core)
    return (least, most) if most > least else (low - core / 2, high + core / 2)


def _centred(ends: tuple[float, float], widest: float) -> Scale:
    """Returns an axis on which the widest range just fits, with these ends in its middle."""
    unit = widest * WIDTH / (WIDTH - 2 * ROOM)
    middle = (ends[0] + ends[1]) / 2
    return Scale(middle - unit / 2, middle + unit / 2, 0.0, WIDTH)


def _lanes(arm: Row, scale: Scale) -> list[int]:
    """Returns for each run how many dots lie below it, so that none covers another as long as there is room."""
    taken: list[list[float]] = [[] for _ in range(MOST_LANES)]
    lanes = []
    for number, (_, value) in enumerate(arm.runs):
        x = scale(value)
        free = (lane for lane in range(MOST_LANES) if all(abs(x - other) >= BETWEEN_DOTS for other in taken[lane]))
        lane = next(free, number % MOST_LANES)
        taken[lane].append(x)
        lanes.append(lane)
    return lanes
