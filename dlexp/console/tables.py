"""Text in aligned columns, by hand: off a terminal nothing else loads rich.console, which takes 0.07 s of every start.

rich.table then took 0.17 s for 120 rows, which take 0.2 ms here, and wraps cells to the width of a terminal.
"""

import unicodedata
from collections.abc import Container, Sequence

from dlexp.console.wording import printable


def aligned(rows: Sequence[Sequence[str]], right: Container[int] = ()) -> list[str]:
    """Returns a line a row, as wide in each column as its widest cell; columns in `right` are flush right."""
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)]
    return [line(row, widths, right) for row in rows]


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
