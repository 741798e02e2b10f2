"""What was planned beside what was done, what each arm was given to tune, and what an answer does not say."""

from collections.abc import Sequence

from dlexp.console.wording import in_unit
from dlexp.report.answer import Answer, Arm
from dlexp.report.figures.picture import who
from dlexp.report.page.markup import Cell, Column, Markup, Row, joined, prose, table, tag
from dlexp.report.plan_lines import plan_lines, range_in_words
from dlexp.report.reading.plan import Tuning
from dlexp.report.shown import shown, shown_metric
from dlexp.report.trials import chosen_trial, trial_value
from dlexp.report.words import few, two_digits


def planned(answer: Answer) -> Markup | None:
    """Returns the plan line by line with what came of it; None where none was stored."""
    if answer.plan is None:
        return None
    rows = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            tag("td", tag("div", prose(plan)), data_l="planned"),
            tag("td", tag("div", prose(done)), data_l="done"),
        )
        for name, plan, done in plan_lines(answer, answer.plan)
    ]
    heads = [tag("th", head, scope="col") for head in ("", "planned before the first run", "done")]
    found = tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows), class_="plan stack")
    return joined([tag("h2", "Planned and done"), found])


def tuning(answer: Answer, figures: Sequence[Markup]) -> Markup | None:
    """Returns the budget of each arm's tuning, with its pictures; None where nothing was tuned."""
    tuned = answer.plan.tuning if answer.plan else None
    if tuned is None:
        return None
    looks, key = who(answer), _judged_by(answer)
    words = shown_metric(key, answer.facts) if key else shown(answer)
    columns = [
        Column("arm"),
        Column("range", left=True),
        Column("chosen", left=True),
        Column(words.axis, "of the trial chosen"),
    ]
    columns += [
        Column("at an edge"),
        Column("trials"),
        Column("lost", "failed or diverged"),
        Column("seconds", "in all", time=True),
    ]
    rows: list[Row] = []
    for arm in [arm for arm in answer.arms if arm.name in tuned.spaces or arm.name in answer.trials]:
        look = looks[arm.name]
        rows.append(
            ({"class": f"c{look.colour}", "data-arm": look.number}, [arm.name, *_budget(answer, arm, tuned, key)])
        )
    found = tag("div", table(columns, rows, "results stack"), class_="scroll")
    beside = len(figures) > 1 and len(tuned.keys) == 1
    pictures = tag("div", *figures, class_="panels tune") if beside else joined(figures)
    return joined([tag("h2", "What each arm was given to tune"), pictures, found])


def _judged_by(answer: Answer) -> str | None:
    return next((run.metric for runs in answer.trials.values() for run in runs if run.metric), None)


def _budget(answer: Answer, arm: Arm, tuned: Tuning, key: str | None) -> list[str | Cell | None]:
    runs = answer.trials.get(arm.name, [])
    ranges_ = {**tuned.spaces.get(arm.name, {}), **tuned.widened.get(arm.name, {})}
    best = chosen_trial(answer, arm, key) if key else None
    value = trial_value(best, key) if best and key else None
    words = shown_metric(key, answer.facts) if key else shown(answer)
    edges = tuned.edges.get(arm.name, [])
    seconds = sum(run.seconds or 0.0 for run in runs)
    return [
        "; ".join(f"{name} {range_in_words(space)}" for name, space in ranges_.items()),
        " ".join(tuned.chosen.get(arm.name, [])),
        None if value is None else Cell(words.value(value), value),
        few(edges) if edges else "no",
        str(len(runs)),
        str(sum(run.is_diverged or run.status == "failed" for run in runs)),
        Cell(f"{seconds:.0f}", seconds),
    ]


def not_said(answer: Answer) -> Markup | None:
    """Returns the scope, and what differences so many seeds show."""
    seen = [each for each in answer.differences if each.visible is not None and each.value is not None]
    if not answer.scope and not seen:
        return None
    lines = [tag("li", prose(each)) for each in answer.scope]
    return joined(
        [tag("h2", "What this does not say"), tag("ul", *lines) if lines else None, _power(answer) if seen else None]
    )


def _power(answer: Answer) -> Markup:
    words, looks = shown(answer), who(answer)
    values = {arm.name: len(arm.values) for arm in answer.arms}
    counted_pairs = any(each.ahead is not None for each in answer.differences)
    columns = [Column("difference"), Column("measured", words.points.strip())]
    columns += [Column("ahead in", "seeds")] if counted_pairs else []
    columns += [Column("smallest visible", words.points.strip()), Column("seeds an arm needed", "for the one measured")]
    rows: list[Row] = []
    for each in answer.differences:
        if each.value is None or each.visible is None:
            continue
        cells: list[str | Cell | None] = [
            f"{each.arm} − {each.reference}",
            Cell(words.beside(each.low, each.high).signed(each.value), each.value),
        ]
        if counted_pairs:
            cells.append(None if each.ahead is None else f"{each.ahead} of {values[each.arm]}")
        cells.append(Cell(two_digits(in_unit(each.visible, answer.facts)), each.visible))
        cells.append(Cell(two_digits(each.needed), each.needed) if each.needed else "more than 10 000")
        rows.append(({"class": f"c{looks[each.arm].colour}"}, cells))
    level = "the corrected level" if answer.comparisons > 1 else "this level"
    told = f"Visible: found in 80 of 100 repetitions of the experiment, at {level} and with the scatter measured here."
    return joined([table(columns, rows, "results stack small"), tag("p", told, class_="cap")])
