"""A drawing of plain shapes: written as SVG for a page that colours it, and drawn by matplotlib for files.

matplotlib's own SVG has fixed colours, a `style=` in every element and no words behind a dot. Shapes in pixels have
none of that, and both outlets together need less code than a repair of it.
"""

from __future__ import annotations

import html
import itertools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from dlexp.pictures.looks import LOOKS, style_sheet

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom

BETWEEN = 32.0  # between two drawings side by side
LONG = 40  # points of a line
FARTHEST = 5000.0  # nothing is drawn farther outside, however large a value
# What is no text: control characters, halves of a surrogate pair, and marks that turn the reading direction.
UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
NARROW, WIDE = set("iljtfrI.,:;'|!()[]{}/\\ \u2009"), set("mwMW%@—…")


class Who(NamedTuple):
    """An arm as pictures know it: its place in the order of the report, and the number of its colour."""

    name: str
    number: int
    colour: int


class Mark(NamedTuple):
    """One shape. words: what a text says; of another shape what a pointer on it shows. strength: of a cell's colour."""

    shape: Literal["line", "area", "dot", "cross", "text"]
    look: str
    points: tuple[Point, ...]
    words: str
    arm: Who | None
    anchor: Literal["start", "middle", "end"]
    inside: bool
    strength: float | None


@dataclass
class Drawing:
    """Shapes in pixels, y downwards, in the order in which they are drawn.

    label: all its numbers in words, for who does not see it. frame: what marks with `inside` are cut to.
    values: what the lower and the upper edge of the frame stand for, and whether the axis is a log one, where a reader
    may switch it.
    """

    width: float
    height: float
    label: str = ""
    frame: Box | None = None
    values: tuple[float, float, bool] | None = None
    marks: list[Mark] = field(default_factory=list)

    def add(
        self,
        shape: Literal["line", "area", "dot", "cross", "text"],
        look: str,
        *points: Point,
        words: str = "",
        arm: Who | None = None,
        anchor: Literal["start", "middle", "end"] = "start",
        inside: bool = False,
        strength: float | None = None,
    ) -> None:
        """Draws one more shape above the others."""
        kept = tuple((_bounded(x), _bounded(y)) for x, y in points)
        self.marks.append(Mark(shape, look, kept, words, arm, anchor, inside, strength))

    def text(self, look: str, x: float, y: float, words: str, **more: object) -> None:
        """Writes words from a point of their baseline on."""
        self.add("text", look, (x, y), words=words, **more)  # type: ignore[arg-type]


def escaped(text: object) -> str:
    """Returns a text as an element of HTML or SVG holds it."""
    return html.escape(UNREADABLE.sub("\ufffd", str(text)), quote=False)


def quoted(text: object) -> str:
    """Returns a text as an attribute holds it, between double quotes."""
    return escaped(text).replace('"', "&quot;")


def text_width(text: str, size: float = 14.0) -> float:
    """Returns about how wide a text is in a bold sans serif; of what a reader's own font draws nobody knows it."""
    return size * sum(map(_width, text))


def fitted(text: str, width: float, size: float = 14.0) -> str:
    """Returns the text, cut with an ellipsis where it is wider."""
    text = " ".join(text.split())
    if text_width(text, size) <= width:
        return text
    while text and text_width(f"{text}…", size) > width:
        text = text[:-1]
    return f"{text.rstrip()}…"


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Returns places near the wanted ones, in their order, none nearer to the next than `gap`, within the ends.

    Where there is no room for all, the gaps shrink.
    """
    gap = min(gap, (high - low) / max(1, len(wanted) - 1))
    order = sorted(range(len(wanted)), key=lambda place: (wanted[place], place))
    groups: list[tuple[list[int], float]] = []  # who stands together, and the middle of them all
    for place in order:
        members, middle = [place], wanted[place]
        while True:
            half = gap * (len(members) - 1) / 2
            middle = min(max(middle, low + half), high - half)
            if not groups or middle - half - (groups[-1][1] + gap * (len(groups[-1][0]) - 1) / 2) >= gap - 1e-9:
                break
            before, centre = groups.pop()
            middle = (centre * len(before) + middle * len(members)) / (len(before) + len(members))
            members = before + members
        groups.append((members, middle))
    places = [0.0] * len(wanted)
    for members, middle in groups:
        for position, place in enumerate(members):
            places[place] = middle + gap * (position - (len(members) - 1) / 2)
    return places


def markup(drawing: Drawing) -> str:
    """Returns the drawing as an element `svg` whose looks are the page's."""
    size = f"0 0 {_number(drawing.width)} {_number(drawing.height)}"
    values = ""
    if drawing.values and drawing.frame:
        low, high, log = drawing.values
        edges = f"{_number(drawing.frame[3])} {_number(drawing.frame[1])}"
        values = f' data-values="{low:.6g} {high:.6g} {edges} {"log" if log else "linear"}"'
    label = quoted(drawing.label)
    return f'<svg class="drawing" viewBox="{size}" role="img" aria-label="{label}"{values}>{_shapes(drawing)}</svg>'


