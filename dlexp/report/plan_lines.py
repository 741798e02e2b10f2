"""The plan of a comparison line by line, each beside what was done."""

import re
from collections.abc import Iterator, Sequence

from dlexp.pictures.scales import plain
from dlexp.report.answer import Answer
from dlexp.report.reading.plan import Plan, Tuning
from dlexp.report.shown import shown
from dlexp.report.words import counted, few, ranges

RANGE = re.compile(r"(tag\(log,)?interval\((-?[\d.]+(?:e[-+]?\d+)?),(-?[\d.]+(?:e[-+]?\d+)?)\)\)?")
AS_PLANNED = "As planned"
NOT_SEALED = "Not sealed: each seed has a test set of its own, and trials trained or chose on samples of these"
SAMPLERS = {"qmc": "quasi-random (Sobol)", "random": "random", "tpe": "TPE", "grid": "a grid"}


def plan_lines(answer: Answer, plan: Plan) -> Iterator[tuple[str, str, str]]:
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
        f"{counted(len(plan.planned_seeds) * max(1, len(plan.folds)), 'run')} an arm, {_seeds(plan.planned_seeds)}"
        + f", {counted(len(plan.folds), 'fold')}" * bool(plan.folds),
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
        done = f"{counted(len(looked), 'trial')} read it" if looked else AS_PLANNED
        yield "test set", sealed, NOT_SEALED if answer.was_seen else done
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
    added = sorted(set(plan.seeds) - set(plan.planned_seeds))
    dropped = sorted(set(plan.planned_seeds) - set(plan.seeds))
    told += "".join(f"; {_seeds(its)} {what}" for its, what in ((added, "added"), (dropped, "left out")) if its)
    if answer.exploratory:
        return f"{told}. Exploratory: {answer.exploratory}"
    due = len(plan.arms) * len(plan.seeds) * max(1, len(plan.folds))
    there = finished + sum(count for count, _ in lost)
    if there != due:
        return f"{told}, of {due} planned"
    return told if added or dropped else f"{AS_PLANNED}: {told}"


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' * (len(seeds) != 1)} {ranges(seeds)}"


def _tuning_plan(tuning: Tuning) -> str:
    spaces = {tuple(space.items()) for space in tuning.spaces.values()}
    where = ""
    if len(spaces) == 1:
        where = "; " + ", ".join(f"{key} from {range_in_words(space)}" for key, space in next(iter(spaces)))
    return (
        f"{few(tuning.keys)}: {counted(tuning.planned_trials, 'trial')} an arm,"
        f" {SAMPLERS.get(tuning.sampler, tuning.sampler)}, seed {tuning.sampler_seed},"
        f" each one run of seed {tuning.seed}{where}"
    )


def range_in_words(text: str) -> str:
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
    more = tuning.trials - tuning.planned_trials
    told = [
        f"{counted(len(trials), 'trial')}"
        + (f", {lost} of them failed or diverged and counted as tried" if lost else "")
    ]
    told += [f"{counted(abs(more), 'trial')} an arm {'added' if more > 0 else 'left out'}"] if more else []
    widened = [name for name, keys in tuning.widened.items() if keys]
    told += [f"the range of {few(widened)} was widened once, since the best value lay at its edge"] if widened else []
    edges = [name for name, keys in tuning.edges.items() if keys]
    told.append(
        f"the best value of {few(edges)} lies at the edge of what was tried"
        if edges
        else "no best value lies at an edge"
    )
    if chosen := [f"{name} {' '.join(words)}" for name, words in tuning.chosen.items()]:
        told.append(f"chosen: {', '.join(chosen)}")
    whole = counts == {tuning.planned_trials} and not widened
    return f"{AS_PLANNED}: {'; '.join(told)}" if whole else _departed(told)
