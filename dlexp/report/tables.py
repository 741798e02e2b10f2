"""The tables of a report, as words in rows and columns: terminal, Markdown and LaTeX show the same ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from dlexp.console.training_progress import format_seconds
from dlexp.console.wording import amount, fixed, printable, signed, unit, unit_of_difference
from dlexp.errors import UserError, as_typed, did_you_mean, listed
from dlexp.report.answer import Answer, Arm, Difference, Interval
from dlexp.report.shown import facts_of, of_some, setting, shown_metric, subject
from dlexp.report.words import p_in_words, upper

NOTHING = "–"


@dataclass(frozen=True)
class Table:
    """Heads, rows of words, and which columns are numbers, so flush right."""

    title: str
    heads: list[str]
    rows: list[list[str]]
    right: set[int]


def arms_table(answer: Answer) -> Table:
    """Returns what each arm reached: mean ± half its interval, n, what failed, parameters, time."""
    arms = answer.arms
    columns = [
        ("arm", [printable(arm.name) for arm in arms]),
        (f"{subject(answer)}{_in(unit(answer.facts))}", [_mean(answer, arm.interval) for arm in arms]),
        ("n", [str(len(arm.values)) for arm in arms]),
    ]
    if any(arm.num_failed for arm in arms):
        columns.append(("failed", [str(arm.num_failed) for arm in arms]))
    if any(arm.num_diverged for arm in arms):
        columns.append(("diverged", [str(arm.num_diverged) for arm in arms]))
    if any(arm.parameters is not None for arm in arms):
        columns.append(("parameters", [NOTHING if arm.parameters is None else f"{arm.parameters:,}" for arm in arms]))
    gaps = [answer.gap(arm) for arm in arms]
    if any(gap is not None for gap in gaps):
        told = [NOTHING if gap is None else signed(gap, answer.facts, answer.decimals) for gap in gaps]
        columns.append((f"gap{_in(unit_of_difference(answer.facts))}", told))
    columns.append(("time", [NOTHING if arm.seconds is None else format_seconds(arm.seconds) for arm in arms]))
    return _table("Arms", columns)


def differences_table(answer: Answer, reasons: bool = True) -> Table | None:
    """Returns each comparison with its corrected interval, p and verdict, and why there is none; None where nothing is
    compared.
    """
    found = answer.differences
    if not found:
        return None

    def told(each: Difference, value: float | None) -> str:
        return NOTHING if value is None else signed(value, answer.facts, answer.decimals_of(each.low, each.high))

    arms = [("arm", [printable(each.arm) for each in found]), ("less", [printable(each.reference) for each in found])]
    difference = unit_of_difference(answer.facts).strip() or "difference"  # beside two names there is little room
    if answer.reference is not None:
        arms = [(f"against {printable(answer.reference)}", arms[0][1])]
        difference = f"difference{_in(unit_of_difference(answer.facts))}"
    words = {*range(len(arms)), len(arms) + 3}
    return _table(
        "Differences",
        [
            *arms,
            (difference, [told(each, each.value) for each in found]),
            (
                "interval",
                [
                    NOTHING if each.low is None else f"{told(each, each.low)} to {told(each, each.high)}"
                    for each in found
                ],
            ),
            (
                "p",
                [
                    NOTHING if each.p is None else p_in_words(each.p).removeprefix("p ").removeprefix("= ")
                    for each in found
                ],
            ),
            ("verdict", [verdict(answer, each, reasons) for each in found]),
        ],
        words=words,
    )


def verdict(answer: Answer, found: Difference, reasons: bool = True) -> str:
    """Returns a verdict in two or three words, or why there is none."""
    if found.verdict is None:
        return f"none: {printable(found.why_not or '')}" if reasons else "none"
    margin = amount(f"{answer.margin:g}", answer.facts) if answer.margin is not None else ""
    if found.verdict == "no_difference":
        return f"not larger than {margin}"
    return found.verdict.replace("_", " ") + (f", by less than {margin}" if found.below_margin else "")


def reach_table(answer: Answer) -> Table | None:
    """Returns when the runs of each arm first reached a value in validation; medians of those that did.

    An arm whose runs validate nothing has no count.
    """
    if answer.reach is None:
        return None
    reached = [[each for each in arm.reached if each is not None] for arm in answer.arms]

    def middle(key: str) -> list[str]:
        return [f"{median(each[key] for each in own):g}" if own else NOTHING for own in reached]

    seconds = [format_seconds(median(each["seconds"] for each in own)) if own else NOTHING for own in reached]
    return _table(
        f"When validation first reached {answer.reach:g}{unit(answer.facts)}, medians of the runs that did",
        [
            ("arm", [printable(arm.name) for arm in answer.arms]),
            ("did", [_share(len(own), len(arm.reached)) for own, arm in zip(reached, answer.arms, strict=True)]),
            ("epochs", middle("epochs")),
            ("steps", middle("steps")),
            ("time", seconds),
        ],
    )


def _share(number: int, whole: int) -> str:
    return f"{number} of {whole}" if whole else "not validated"


def cross_table(answer: Answer) -> Table | None:
    """Returns means by `rows` and `columns`, the keys of two settings; None where neither was asked for.

    Raises:
        UserError: a key does not vary, or several arms fall on one place of the table.
    """
    if answer.rows is None and answer.columns is None:
        return None
    for flag, key in (("--rows", answer.rows), ("--columns", answer.columns)):
        if key is not None and key not in answer.varied:
            runs = [run.settings for arm in answer.arms for run in arm.runs]
            why = f"no run has a setting {key!r}"
            if any(key in settings for settings in runs):
                differs = len({as_typed(settings.get(key)) for settings in runs}) > 1
                why = "it makes no arm, though it varies between runs" if differs else "all these runs have the same"
            varied = f"Arms differ in {listed(answer.varied)}" if answer.varied else "The runs differ in no setting"
            raise UserError(f"{flag} {key}: {why}.{did_you_mean(key, answer.varied)} {varied}")
    if answer.rows == answer.columns:
        raise UserError(f"--rows and --columns are both {answer.rows}; name another key for one of them")
    others = [key for key in answer.varied if key not in (answer.rows, answer.columns)]
    rows, columns = (_values(answer, key) for key in (answer.rows, answer.columns))
    cells: dict[tuple[str, str], Arm] = {}
    for arm in answer.arms:
        place = _value(arm, answer.rows), _value(arm, answer.columns)
        if place in cells:
            vary = f"{listed(others)} {'varies' if len(others) == 1 else 'vary'}"
            raise UserError(
                f"several arms fall on one place of the table, since {vary} too:"
                f" --where {others[0]}=VALUE chooses, or take it as --rows or --columns"
            )
        cells[place] = arm
    found = [
        (
            head or upper(subject(answer)),
            [_of_arm(answer, cells[row, head]) if (row, head) in cells else "" for row in rows],
        )
        for head in columns
    ]
    by = " and ".join(filter(None, (answer.rows, answer.columns)))
    head = f"{answer.rows or ''} \\ {answer.columns}" if answer.columns else answer.rows or ""
    return _table(f"{upper(subject(answer))}{_in(unit(answer.facts))} by {by}", [(head, rows), *found])


def others_table(answer: Answer) -> Table | None:
    """Returns the means of the other metrics, a column each; None where there are none."""
    names = sorted({name for arm in answer.arms for name in arm.others})

    def cell(arm: Arm, name: str) -> str:
        found = arm.others.get(name, Interval(None, None, None))
        words = shown_metric(name, facts_of(answer, name))
        return NOTHING if found.mean is None else fixed(found.mean, words.metric, words.decimals) + of_some(arm, name)

    columns = [
        (f"{name}{_in(unit(facts_of(answer, name)))}", [cell(arm, name) for arm in answer.arms]) for name in names
    ]
    arms = [printable(arm.name) for arm in answer.arms]
    return _table("Other metrics, means", [("arm", arms), *columns]) if names else None


def runs_table(answer: Answer) -> Table:
    """Returns every run with its value."""
    rows = []
    for arm in answer.arms:
        values = {id(run): value for run, value in zip(arm.finished, arm.values, strict=True)}
        for run in arm.runs:
            value = values.get(id(run))
            told = value_of(answer, value)
            status = "diverged" if run.is_diverged else run.status
            epoch = NOTHING if run.chosen_epoch is None else str(run.chosen_epoch)
            folder = printable(run.folder.as_posix())
            rows.append([printable(arm.name), str(run.seed), told, epoch, status, folder])
    heads = ["arm", "seed", f"{subject(answer)}{_in(unit(answer.facts))}", "epoch", "status", "folder"]
    return Table("Every run", heads, rows, {1, 2, 3})


def value_of(answer: Answer, value: float | None) -> str:
    """Returns a single run's value without its unit."""
    return NOTHING if value is None else fixed(value, answer.facts, max(answer.decimals, 2))


