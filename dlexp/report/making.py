"""From folders to an answer: runs are read, made into arms, compared, and put into words."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

from dlexp.console.wording import decimals, in_unit
from dlexp.errors import UserError, listed
from dlexp.metric import Metric
from dlexp.report import circumstances, planned, sentences, shared, statistics, verdicts
from dlexp.report.answer import Answer, Arm, Choice
from dlexp.report.naming import command_of, names_of, words_of
from dlexp.report.reaching import with_reached
from dlexp.report.reading import arms as arms_of
from dlexp.report.reading import compared_metric
from dlexp.report.reading.gathering import Gathered, gathered
from dlexp.report.reading.plan import Plan
from dlexp.report.reading.runs import Run


def make_answer(
    folders: Sequence[Path],
    *,
    metric: str | None = None,
    against: str | None = None,
    margin: float | None = None,
    where: Sequence[str] = (),
    rows: str | None = None,
    columns: str | None = None,
    reach: float | None = None,
    all_pairs: bool = False,
) -> Answer:
    """Returns what the runs in some folders say together.

    metric: `accuracy`, `val/loss`; None: that of the plan, else the one that chose the epochs, of the test set where
    all finished runs have it. against: the arm the others are held against; None: that of the plan, else the first.
    margin, reach: in the unit shown: points and per cent for a share. where: see `conditions.matching`.

    Raises:
        UserError: a folder, an arm, a metric or a key is not there, nothing is left, or a number is out of range.
    """
    plan = (found := _measurable(gathered(folders, where))).plan
    key = compared_metric.chosen(found.runs, metric or (plan.metric if plan else None))
    facts = compared_metric.facts_of(found.runs, key)
    runs, lacking = compared_metric.having(found.runs, key)
    _check(facts, margin := _margin(margin, plan, key), reach, against, all_pairs)
    keys, arms = _arms(runs, key, found)
    arms = with_reached(arms, key, reach, facts)
    pairs = plan.pairs if plan and against is None and not all_pairs else {}
    reference, chosen = (None, "chosen") if all_pairs or pairs else _reference(arms, against, plan)
    title, arms = _title(folders, keys, [arm.name for arm in arms], plan), ranked(arms, facts)
    family = _family(arms, runs, reference, pairs, facts, margin, plan, key)
    differences = verdicts.differences(arms, family)
    around = shared.surroundings(runs)
    (num_samples, error), is_drawn = shared.error_of_the_samples(arms, key), shared.draws_its_samples(runs, key)
    return in_words(
        Answer(
            title=title,
            command=command_of(plan) if plan else None,
            metric=key,
            facts=facts,
            varied=keys,
            constant=shared.constants(runs, [*keys, *planned.varied(plan)] if plan else keys),
            arms=arms,
            reference=reference,
            differences=differences,
            comparisons=family.comparisons,
            margin=margin,
            decimals=_decimals(arms, facts),
            paired_by=verdicts.paired_by(differences),
            folds=family.folds,
            test_error=None if is_drawn else error,  # else the intervals tell of it too
            is_drawn=is_drawn,
            num_test=num_samples,
            exploratory=_exploratory(plan, arms, key, plan.against if pairs else reference, margin) if plan else None,
            plan=plan,
            trials=found.trials,
            troubles=sorted([*found.troubles, *lacking], key=lambda each: each.folder),
            machine=shared.machine(around),
            mixtures=shared.mixtures(runs, keys, around),
            num_unfinished=found.num_unfinished,
            rows=rows,
            columns=columns,
            reach=reach,
            pairs=pairs,
            was_seen=shared.was_seen_in_tuning(arms, found.trials, key),
            elsewhere=found.elsewhere,
            reference_is=chosen,
        )
    )


def _measurable(found: Gathered) -> Gathered:
    """Returns what was found with a plan that compares what its runs could measure."""
    if found.plan is None:
        return found
    there = {key for run in found.runs if run.is_finished for key in run.metrics}
    return replace(found, plan=replace(found.plan, metric=compared_metric.measurable(found.plan.metric, there)))


def in_words(answer: Answer) -> Answer:
    """Returns an answer with its sentences."""
    return replace(
        answer,
        sentences=sentences.sentences(answer),
        method=circumstances.method(answer),
        scope=circumstances.scope(answer),
    )


def ranked(arms: Sequence[Arm], facts: Metric) -> list[Arm]:
    """Returns arms, best first; those with failed or diverged runs behind, those without a number last."""
    sign = -1 if facts.higher_is_better else 1

    def rank(arm: Arm) -> tuple[bool, bool, float]:
        mean = arm.interval.mean
        return mean is None, not arm.is_whole, 0.0 if mean is None else sign * mean

    return sorted(arms, key=rank)


def make_arm(name: str, settings: dict[str, Any], words: list[str], runs: list[Run], metric: str) -> Arm:
    """Returns an arm with what its runs say of a metric; `runs` have ended."""
    finished = [run for run in runs if run.is_finished and not run.is_diverged and run.metrics.get(metric) is not None]
    values = [value for run in finished if (value := run.metrics[metric]) is not None]
    num_diverged = sum(run.is_diverged for run in runs)
    seconds = [run.seconds for run in finished if run.seconds is not None]
    sizes = {run.parameters for run in runs}
    others = dict.fromkeys(other for run in finished for other in run.metrics if other != metric)
    # Without the runs that failed or diverged the interval of a mean is that of another arm, and holds less often.
    has_none = len(finished) < len(runs) or arms_of.is_folded(finished)
    return Arm(
        name=name,
        settings=settings,
        words=words,
        runs=runs,
        finished=finished,
        values=values,
        num_failed=len(runs) - len(finished) - num_diverged,
        num_diverged=num_diverged,
        interval=verdicts.interval_of(values, has_none),
        std=statistics.sample(values).variance ** 0.5 if len(values) > 1 else None,
        seconds=median(seconds) if seconds else None,
        parameters=next(iter(sizes)) if len(sizes) == 1 else None,
        others={
            other: verdicts.interval_of(
                [value for run in finished if (value := run.metrics.get(other)) is not None], has_none
            )
            for other in sorted(others)
        },
    )


def _arms(runs: Sequence[Run], metric: str, found: Gathered) -> tuple[list[str], list[Arm]]:
    """Returns the keys that vary and the arms: those of the plan, else found by themselves."""
    keys, groups = arms_of.split(runs)
    plan = found.plan
    if plan is None:
        named = zip(names_of(keys, groups), groups, strict=True)
        return keys, [make_arm(name, settings, words_of(own), own, metric) for name, (settings, own) in named]
    arms, left = [], {id(run) for run in runs}
    for name, words in plan.arms.items():
        own = [run for run in found.planned[name] if id(run) in left]
        chosen = plan.tuning.chosen.get(name, []) if plan.tuning else []
        settings = {key: own[0].settings.get(key) for key in keys} if own else {}
        arms.append(make_arm(name, settings, [*words, *chosen, *plan.shared], own, metric))
    return keys, arms


def _check(facts: Metric, margin: float | None, reach: float | None, against: str | None, all_pairs: bool) -> None:
    problems = []
    if margin is not None and not 0 < margin < float("inf"):
        problems.append(f"margin={margin:g} must be above 0: what is smaller than the margin does not matter to you")
    if reach is not None and facts.unit == "%" and not 1 < reach <= 100:
        hint = f"; {100 * reach:g} means {100 * reach:g} %" if 0 < reach <= 1 else ""
        problems.append(f"reach={reach:g} is in per cent, so it must lie above 1 and up to 100{hint}")
    if against is not None and all_pairs:
        problems.append("all pairs are compared, or each arm against one: not both")
    if problems:
        raise UserError(*problems)


def _margin(margin: float | None, plan: Plan | None, key: str) -> float | None:
    """Returns the margin typed, else that of the plan for its own metric: another one has another unit."""
    return plan.margin if margin is None and plan is not None and plan.metric == key else margin


def _reference(arms: Sequence[Arm], against: str | None, plan: Plan | None) -> tuple[str | None, Choice]:
    """Returns what the others are held against, and why: another one stands there for a first one that failed."""
    if against is not None:
        return verdicts.named(arms, against), "chosen"
    if plan is not None or len(arms) == 1:
        return plan.reference if plan else None, "chosen"
    whole = [arm.name for arm in arms if arm.is_whole and arm.values] or [arms[0].name]
    return whole[0], "first" if whole[0] == arms[0].name else "moved"


def _family(
    arms: Sequence[Arm],
    runs: Sequence[Run],
    reference: str | None,
    pairs: Mapping[str, str],
    facts: Metric,
    margin: float | None,
    plan: Plan | None,
    metric: str,
) -> verdicts.Family:
    hypothesis = plan.hypothesis if plan else None
    return verdicts.family(
        arms,
        reference,
        pairs=pairs,
        metric=metric,
        higher_is_better=facts.higher_is_better,
        margin=None if margin is None else margin / in_unit(1.0, facts),
        folds=arms_of.is_folded(runs),
        hypothesis=planned.read_hypothesis(hypothesis, [arm.name for arm in arms]) if hypothesis else None,
    )


def _exploratory(plan: Plan, arms: Sequence[Arm], metric: str, against: str | None, margin: float | None) -> str | None:
    seeds = {arm.name: {run.seed for run in arm.runs} for arm in arms}
    told = [planned.departure(plan, seeds), planned.otherwise(plan, metric, against, margin)]
    return "; ".join(filter(None, told)) or None


def _decimals(arms: Sequence[Arm], facts: Metric) -> int:
    """Returns how many decimals show two digits of the arms' intervals, of which one may be much wider than another."""
    ends = [(arm.interval.low, arm.interval.high) for arm in arms]
    halves = [
        in_unit((high - low) / 2, facts) for low, high in ends if low is not None and high is not None and high > low
    ]
    if halves:
        return decimals(geometric_mean(halves))
    values = [abs(value) for arm in arms for value in arm.values if value]
    return 2 if facts.unit == "%" or not values else decimals(max(values), 4)


def _title(folders: Sequence[Path], keys: Sequence[str], names: Sequence[str], plan: Plan | None) -> str:
    if plan is not None:
        return plan.question or f"{' or '.join(plan.arms)}?"
    if len(keys) == 1:
        return f"{keys[0]}: {listed(names)}"
    return f"Runs that differ in {listed(keys)}" if keys else f"Runs of {listed(folders)}"
