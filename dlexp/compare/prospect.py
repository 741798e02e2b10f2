"""Before the first run: how many trainings, how long they take, and what can be seen with that many seeds."""

import logging
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from dlexp.compare import hypothesis, tuning
from dlexp.compare.duration import estimate_between, seconds_of
from dlexp.compare.outcome import refuse_mixed, untested
from dlexp.compare.there import Kind, There
from dlexp.config.cell import essentials
from dlexp.config.composed import Composed
from dlexp.console.wording import amount, in_unit
from dlexp.errors import listed
from dlexp.metric import Metric
from dlexp.records.naming import OUTPUTS
from dlexp.report.planned import read_hypothesis
from dlexp.report.reading.plan import Plan
from dlexp.report.statistics import SMALL, Sample, sample, visible, visible_in_deviations, visible_in_pairs
from dlexp.report.verdicts import DATA_SEED, SPLIT
from dlexp.report.words import in_range
from dlexp.sweep.earlier import finished_runs
from dlexp.sweep.forecast import forecasts
from dlexp.sweep.launchers.launcher import is_here

log = logging.getLogger(__name__)

Values = Mapping[str, Mapping[int, float]]  # by arm and seed


def counts(plan: Plan, num_folds: int) -> tuple[int, int]:
    """Returns how many trials, and how many final runs, a plan has in all."""
    trials = sum(map(len, plan.trials.values()))
    if plan.tuning is not None:
        each = plan.tuning.trials + plan.tuning.further
        trials = max(trials, len(plan.arms) * each)
    return trials, len(plan.arms) * len(plan.seeds) * max(1, num_folds)


def in_words(plan: Plan, num_folds: int, *, is_sealed: bool) -> Iterator[str]:
    """Yields what a plan has trained, and what it does with it. is_sealed: there is a test set that trials leave."""
    trials, finals = counts(plan, num_folds)
    arms = f"{len(plan.arms)} arms ({'; '.join(plan.arms)})"
    if plan.tuning is not None:
        keys = ", ".join(plan.tuning.keys)
        yield (
            f"{arms} × {_count(plan.tuning.trials, 'trial')} of {keys} on validation"
            f"{', the test set sealed' * is_sealed}, then × {_count(len(plan.seeds), 'seed')}: {trials + finals}"
            " trainings"
        )
        for arm, ranges in plan.tuning.spaces.items():
            yield f"  {arm}: {' '.join(f'{key}={text}' for key, text in ranges.items())}"
        if more := _further(plan):
            yield f"up to {_count(more, 'more trial')} an arm where a best value lies at an edge of what was tried"
    elif num_folds:
        yield f"{arms} × {num_folds} folds: {finals} trainings"
    else:
        yield f"{arms} × {_count(len(plan.seeds), 'seed')}: {finals} trainings"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"


def _further(plan: Plan) -> int:
    """Returns how many more trials each arm may get, where a range of numbers can grow."""
    if plan.tuning is None or plan.tuning.further or plan.tuning.is_over:
        return 0
    can_grow = any("interval(" in text for ranges in plan.tuning.spaces.values() for text in ranges.values())
    return tuning.further(plan.tuning.trials) if can_grow else 0


def time_in_words(
    plan: Plan,
    there: There,
    seconds: Mapping[Kind, float | None],
    known_by: Collection[str],
    why: Mapping[Kind, str],
    *,
    at_once: int,
) -> str:
    """Returns how long what is left takes, as a range where more trials may follow. seconds, known_by, why: what
    `seconds_of` found.
    """
    if unknown := dict.fromkeys(arm for (arm, _), each in seconds.items() if each is None):
        reason = next(why[kind] for kind, each in seconds.items() if each is None)
        return f"how long it takes is not known: no run of {listed(list(unknown))} has finished here yet, and {reason}"
    least, further = 0.0, _further(plan)
    for kind, left in (("trials", there.trials), ("finals", there.finals)):
        least += _together([seconds[arm, kind] or 0.0 for arm, its in left.items() for _ in its], at_once)
    tried = [seconds.get((arm, "trials")) or seconds[arm, "finals"] or 0.0 for arm in plan.arms] if further else []
    told = estimate_between(least, least + _together(tried * further, at_once))
    besides = {
        "steps": " of steps, as a few just took, besides start and evaluation of each",
        "short": ", measured on short trainings just now",
    }
    told += next((words for way, words in besides.items() if way in known_by), ", as finished ones took")
    told += f"; {at_once} run at a time" * (at_once > 1)
    if why:
        arms = listed(list(dict.fromkeys(arm for arm, _ in why)))
        told += f"; at the pace of others, without a timing of its own: {arms} ({next(iter(why.values()))})"
    return told


