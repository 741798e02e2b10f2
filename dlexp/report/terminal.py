"""A report in a terminal of 80 columns: the sentences, the tables, what was left out."""

from collections.abc import Iterator

from dlexp.console.tables import fitted, folded
from dlexp.console.wording import printable
from dlexp.report import tables
from dlexp.report.answer import Answer
from dlexp.report.plan_lines import plan_lines
from dlexp.report.tables import Table
from dlexp.report.tree import Branch, branches

WIDTH = 80
MOST_LEFT_OUT = 8
MOST_ROWS = 60


def lines(answer: Answer) -> Iterator[tuple[str, str]]:
    """Yields lines with their styles, as rich calls them: `bold`, `dim` or none."""
    first, *others = answer.sentences
    yield from _prose(first, "bold")
    for sentence in others:
        yield from _prose(sentence)
    asked = [tables.reach_table(answer), tables.cross_table(answer)]  # before what nobody asked for
    for table in [*asked, tables.arms_table(answer), tables.differences_table(answer, reasons=False)]:
        if table is not None:
            yield "", ""
            yield from _shown(table)
    if answer.plan is not None:
        yield "", ""
        yield "planned before the first run, and done", "bold"
        for name, plan, done in plan_lines(answer, answer.plan):
            yield from _prose(f"  {name}: {plan}; {done[:1].lower()}{done[1:]}" if plan else f"  {name}: {done}")
    if known := branches(answer):
        yield "", ""
        yield "what began from what", "bold"
        for branch in known:
            yield from _prose(of_tree(branch, answer), behind=len(_indent(branch)) + 2)
    yield "", ""
    for paragraph in (answer.method, answer.scope):
        yield from _prose(" ".join(paragraph), "dim")
    yield from _left_out(answer)


def of_tree(branch: Branch, answer: Answer) -> str:
    """Returns a run of the tree in one line."""
    value = f"  {tables.value_of(answer, branch.value)}" if branch.value is not None else ""
    changes = f"  {' '.join(branch.changes)}" if branch.changes else ""
    note = f"  “{branch.note}”" if branch.note else ""
    return printable(f"{_indent(branch)}{branch.folder}{changes}{value}{note}")


def _indent(branch: Branch) -> str:
    *above, own = branch.beside or (None,)
    return "".join("│  " if each else "   " for each in above) + {None: "", True: "├─ ", False: "└─ "}[own]


def _left_out(answer: Answer) -> Iterator[tuple[str, str]]:
    if answer.troubles:
        yield "", ""
        yield f"left out, {len(answer.troubles)}:", ""
        for each in answer.troubles[:MOST_LEFT_OUT]:
            yield from _prose(f"  {each.folder.as_posix()} {each.reason}")
        if len(answer.troubles) > MOST_LEFT_OUT:
            yield f"  and {len(answer.troubles) - MOST_LEFT_OUT} more (--json has all)", ""


def _prose(text: str, style: str = "", behind: int | None = None) -> Iterator[tuple[str, str]]:
    yield from ((line, style) for line in folded(printable(text), WIDTH, behind))


def _shown(table: Table) -> Iterator[tuple[str, str]]:
    """Yields a table, as wide as the terminal at most."""
    head, *others = fitted([table.heads, *table.rows[:MOST_ROWS]], WIDTH, table.right)
    yield from ((line, "bold") for line in head)
    yield from ((line, "") for lines in others for line in lines)
    if len(table.rows) > MOST_ROWS:
        yield f"and {len(table.rows) - MOST_ROWS} more, which the files have", ""
