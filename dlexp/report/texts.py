"""A report as files of text: Markdown, LaTeX, and CSV with all digits."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

from dlexp.console.wording import printable
from dlexp.errors import as_typed, to_type
from dlexp.report import tables
from dlexp.report.answer import Answer
from dlexp.report.plan_lines import plan_lines
from dlexp.report.tables import Table
from dlexp.report.terminal import of_tree
from dlexp.report.tree import branches

MOST_RUNS = 200  # in Markdown; runs.csv has all
LATEX = {
    **{letter: rf"\{letter}" for letter in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}"},
    **{
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedbl{}",
        "`": r"\textasciigrave{}",
        "'": r"\textquotesingle{}",
    },
    **{"±": r"$\pm$", "−": "$-$", "×": r"$\times$", "…": r"\ldots{}", "–": "--", "→": r"$\to$", "√": r"$\surd$"},
    **{
        "“": "``",
        "”": "''",
        "’": "'",
        "[": "{[}",
        "]": "{]}",
        "\ufffd": "?",
    },  # \\ [ would be an option of the line before
}


def markdown(answer: Answer, pictures: Sequence[str] = ()) -> str:
    """Returns a report in Markdown; `pictures` are names of files beside it."""
    first, *others = [_escaped(sentence) for sentence in answer.sentences]
    blocks = [f"# {_escaped(answer.title)}", f"**{first}**", *([" ".join(others)] if others else [])]
    if answer.command:
        blocks.insert(1, _code(answer.command))
    blocks.append(" ".join(_escaped(sentence) for sentence in answer.method))
    blocks += [f"![{_escaped(name)}]({name})" for name in pictures]
    found = [tables.cross_table(answer), tables.arms_table(answer), tables.differences_table(answer)]
    found += [tables.reach_table(answer), tables.others_table(answer)]
    if answer.plan is not None:
        heads = ["", "planned before the first run", "done"]
        found.append(Table("Planned and done", heads, [list(row) for row in plan_lines(answer, answer.plan)], set()))
    blocks += [_table(table) for table in found if table is not None]
    blocks.append("## What this does not say\n\n" + "\n".join(f"- {_escaped(sentence)}" for sentence in answer.scope))
    if known := branches(answer):
        blocks.append("## What began from what\n\n" + _code("\n".join(of_tree(branch, answer) for branch in known)))
    again = [f"python -m dlexp {' '.join(to_type(word) for word in arm.words)}" for arm in answer.arms]
    blocks.append("## How to do it again\n\n" + _code("\n".join(f"{line} seed=…" for line in again)))
    facts = {**answer.constant, **answer.machine}
    blocks.append("\n".join(f"- {_escaped(str(key))}: {_escaped(as_typed(value))}" for key, value in facts.items()))
    runs = tables.runs_table(answer)
    blocks.append(_table(Table(runs.title, runs.heads, runs.rows[:MOST_RUNS], runs.right)))
    if len(runs.rows) > MOST_RUNS:
        blocks.append(f"{len(runs.rows) - MOST_RUNS} more stand in runs.csv.")
    if answer.troubles:
        left_out = "\n".join(f"- {_escaped(f'{each.folder.as_posix()} {each.reason}')}" for each in answer.troubles)
        blocks.append(f"## Left out\n\n{left_out}")
    return "\n\n".join(block for block in blocks if block) + "\n"


def _table(table: Table) -> str:
    """Returns a table with its heading; a head of numbers is flush right."""
    line = "|".join("--:" if column in table.right else "---" for column in range(len(table.heads)))
    rows = [f"| {' | '.join(map(_escaped, row))} |" for row in [table.heads, *table.rows]]
    return "\n".join([f"## {_escaped(table.title)}", "", rows[0], f"|{line}|", *rows[1:]])


def _escaped(text: str) -> str:
    """Returns a text in which Markdown and HTML find nothing."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&!])", r"\\\1", " ".join(printable(text).split()))


def _code(text: str) -> str:
    """Returns a block of code, fenced by more backticks than stand in it."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}text\n{chr(10).join(map(printable, text.splitlines()))}\n{fence}"


def latex(answer: Answer) -> str:
    r"""Returns the table of arms, and that of differences, as plain LaTeX, to be read by \input."""
    found = [tables.arms_table(answer), tables.differences_table(answer)]
    text = "\n\n\\bigskip\n\n".join(_tabular(table) for table in found if table is not None) + "\n"
    if not text.isascii():
        text = f"% needs XeLaTeX or LuaLaTeX, and a font with all letters of the names\n{text}"
    return f"% {_commented(answer.title)}\n{text}"


def _tabular(table: Table) -> str:
    columns = "".join("r" if column in table.right else "l" for column in range(len(table.heads)))
    rows = [" & ".join(map(_in_latex, row)) + r" \\" for row in [table.heads, *table.rows]]
    return "\n".join(
        [rf"\begin{{tabular}}{{{columns}}}", r"\hline", rows[0], r"\hline", *rows[1:], r"\hline", r"\end{tabular}"]
    )


def _in_latex(text: str) -> str:
    return "".join(LATEX.get(letter, letter) for letter in " ".join(printable(text).split()))


def _commented(text: str) -> str:
    return " ".join(printable(text).split())


def arms_csv(answer: Answer) -> str:
    """Returns a row an arm, with all digits; shares are between 0 and 1."""
    against = {each.arm: each for each in answer.differences if answer.reference is not None or answer.pairs}
    others = sorted({name for arm in answer.arms for name in arm.others})
    heads = [
        "arm",
        *answer.varied,
        "n",
        "failed",
        "diverged",
        answer.metric,
        f"{answer.metric} low",
        f"{answer.metric} high",
        "std",
    ]
    other = ["compared with", "difference"] if answer.pairs else [f"difference from {answer.reference}"]
    heads += [*other, "difference low", "difference high", "p", "verdict"] if against else []
    rows = []
    for arm in answer.arms:
        row = [
            arm.name,
            *(arm.settings.get(key) for key in answer.varied),
            len(arm.values),
            arm.num_failed,
            arm.num_diverged,
        ]
        row += [arm.interval.mean, arm.interval.low, arm.interval.high, arm.std]
        if found := against.get(arm.name):
            row += [found.reference] if answer.pairs else []
            row += [found.value, found.low, found.high, found.p, found.verdict]
        row += [None] * (len(heads) - len(row))
        rows.append(
            [
                *row,
                *(arm.others[name].mean if name in arm.others else None for name in others),
                arm.parameters,
                arm.seconds,
            ]
        )
    return _csv([*heads, *others, "parameters", "seconds"], rows)


def runs_csv(answer: Answer) -> str:
    """Returns a row a run, with all its metrics."""
    runs = [(arm, run) for arm in answer.arms for run in arm.runs]
    metrics = sorted({name for _, run in runs for name in run.metrics})
    rows = []
    for arm, run in runs:
        row = [arm.name, run.seed, "diverged" if run.is_diverged else run.status, run.chosen_epoch]
        rows.append([*row, *(run.metrics.get(name) for name in metrics), run.seconds, run.folder.as_posix()])
    return _csv(["arm", "seed", "status", "chosen epoch", *metrics, "seconds", "folder"], rows)


def _csv(heads: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows([_cell(value) for value in row] for row in [heads, *rows])
    return file.getvalue()


def _cell(value: object) -> object:
    """Returns a cell that no spreadsheet takes for a formula: it may be a stranger's word."""
    if value is None or isinstance(value, int | float) and not isinstance(value, bool):
        return "" if value is None else repr(value)
    text = printable(as_typed(value))
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
