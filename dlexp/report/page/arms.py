"""The arms of a page: their table, the commands that train them again, further metrics, and a table of two keys."""

from collections.abc import Sequence

from dlexp.console.wording import printable
from dlexp.errors import to_type
from dlexp.report import tables
from dlexp.report.answer import Answer, Arm, Difference
from dlexp.report.figures.picture import who
from dlexp.report.page.markup import Cell, Column, Markup, Row, joined, prose, table, tag
from dlexp.report.shown import Shown, facts_of, grouped, of_some, setting, shown, shown_metric
from dlexp.report.words import p_in_words

MOST_COMMANDS = 8  # in the open
LONGEST = 24  # name of a reference, or value of a setting, that stands in a column
MOST_SETTINGS = 3  # columns


def arms(answer: Answer) -> Markup:
    """Returns the table of the arms, what its columns are, and how each is trained again."""
    words, looks = shown(answer), who(answer)
    against = {each.arm: each for each in answer.differences if each.reference == answer.reference}
    columns, same = _columns(answer, words, bool(against)), _shared_parameters(answer)
    rows: list[Row] = []
    for arm in answer.arms:
        look = looks[arm.name]
        cells = _cells(answer, arm, against.get(arm.name), words, bool(against))
        rows.append(({"class": f"c{look.colour}", "data-arm": look.number}, [arm.name, *cells]))
    filled = [number for number in range(len(columns)) if any(cells[number] is not None for _, cells in rows)]
    columns, rows = (
        [columns[number] for number in filled],
        [(attributes, [cells[number] for number in filled]) for attributes, cells in rows],
    )
    heading = "The arm" if len(answer.arms) == 1 else "The arms, best first"
    heading += "" if all(arm.is_whole for arm in answer.arms) else ", those with failures last"
    told = ["n: runs that gave a number.", "Seconds: the median of a run as a whole, on the machine that it ran on."]
    told += [f"All have {grouped(same)} parameters."] if same is not None else []
    return joined(
        [
            tag("h2", heading),
            tag("div", table(columns, rows, "results stack sortable"), class_="scroll"),
            tag("p", prose(" ".join(told)), class_="cap"),
            None if answer.reference is not None else _pairs(answer, words),
            _commands(answer),
            _other_metrics(answer),
        ]
    )


def _shared_parameters(answer: Answer) -> int | None:
    counts = {arm.parameters for arm in answer.arms}
    return next(iter(counts)) if len(counts) == 1 else None


def _settings(answer: Answer) -> list[str]:
    """Returns the keys that get a column: those that the names of the arms may leave out, with values that fit."""
    words = {key: [setting(arm.settings.get(key)) for arm in answer.arms] for key in answer.varied}
    found = [
        key
        for key, own in words.items()
        if max(map(len, own)) <= LONGEST
        and any(word not in arm.name for word, arm in zip(own, answer.arms, strict=True))
    ]
    return found[:MOST_SETTINGS]


def _columns(answer: Answer, words: Shown, compared: bool) -> list[Column]:
    several = any(arm.interval.low is not None for arm in answer.arms)
    found = [Column("arm"), Column(words.axis, "mean ± 95 % interval" if several else "")]
    if compared:
        behind = "corrected interval" if answer.comparisons > 1 else "95 % interval"
        found += [
            Column(
                f"difference to {_short(answer.reference or '')}" + (f",{words.points}" if words.points else ""), behind
            ),
            Column("p", "corrected" if answer.comparisons > 1 else ""),
            Column("verdict", left=True),
        ]
    found.append(Column(f"gap{',' * bool(words.points)}{words.points}", "to the training samples"))
    found += [Column("n"), Column("failed")] + ([Column("diverged")] if _any_diverged(answer) else [])
    found += [Column("seconds", "a run", time=True)]
    found += [Column("parameters")] if _shared_parameters(answer) is None else []
    return found + [Column(key) for key in _settings(answer)]


def _any_diverged(answer: Answer) -> bool:
    return any(arm.num_diverged for arm in answer.arms)


def _cells(answer: Answer, arm: Arm, found: Difference | None, words: Shown, compared: bool) -> list[str | Cell | None]:
    mean = arm.interval.mean
    behind = "" if arm.is_whole or mean is None else tag("small", " of those finished")
    cells: list[str | Cell | None] = [Cell(joined([words.mean(arm.interval, behind=False), behind]), mean)]
    if compared:
        cells += _compared(arm, found, words, answer)
    gap = answer.gap(arm)
    cells.append(None if gap is None else Cell(words.signed(gap), gap))
    cells += [str(len(arm.values)), str(arm.num_failed)]
    cells += [str(arm.num_diverged)] if _any_diverged(answer) else []
    cells.append(None if arm.seconds is None else Cell(f"{arm.seconds:.1f}", arm.seconds))
    if _shared_parameters(answer) is None:
        cells.append(None if arm.parameters is None else Cell(grouped(arm.parameters), arm.parameters))
    for key in _settings(answer):
        value = arm.settings.get(key)
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        cells.append(Cell(setting(value), number))
    return cells