def _together(seconds: Sequence[float], at_once: int) -> float:
    """Returns how long trainings take of which so many run at once."""
    return math.fsum(seconds) / len(seconds) * -(-len(seconds) // at_once) if seconds else 0.0


def visible_in_words(plan: Plan, runs: Mapping[str, Composed], facts: Metric, num_folds: int, there: There) -> str:
    """Returns the smallest differences that so many seeds show: of the comparisons that are judged, by the scatter of
    the final runs that have finished, else of earlier runs with the arms' settings, else in standard deviations.
    """
    n, pairs = len(plan.seeds), judged(plan)
    if num_folds:
        return "folds are no seeds: means and points come out, and no verdict"
    if n == 1:
        return "warning: one seed an arm tells nothing of chance: no interval and no verdict; seeds=5 gives both"
    told = f"{n} seeds an arm show differences"
    is_paired = _are_paired(runs)
    own = {
        arm: {seed: metrics[plan.metric] for seed, metrics in its.items() if metrics.get(plan.metric) is not None}
        for arm, its in there.values.items()
    }
    values: Values = own
    whose = "those of this comparison that have finished do"
    if plan.tuning is None and not _scatter(values):
        values, whose = _earlier(plan, runs), "earlier ones did"
    seen = [each for pair in pairs if (each := _visible(*pair, values, n, len(pairs), is_paired)) is not None]
    in_pairs = (
        "; that is of Welch's test, and the report takes the paired one, which sees smaller ones where the runs of a"
        " pair go together"
    ) * (is_paired and not any(_in_pairs(*pair, values) for pair in pairs))
    if not seen:
        deviations = f"{visible_in_deviations(n, len(pairs)):.1f} standard deviations of a run"
        found = "; how far runs scatter at the settings found shows only then" * (plan.tuning is not None)
        return f"{told} from {deviations} on, 8 times in 10{found}{in_pairs}"
    fewest = min(len(its) for its in values.values() if len(its) > 1)
    least = "roughly " * (fewest <= SMALL) + amount(in_range([in_unit(each, facts) for each in seen]), facts)
    return f"{told} from {least} on, 8 times in 10, if runs scatter as {whose}{in_pairs}"


def _are_paired(runs: Mapping[str, Composed]) -> bool:
    """Returns whether the seed draws the data of all arms, so that the report compares pairs of a seed."""
    drawn = [{key for key in (SPLIT, DATA_SEED) if run.follows.get(key) == "seed"} for run in runs.values()]
    return bool(drawn and set.intersection(*drawn))


def judged(plan: Plan) -> list[tuple[str, str]]:
    """Returns the pairs of arms that are judged: each arm and its reference, and one of a hypothesis about others."""
    compared = list(plan.pairs.items()) or [(arm, plan.reference) for arm in plan.arms if arm != plan.reference]
    told = read_hypothesis(plan.hypothesis, list(plan.arms)) if plan.hypothesis else None
    pair = (told.first, told.second) if told and told.first and told.second else None
    is_other = pair is not None and pair not in compared and pair[::-1] not in compared
    return [*compared, *([pair] if pair is not None and is_other else [])]


def _visible(arm: str, other: str, values: Values, n: int, comparisons: int, is_paired: bool) -> float | None:
    """Returns the smallest difference that n seeds of two arms show; an arm without a scatter has that of all."""
    pairs = _in_pairs(arm, other, values) if is_paired else []
    if len(pairs) > 1:
        return visible_in_pairs(Sample(n, 0.0, sample(pairs).variance), comparisons)
    if (whole := _scatter(values)) is None:
        return None
    own = [list(values.get(name, {}).values()) for name in (arm, other)]
    variances = [sample(each).variance if len(each) > 1 else whole for each in own]
    return visible(Sample(n, 0.0, variances[0]), Sample(n, 0.0, variances[1]), comparisons)


def _in_pairs(arm: str, other: str, values: Values) -> list[float]:
    """Returns the differences of two arms, seed by seed; none where only one seed has both."""
    first, second = values.get(arm, {}), values.get(other, {})
    found = [first[seed] - second[seed] for seed in sorted(first.keys() & second.keys())]
    return found if len(found) > 1 else []


def _scatter(values: Values) -> float | None:
    """Returns the variance over seeds within arms; None where no arm has two of them, or nothing scatters."""
    several = [sample(list(its.values())) for its in values.values() if len(its) > 1]
    degrees = sum(each.n - 1 for each in several)
    return math.fsum((each.n - 1) * each.variance for each in several) / degrees or None if degrees else None


def _earlier(plan: Plan, runs: Mapping[str, Composed]) -> Values:
    """Returns the values of finished runs under outputs/ with the settings of the arms and any seed."""
    arms: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for arm, run in runs.items():
        pair = run.choices["model"], run.choices["data"]
        arms.setdefault(pair, {})[arm] = essentials({**run.config, "seed": None})
    found: dict[str, dict[int, float]] = {arm: {} for arm in runs}
    for pair, its in arms.items():
        for earlier in finished_runs(OUTPUTS, *pair):
            if (value := earlier.entry["metrics"].get(plan.metric)) is None:
                continue
            own = essentials({**earlier.config, "seed": None})
            for arm in (arm for arm, kept in its.items() if kept == own):
                found[arm][earlier.config["seed"]] = value
    return found


def is_read_in_tuning(plan: Plan, runs: Mapping[str, Composed]) -> bool:
    """Returns whether trials may train on samples of a final test set: the seed divides the data, and theirs is another
    one. Whether the data brings its test set shows when it is read.
    """
    if plan.tuning is None or not plan.metric.startswith("test/"):
        return False
    divided = [run for run in runs.values() if run.follows.get(SPLIT) == "seed"]
    # What a data_seed draws has a test set that is drawn too, and divided off nothing.
    return any(run.config["data"].get("test_size") and "data_seed" not in run.config["data"] for run in divided)


def tell(
    plan: Plan, runs: Mapping[str, Composed], facts: Metric, folds: Sequence[str], there: There
) -> Mapping[Kind, float | None]:
    """Says what a plan takes and shows; returns how long a training of each kind takes.

    Raises:
        UserError: the data of some arms has a split that all would be compared on, and that of others has none.
    """
    is_tested = plan.metric.startswith("test/")
    left = there.first_of_each()
    expected = dict(zip(left, forecasts(list(left.values())), strict=True))
    splits = {arm: each.splits for (arm, _), each in expected.items() if each.splits and not folds}
    refuse_mixed(plan, splits, there.values)
    is_lacking = is_tested and any("test" not in each for each in splits.values())
    for line in in_words(plan, len(folds), is_sealed=is_tested and not is_lacking):
        log.info(line)
    if plan.hypothesis:
        log.info(hypothesis.in_words(plan, has_folds=bool(folds)))
    if is_lacking:
        is_validated = all("val" in each for each in splits.values())
        log.warning(f"warning: {untested(is_validated=is_validated, is_tuned=plan.tuning is not None)}")
    if is_read_in_tuning(plan, runs):
        log.warning(
            "warning: with data.split_seed=${seed} each seed has a test set of its own where data.test_size divides it"
            " off, so the trials train and choose on samples of these, which flatters the arms; one data.split_seed for"
            " all, such as 0, keeps it sealed"
        )
    which = "all" if there.num_elsewhere == there.num_there else f"{there.num_elsewhere} of them"
    elsewhere = f", {which} in other folders" if there.num_elsewhere else ""
    if not there.num_left:
        log.info(f"nothing is left to train: all {there.num_there} trainings are there{elsewhere}")
        return {}
    first = next(iter(runs.values())).config
    timed = seconds_of(left, expected)
    told = time_in_words(plan, there, *timed, at_once=first["n_jobs"] if is_here(first) else 1)
    if there.num_there:
        log.info(f"{there.num_there} of the trainings are there{elsewhere}; {there.num_left} are left")
    log.info(told)
    log.info(visible_in_words(plan, runs, facts, len(folds), there))
    return timed[0]
