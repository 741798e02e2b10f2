"""What was planned beside what was done, what each arm was given to tune, and what an answer does not say."""

import re
from collections.abc import Iterator, Sequence

from dlexp.console.wording import in_unit
from dlexp.pictures.scales import plain
from dlexp.report.answer import Answer, Arm
from dlexp.report.figures import who
from dlexp.report.markup import Cell, Column, Markup, Row, joined, prose, table, tag
from dlexp.report.plan import Plan, Tuning
from dlexp.report.setting_pictures import chosen_trial, trial_value
from dlexp.report.shown import shown, shown_metric
from dlexp.report.words import counted, few, ranges, two_digits

RANGE = re.compile(r"(tag\(log,)?interval\((-?[\d.]+(?:e[-+]?\d+)?),(-?[\d.]+(?:e[-+]?\d+)?)\)\)?")
AS_PLANNED = "As planned"
SAMPLERS = {"qmc": "quasi-random (Sobol)", "random": "random", "tpe": "TPE", "grid": "a grid"}


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
        for name, plan, done in lines(answer, answer.plan)
    ]
    heads = [tag("th", head, scope="col") for head in ("", "planned before the first run", "done")]
    found = tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows), class_="plan stack")
    return joined([tag("h2", "Planned and done"), found])


def lines(answer: Answer, plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Yields what is planned, how, and what was done."""
    if plan.hypothesis:
        marked = f"Hypothesis “{plan.hypothesis}”: "
        told = next(
            (each.removeprefix(marked) for each in answer.sentences if each.startswith(marked)), "see the answer"
        )
        yield "hypothesis", plan.hypothesis, told[:1].upper() + told[1:]
    if plan.margin is not None or answer.margin is not None:
        same = plan.margin == answer.margin
        points = shown(answer).points
        done = AS_PLANNED if same else "None" if answer.margin is None else f"Another one: {answer.margin:g}{points}"
        yield "margin", "none" if plan.margin is None else f"{plan.margin:g}{points}: less does not matter here", done
    names = [arm.name for arm in answer.arms]
    missing = [name for name in plan.arms if name not in names]
    others = [name for name in names if name not in plan.arms]
    changes = [f"without {few(missing)}"] if missing else []
    changes += [f"further ones: {few(others)}"] if others else []
    against = plan.against if answer.pairs else answer.reference
    changes += [f"reference {against}"] if against != plan.against else []
    yield (
        "arms",
        f"{', '.join(plan.arms)}; {'compared are' if plan.pairs else 'reference'} {plan.against}",
        _departed(changes),
    )
    if plan.metric != answer.metric:
        yield "metric", plan.metric, f"Another one: {answer.metric}"
    yield (
        "final runs",
        f"{counted(len(plan.seeds), 'run')} an arm, seeds {ranges(plan.seeds)}",
        _final_runs(answer, plan),
    )
    if plan.tuning:
        yield "tuning", _tuning_plan(plan.tuning), _tuning_done(answer, plan.tuning)
    if answer.metric.startswith("test/"):
        sealed = "Sealed while tuning, read once a final run" if plan.tuning else "Read once a final run"
        looked = [
            run
            for runs in answer.trials.values()
            for run in runs
            if any(key.startswith("test/") for key in run.metrics)
        ]
        yield "test set", sealed, f"{counted(len(looked), 'trial')} read it" if looked else AS_PLANNED
    for departure in plan.departures:
        yield "otherwise", "", departure


def _departed(parts: Sequence[str]) -> str:
    text = "; ".join(parts)
    return text[:1].upper() + text[1:] if text else AS_PLANNED


def _final_runs(answer: Answer, plan: Plan) -> str:
    finished = sum(len(arm.values) for arm in answer.arms)
    lost = [
        (sum(arm.num_failed for arm in answer.arms), "failed"),
        (sum(arm.num_diverged for arm in answer.arms), "diverged"),
    ]
    told = ", ".join([f"{finished} finished", *(f"{count} {word}" for count, word in lost if count)])
    if answer.exploratory:
        return f"{told}. Exploratory: {answer.exploratory}"
    due = len(plan.arms) * len(plan.seeds)
    there = finished + sum(count for count, _ in lost)
    return f"{AS_PLANNED}: {told}" if there == due else f"{told}, of {due} planned"


def _tuning_plan(tuning: Tuning) -> str:
    spaces = {tuple(space.items()) for space in tuning.spaces.values()}
    where = ""
    if len(spaces) == 1:
        where = "; " + ", ".join(f"{key} from {_space(space)}" for key, space in next(iter(spaces)))
    return (
        f"{few(tuning.keys)}: {counted(tuning.trials, 'trial')} an arm, {SAMPLERS.get(tuning.sampler, tuning.sampler)},"
        f" seed {tuning.sampler_seed}, each one run of seed {tuning.seed}{where}"
    )


def _space(text: str) -> str:
    """Returns a range as people say it; what is none as it was typed."""
    found = RANGE.fullmatch(str(text).replace(" ", ""))
    if not found:
        return str(text)
    low, high = (plain(float(found[place])) for place in (2, 3))
    return f"{low} to {high}" + (", log scale" if found[1] else "")


def _tuning_done(answer: Answer, tuning: Tuning) -> str:
    counts = {len(runs) for runs in answer.trials.values()}
    trials = [run for runs in answer.trials.values() for run in runs]
    lost = sum(run.is_diverged or run.status == "failed" for run in trials)
    told = [
        f"{counted(len(trials), 'trial')}"
        + (f", {lost} of them failed or diverged and counted as tried" if lost else "")
    ]
    widened = [name for name, keys in tuning.widened.items() if keys]
    told += [f"the range of {few(widened)} was widened once, since the best value lay at its edge"] if widened else []
    edges = [name for name, keys in tuning.edges.items() if keys]
    told.append(
        f"the best value of {few(edges)} lies at the edge of what was tried"
        if edges
        else "no best value lies at an edge"
    )
    whole = counts == {tuning.trials} and not widened
    return f"{AS_PLANNED}: {'; '.join(told)}" if whole else _departed(told)


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
        "; ".join(f"{name} {_space(space)}" for name, space in ranges_.items()),
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
