"""A report in a terminal of 80 columns: the sentences, the tables, what was left out."""

from collections.abc import Iterator

from dlexp.console.tables import aligned, width_of
from dlexp.console.wording import printable
from dlexp.report import tables
from dlexp.report.answer import Answer
from dlexp.report.plan_lines import plan_lines
from dlexp.report.tables import Table
from dlexp.report.tree import Branch, branches

WIDTH = 80
MOST_LEFT_OUT = 8
MOST_ROWS = 60
DEEPEST = 12  # level of a tree that is set in farther than the one above
SHORTEST = 8  # of a column of words that has to give way


def lines(answer: Answer) -> Iterator[tuple[str, str]]:
    """Yields lines with their styles, as rich calls them: `bold`, `dim` or none."""
    first, *others = answer.sentences
    yield from _prose(first, "bold")
    for sentence in others:
        yield from _prose(sentence)
    found = [tables.cross_table(answer), tables.arms_table(answer), tables.differences_table(answer, reasons=False)]
    for table in [*found, tables.reach_table(answer)]:
        if table is not None:
            yield "", ""
            yield from _shown(table)
    if answer.plan is not None:
        yield "", ""
        yield "planned before the first run, and done", "bold"
        for name, plan, done in plan_lines(answer, answer.plan):
            yield from _prose(f"  {name}: {'; '.join(filter(None, [plan, done]))}")
    if known := branches(answer):
        yield "", ""
        yield "what began from what", "bold"
        yield from ((of_tree(branch, answer), "") for branch in known)
    yield "", ""
    for paragraph in (answer.method, answer.scope):
        yield from _prose(" ".join(paragraph), "dim")
    yield from _left_out(answer)


def of_tree(branch: Branch, answer: Answer) -> str:
    """Returns a run of the tree in one line."""
    value = f"  {tables.value_of(answer, branch.value)}" if branch.value is not None else ""
    changes = f"  {' '.join(branch.changes)}" if branch.changes else ""
    note = f"  “{branch.note}”" if branch.note else ""
    indent = "   " * (min(branch.depth, DEEPEST) - 1)
    return printable(f"{indent}{'└─ ' if branch.depth else ''}{branch.folder}{changes}{value}{note}")


def _left_out(answer: Answer) -> Iterator[tuple[str, str]]:
    if answer.troubles:
        yield "", ""
        yield f"left out, {len(answer.troubles)}:", ""
        for each in answer.troubles[:MOST_LEFT_OUT]:
            yield from _prose(f"  {each.folder.as_posix()} {each.reason}")
        if len(answer.troubles) > MOST_LEFT_OUT:
            yield f"  and {len(answer.troubles) - MOST_LEFT_OUT} more (--json has all)", ""


def _prose(text: str, style: str = "") -> Iterator[tuple[str, str]]:
    """Yields a text in lines; those that follow an indented first one are indented further."""
    indent = " " * (len(text) - len(text.lstrip()))
    line, start = indent, indent
    for word in printable(text).split():
        if line != start and width_of(line) + 1 + width_of(word) > WIDTH:
            yield line, style
            line = start = f"{indent}  " if indent else ""
        line = f"{line} {word}" if line != start else f"{line}{word}"
    yield line, style


def _shown(table: Table) -> Iterator[tuple[str, str]]:
    """Yields a table, cut to the width of the terminal: of columns of words, the widest gives way first."""
    rows = [table.heads, *table.rows[:MOST_ROWS]]
    words = [column for column in range(len(table.heads)) if column not in table.right]
    while True:
        widths = [max(width_of(row[column]) for row in rows) for column in range(len(table.heads))]
        over = sum(widths) + 2 * (len(widths) - 1) - WIDTH
        widest = max(words, key=lambda column: widths[column])
        if over <= 0 or widths[widest] <= SHORTEST:
            break
        second = max((widths[column] for column in words if column != widest), default=0)
        most = max(SHORTEST, widths[widest] - over, min(second, widths[widest] - 1))
        rows = [[*row[:widest], _shortened(row[widest], most), *row[widest + 1 :]] for row in rows]
    head, *others = aligned(rows, table.right)
    yield head, "bold"
    yield from ((line, "") for line in others)
    if len(table.rows) > MOST_ROWS:
        yield f"and {len(table.rows) - MOST_ROWS} more, which the files have", ""


def _shortened(text: str, most: int) -> str:
    """Returns a text in at most so many columns, its middle left out where it is longer: ends tell names apart."""
    if width_of(text) <= most:
        return text
    front, back = text[: (most - 1) // 2], text[len(text) - most // 2 :]
    while width_of(front) + width_of(back) + 1 > most:
        front, back = (front[:-1], back) if width_of(front) >= width_of(back) else (front, back[1:])
    return f"{front}…{back}"