def as_svg(drawings: Sequence[Drawing]) -> str:
    """Returns drawings side by side as a file of their own, in the colours of a white page."""
    width = sum(drawing.width for drawing in drawings) + BETWEEN * (len(drawings) - 1)
    height = max(drawing.height for drawing in drawings)
    parts, left = [], 12.0
    for drawing in drawings:
        parts.append(f'<g transform="translate({_number(left)} 12)">{_shapes(drawing)}</g>')
        left += drawing.width + BETWEEN
    label = quoted("; ".join(drawing.label for drawing in drawings))
    size = f"{_number(width + 24)} {_number(height + 24)}"
    head = 'xmlns="http://www.w3.org/2000/svg" role="img"'
    wide, high = size.split()
    return (
        f'<svg {head} width="{wide}" height="{high}" viewBox="0 0 {size}" aria-label="{label}">'
        f'<style>{style_sheet(alone=True)}</style><rect class="paper" width="{wide}" height="{high}"/>'
        f"{''.join(parts)}</svg>\n"
    )


def _shapes(drawing: Drawing) -> str:
    parts = []
    for (inside, arm), marks in itertools.groupby(drawing.marks, key=lambda mark: (mark.inside, mark.arm)):
        part = "".join(map(_shape, marks))
        if arm is not None:
            part = f'<g class="arm c{arm.colour}" data-arm="{arm.number}">{part}</g>'
        parts.append((inside, part))
    told = []
    for inside, group in itertools.groupby(parts, key=lambda part: part[0]):
        shapes = "".join(part for _, part in group)
        if inside and drawing.frame:
            left, top, right, bottom = drawing.frame
            wide, high = _number(right - left), _number(bottom - top)
            place = f'x="{_number(left)}" y="{_number(top)}" width="{wide}" height="{high}"'
            shapes = f'<svg {place} viewBox="{_number(left)} {_number(top)} {wide} {high}">{shapes}</svg>'
        told.append(shapes)
    return "".join(told)


def _shape(mark: Mark) -> str:
    x, y = mark.points[0]
    title = f"<title>{escaped(mark.words)}</title>" if mark.words and mark.shape != "text" else ""
    match mark.shape:
        case "text":
            anchor = "" if mark.anchor == "start" else f' text-anchor="{mark.anchor}"'
            words = escaped(mark.words)
            return f'<text class="{mark.look}" x="{_number(x)}" y="{_number(y)}"{anchor}>{words}</text>'
        case "dot":
            radius = _number(LOOKS[mark.look].size)
            what = f'<circle class="{mark.look}" cx="{_number(x)}" cy="{_number(y)}" r="{radius}"'
        case "cross":
            what = f'<path class="{mark.look}" d="M{_number(x - 4)} {_number(y - 4)}l8 8m0-8l-8 8"'
        case _:
            what = f'<path class="{mark.look}" d="{_path(mark.points)}{"z" if mark.shape == "area" else ""}"'
            if mark.strength is not None:
                what += f' fill-opacity="{mark.strength:.2f}"'
    return f"{what}>{title}</{what[1:].split()[0]}>" if title else f"{what}/>"


def _path(points: Sequence[Point]) -> str:
    """Returns the way as steps from point to point, in tenths of a pixel without adding up what rounding takes.

    Along a long line, x in whole pixels does.
    """
    coarse = 10 if len(points) > LONG else 1
    tenths = [(coarse * round(10 * x / coarse), round(10 * y)) for x, y in points]
    told = f"M{_number(tenths[0][0] / 10)} {_number(tenths[0][1] / 10)}l"
    for (x0, y0), (x1, y1) in itertools.pairwise(tenths):
        for step in (x1 - x0, y1 - y0):
            word = _number(step / 10)
            told += word if word.startswith("-") or told.endswith("l") else f" {word}"
    return told.removesuffix("l")


def _number(value: float) -> str:
    word = f"{value:.1f}".removesuffix(".0")
    if word.startswith(("0.", "-0.")):
        return word.replace("0.", ".", 1)
    return "0" if word == "-0" else word


def _bounded(value: float) -> float:
    return min(max(value, -FARTHEST), FARTHEST)


def _width(character: str) -> float:
    if unicodedata.combining(character):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    return 0.34 if character in NARROW else 0.92 if character in WIDE else 0.72 if character.isupper() else 0.6