def _compared(arm: Arm, found: Difference | None, words: Shown, answer: Answer) -> list[str | Cell | None]:
    if found is None:
        word = "reference" if arm.name == answer.reference else None
        is_measured = any(each.low is not None for each in answer.differences)
        return [Cell(word, 0.0) if word and is_measured else None, None, None if is_measured else word]
    if found.value is None or found.low is None or found.high is None or found.p is None:
        value = None if found.value is None else Cell(words.signed(found.value), found.value)
        return [value, None, f"none: {found.why_not}" if found.why_not else None]
    ends = tag("small", f"({words.ends(found.low, found.high)})")
    p = p_in_words(found.p).removeprefix("p = ").removeprefix("p ")
    return [
        Cell(joined([f"{words.beside(found.low, found.high).signed(found.value)} ", ends]), found.value),
        Cell(p, found.p),
        verdict(answer, found),
    ]


def verdict(answer: Answer, found: Difference) -> str:
    """Returns a verdict in few words."""
    if found.verdict is None:
        return f"none: {found.why_not}" if found.why_not else "none"
    if found.verdict in ("better", "worse"):
        less = f", by less than {answer.margin:g}" if found.below_margin else ""
        return f"{found.verdict} than {_short(found.reference)}{less}"
    return "not decided" if found.verdict == "not_decided" else f"no difference larger than {answer.margin:g}"


def _short(reference: str) -> str:
    return reference if len(reference) <= LONGEST else "the reference"


def _pairs(answer: Answer, words: Shown) -> Markup | None:
    if not answer.differences:
        return None
    looks = who(answer)
    columns = [
        Column("difference"),
        Column("measured", words.points.strip()),
        Column("p", "corrected"),
        Column("verdict", left=True),
    ]
    rows: list[Row] = [
        ({"class": f"c{looks[each.arm].colour}"}, [f"{each.arm} − {each.reference}", *_pair(answer, each, words)])
        for each in answer.differences
    ]
    return joined([tag("h3", "Each with each"), table(columns, rows, "results stack sortable")])


def _pair(answer: Answer, each: Difference, words: Shown) -> Sequence[str | Cell | None]:
    measured, p, _ = _compared(answer.arms[0], each, words, answer)
    return [measured, p, verdict(answer, each)]


def _commands(answer: Answer) -> Markup | None:
    """Returns what trains each arm again; of many arms behind a line to open."""
    looks, parts = who(answer), []
    for arm in answer.arms:
        if not arm.words:
            continue
        seeds = list(dict.fromkeys(str(run.seed) for run in arm.runs))
        sweep = "-m " if len(seeds) > 1 else ""
        typed = printable(f"python -m dlexp {sweep}{' '.join(map(to_type, arm.words))} seed={','.join(seeds)}")
        name = f"train-{looks[arm.name].number}"
        parts += [
            tag("dt", arm.name, class_=f"c{looks[arm.name].colour}"),
            tag("dd", tag("code", typed, id=name)),
            tag("dd", class_="b", data_from=name),
        ]
    if not parts:
        return None
    found = tag("dl", *parts, class_="commands")
    return (
        found
        if len(answer.arms) <= MOST_COMMANDS
        else tag("details", tag("summary", "What trains each arm again"), found, class_="wide")
    )


def _other_metrics(answer: Answer) -> Markup | None:
    names = list(dict.fromkeys(name for arm in answer.arms for name in arm.others))
    if not names:
        return None
    looks = who(answer)
    written = [shown_metric(name, facts_of(answer, name)) for name in names]
    rows: list[Row] = []
    for arm in answer.arms:
        cells: list[str | Cell | None] = [arm.name]
        for name, words in zip(names, written, strict=True):
            found = arm.others.get(name)
            cells.append(
                None if found is None else Cell(words.mean(found, behind=False) + of_some(arm, name), found.mean)
            )
        rows.append(({"class": f"c{looks[arm.name].colour}", "data-arm": looks[arm.name].number}, cells))
    columns = [Column("arm"), *(Column(words.axis) for words in written)]
    inner = tag("div", table(columns, rows, "results stack sortable"), class_="scroll")
    return tag("details", tag("summary", f"Further metrics ({len(names)})"), inner, class_="wide")


def cross_table(answer: Answer) -> Markup | None:
    """Returns means by two keys, one down and one across; None where none were asked for."""
    found = tables.cross_table(answer)
    if found is None:
        return None
    columns = [Column(head, left=number not in found.right) for number, head in enumerate(found.heads)]
    inner = tag("div", table(columns, [({}, row) for row in found.rows], "results stack"), class_="scroll")
    return joined([tag("h2", found.title), inner])
