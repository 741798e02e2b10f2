"""HTML in pieces: whatever is not markup already is escaped, and a page admits only its own script and style."""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dlexp.pictures.drawing import escaped, quoted

VOID = frozenset({"input", "meta"})
# Figures that a line should not break, as the sentences write them.
TOGETHER = re.compile(
    r"\S+ − \S+(?= [+−])|[+−]?\d[\d.]* to [+−]?\d[\d.]*|[+−]\d[\d.]* points|\bp [=<] [\d.]+"
    r"|\d[\d.]*(?: ± [\d.]+)? %|± [\d.]+"
)


class Markup(str):
    """A text that is HTML already. Any other text is taken as what a person wrote."""

    __slots__ = ()


@dataclass(frozen=True)
class Column:
    """A column of a table. small: the second line of its head. left: of words. time: of durations, see `page`."""

    head: str
    small: str = ""
    left: bool = False
    time: bool = False


@dataclass(frozen=True)
class Cell:
    """What stands in a table, and the number to sort by."""

    shown: str
    value: float | None = None


# A row of a table: its attributes, and what stands in it.
Row = tuple[Mapping[str, str | int], Sequence[str | Cell | None]]


def tag(name: str, /, *children: str | None, **attributes: str | int | None) -> Markup:
    """Returns an element. A trailing `_` of an attribute's name falls away, others become hyphens; None: without it."""
    words = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items() if value is not None}
    opened = "".join([name, *(f' {key}="{quoted(value)}"' for key, value in words.items())])
    return Markup(f"<{opened}>" if name in VOID else f"<{opened}>{joined(children)}</{name}>")


def joined(children: Iterable[str | None]) -> Markup:
    """Returns pieces one after another, escaped where they are no markup."""
    return Markup("".join(each if isinstance(each, Markup) else escaped(each) for each in children if each is not None))


def prose(text: str) -> Markup:
    """Returns a sentence whose figures stay together at the end of a line."""
    return Markup(escaped(TOGETHER.sub(lambda found: found.group().replace(" ", "\u00a0"), text)))


def table(columns: Sequence[Column], rows: Sequence[Row], kind: str) -> Markup:
    """Returns a table: each row with its attributes, its first cell as its head; on narrow screens a card a row."""
    heads = [tag("th", *_head(column), scope="col", class_=_classes(column)) for column in columns]
    body = [tag("tr", *_cells(columns, cells, "stack" in kind), **attributes) for attributes, cells in rows]
    return tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *body), class_=kind)


def _head(column: Column) -> list[str]:
    return [column.head, *([Markup("<br>"), tag("small", column.small)] if column.small else [])]


def _cells(columns: Sequence[Column], cells: Sequence[str | Cell | None], labelled: bool) -> Iterator[Markup]:
    """Yields the cells of a row; with the heads of their columns where the row may become a card."""
    for number, (column, cell) in enumerate(zip(columns, cells, strict=True)):
        shown, value = (cell.shown, cell.value) if isinstance(cell, Cell) else (cell, None)
        if number == 0:
            yield tag("th", shown, scope="row")
        else:
            label, sort = column.head if labelled else None, None if value is None else f"{value:.10g}"
            yield tag("td", shown, class_=_classes(column), data_l=label, data_v=sort)


def _classes(column: Column) -> str | None:
    return " ".join(["l"] * column.left + ["time"] * column.time) or None


def document(title: str, style: str, script: str, body: Markup) -> str:
    """Returns a whole page that asks for nothing and runs nothing but this script."""
    own = f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    policy = f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"
    head = [
        tag("meta", charset="utf-8"),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        Markup('<meta name="color-scheme" content="light dark">'),
        tag("title", title),
        Markup(f"<style>{style}</style>"),
    ]
    content = tag("body", Markup("\n"), tag("main", body), Markup(f"\n<script>{script}</script>\n"))
    return "<!DOCTYPE html>\n" + tag("html", tag("head", *head), Markup("\n"), content, lang="en") + "\n"


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
