"""Text in aligned columns, by hand: off a terminal nothing else loads rich.console, which takes 0.07 s of every start.

rich.table then took 0.17 s for 120 rows, which take 0.2 ms here.
"""

import itertools
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Container, Iterator, Sequence

from dlexp.console.wording import printable

COMMAND = re.compile(r"(?:python -m|tensorboard --logdir) .*")
TO_COPY = re.compile(rf" {{3}}(?:{COMMAND.pattern}|\S+$)")  # behind a title: `report   outputs/x`
BOUND = "\0"  # for a blank where no line ends
# What a cell is broken into where there is no room: words, `val/` and `accuracy`, a few letters.
PIECES = (r"\S+", r"[^\s/_.,=-]*[/_.,=-]?", r"\S{1,6}")


def aligned(rows: Sequence[Sequence[str]], right: Container[int] = ()) -> list[str]:
    """Returns a line a row, as wide in each column as its widest cell; columns in `right` are flush right."""
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)]
    return [line(row, widths, right) for row in rows]


def fitted(rows: Sequence[Sequence[str]], space: int | None, right: Container[int] = ()) -> list[list[str]]:
    """Returns the lines of each row, in at most so many columns of a terminal (None: as many as it takes): cells of the
    widest columns are wrapped, and none is cut. Of numbers, in `right`, only the head gives way.
    """
    rows = [list(map(printable, row)) for row in rows]
    columns = list(zip(*rows, strict=True))
    widths = [max(map(width_of, column)) for column in columns]
    for piece in PIECES if space is not None else ():
        least = [
            max(_longest(head, piece), *map(width_of, cells))
            if place in right
            else max(_longest(cell, piece) for cell in (head, *cells))
            for place, (head, *cells) in enumerate(columns)
        ]
        widths = _narrowed(widths, least, space or 0)
    found = []
    for row in rows:
        cells = [wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
        found.append([line(each, widths, right) for each in itertools.zip_longest(*cells, fillvalue="")])
    return found


def _longest(cell: str, piece: str) -> int:
    """Returns how wide a number is, or the longest piece of another cell."""
    return max(map(width_of, [cell] if re.match(r"[-+−\d]", cell) else re.findall(piece, cell)), default=0)


def _narrowed(widths: Sequence[int], least: Sequence[int], space: int) -> list[int]:
    """Returns widths of columns that together have room, as far as they can: the widest gives way first."""
    found = list(widths)
    while (over := sum(found) + 2 * (len(found) - 1) - space) > 0:
        wider = [place for place, width in enumerate(found) if width > least[place]]
        if not wider:
            break
        widest = max(wider, key=lambda place: found[place])
        second = max((found[place] for place in wider if place != widest), default=0)
        found[widest] = max(least[widest], found[widest] - over, min(second, found[widest] - 1))
    return found


def folded(text: str, space: int, behind: int | None = None, *, breaks: bool = True) -> list[str]:
    """Returns a text in lines of at most so many columns; those that follow its first one stand `behind` so many
    blanks, or, where that is indented, further in than it. breaks: see `wrapped`.
    """
    indent = len(text) - len(text.lstrip())
    behind = (indent + 2 if indent else 0) if behind is None else behind
    first, *others = wrapped(text.strip(), space - max(indent, behind), breaks=breaks)
    return [" " * indent + first, *(" " * behind + line for line in others)]


def at_terminal(text: str) -> str:
    """Returns what is said, folded at words where a terminal reads; commands and paths stay whole, to be copied."""
    if (space := terminal_width()) is None:
        return text
    lines = text.split("\n")
    return "\n".join(part for line in lines for part in ([line] if TO_COPY.search(line) else _said(line, space)))


def _said(line: str, space: int) -> list[str]:
    if width_of(line) <= space:
        return [line]
    bound = COMMAND.sub(lambda found: found[0].replace(" ", BOUND), line)
    return [each.replace(BOUND, " ") for each in folded(bound, space, breaks=False)]


def wrapped(text: str, space: int, *, breaks: bool = True) -> list[str]:
    """Returns a text in lines of at most so many columns. A word that is longer ends where a part of it does, and
    stands whole in a line of its own where nothing `breaks`.
    """
    lines = [""]
    for word in text.split(" "):
        between = " " if lines[-1] else ""
        if width_of(lines[-1]) + len(between) + width_of(word) <= space:
            lines[-1] += between + word
            continue
        if lines[-1]:
            lines.append("")
        *others, last = _broken(word, space) if breaks else [word]
        lines[-1:] = [*others, last]
    return [each.rstrip() for each in lines]


def _broken(word: str, space: int) -> Iterator[str]:
    """Yields a word in pieces that have room, each as long as can be, and to the end of a part (`outputs/`) if any."""
    while width_of(word) > space:
        most = next(end for end in range(len(word), 0, -1) if width_of(word[:end]) <= space or end == 1)
        parts = [found.end() for found in re.finditer(r"[/_.,=-]", word[:most])]
        end = parts[-1] if parts else most
        yield word[:end]
        word = word[end:]
    yield word


def terminal_width() -> int | None:
    """Returns how many columns the terminal has, or COLUMNS says; None where else a file or a program reads, which has
    no end of a line.
    """
    return shutil.get_terminal_size().columns if sys.stdout.isatty() or os.environ.get("COLUMNS") else None


def line(cells: Sequence[str], widths: Sequence[int], right: Container[int] = ()) -> str:
    """Returns one row, for a table that is printed while its rows are still coming. Cells may be a stranger's words."""
    padded = []
    for column, (cell, width) in enumerate(zip(map(printable, cells), widths, strict=True)):
        space = " " * (width - width_of(cell))
        padded.append(space + cell if column in right else cell + space)
    return "  ".join(padded).rstrip()


def width_of(cell: str) -> int:
    """Returns how many columns of a terminal a text takes."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in cell)