def _table(title: str, columns: Sequence[tuple[str, Sequence[str]]], words: Sequence[int] | set[int] = (0,)) -> Table:
    rows = [list(row) for row in zip(*(cells for _, cells in columns), strict=True)]
    return Table(title, [head for head, _ in columns], rows, set(range(len(columns))) - set(words))


def _mean(answer: Answer, interval: Interval) -> str:
    if interval.mean is None:
        return NOTHING
    decimals = answer.decimals_of(interval.low, interval.high)
    mean = fixed(interval.mean, answer.facts, decimals)
    if interval.low is None or interval.high is None:
        return mean
    return f"{mean} ± {fixed((interval.high - interval.low) / 2, answer.facts, decimals)}"


def _of_arm(answer: Answer, arm: Arm) -> str:
    return _mean(answer, arm.interval) + of_some(arm, answer.metric)


def _in(unit: str) -> str:
    return f",{unit}" if unit else ""


def _value(arm: Arm, key: str | None) -> str:
    return "" if key is None else printable(setting(arm.settings.get(key)))


def _values(answer: Answer, key: str | None) -> list[str]:
    """Returns the values of a key in order: numbers by size, others as they come."""
    found = {_value(arm, key): arm.settings.get(key or "") for arm in answer.arms}
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in found.values()):
        return sorted(found, key=lambda text: float(found[text] or 0))
    return list(found)
