"""Which arm is better, as far as the runs say: the test is fixed by how they were made, never by what they show."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from dlexp.errors import UserError, did_you_mean, listed
from dlexp.metric import decides_the_loss
from dlexp.report import statistics
from dlexp.report.answer import Arm, Difference, Interval, Verdict
from dlexp.report.planned import Hypothesis
from dlexp.report.reading.arms import FOLD, is_one_to_one
from dlexp.report.reading.runs import Run
from dlexp.report.statistics import Sample

WELCH, PAIRED = "Welch", "paired t"
# Settings that draw the data or the start of a run: where each seed has its own value, pairs of a seed share a draw.
SPLIT, DATA_SEED, START = "data.split_seed", "data.data_seed", "init_from"
DRAWN_BY = (SPLIT, DATA_SEED, START)


@dataclass(frozen=True)
class Family:
    """What all comparisons of a report share.

    pairs: names of arms, the one compared and the one it is held against; `comparisons` of them could be tested as the
    runs were made, and the correction is for these. margin: in the metric's own values.
    """

    pairs: list[tuple[str, str]]
    comparisons: int
    higher_is_better: bool
    margin: float | None
    folds: bool
    metric: str


def follows_the_seed(runs: Sequence[Run]) -> list[str]:
    """Returns which of the settings in DRAWN_BY have a value of their own for each seed, the same in all these arms."""
    return [key for key in DRAWN_BY if is_one_to_one([(run.seed, run.settings.get(key)) for run in runs])]


def interval_of(values: Sequence[float], has_none: bool = False) -> Interval:
    """Returns the mean with its uncorrected 95 % interval; none of one value, of equal ones, or where it `has_none`."""
    if not values:
        return Interval(None, None, None)
    one = statistics.sample(values)
    if one.variance == 0 or has_none:
        return Interval(one.mean, None, None)
    return Interval(one.mean, *map(float, statistics.interval(statistics.of_mean(one))))


def family(
    arms: Sequence[Arm],
    reference: str | None,
    *,
    higher_is_better: bool,
    margin: float | None,
    folds: bool,
    hypothesis: Hypothesis | None,
    pairs: Mapping[str, str] = MappingProxyType({}),
    metric: str = "",
) -> Family:
    """Returns what is compared, best arm first: each arm with the reference, without one with that of `pairs`, or
    without any each with each.

    A hypothesis about two other arms is one comparison more. The correction is for all that could be tested: where
    both arms have several runs, failed ones among them, since a failure shows only in the runs themselves.
    """
    names = [arm.name for arm in arms]
    if reference is not None:
        compared = [(name, reference) for name in names if name != reference]
    elif pairs:
        compared = [(name, pairs[name]) for name in names if name in pairs]
    else:
        compared = [(name, other) for number, name in enumerate(names) for other in names[number + 1 :]]
    if hypothesis and hypothesis.first and hypothesis.second:
        pair = hypothesis.first, hypothesis.second
        compared += [pair] if pair not in compared and pair[::-1] not in compared else []
    several = {arm.name for arm in arms if len(arm.runs) > 1}
    comparisons = sum(several.issuperset(pair) for pair in compared)
    return Family(compared, 0 if folds else comparisons, higher_is_better, margin, folds, metric)


def differences(arms: Sequence[Arm], family: Family) -> list[Difference]:
    """Returns each comparison with its verdict, or why there is none."""
    by_name = {arm.name: arm for arm in arms}
    return [_compared(by_name[one], by_name[other], family) for one, other in family.pairs]


def paired_by(differences: Sequence[Difference]) -> list[str]:
    """Returns the settings that pair the runs of any comparison."""
    return [key for key in DRAWN_BY if any(key in each.paired_by for each in differences)]


def _compared(one: Arm, other: Arm, family: Family) -> Difference:
    drawn = follows_the_seed([*one.runs, *other.runs])
    pairs = _pairs(one, other) if drawn or family.folds else None
    sign = 1 if family.higher_is_better else -1
    ahead = None if pairs is None else sum(sign * (value - another) > 0 for value, another in zip(*pairs, strict=True))
    gap = None
    if apart := apart_in_loss([one, other], family.metric):
        return _unclaimed(one, other, None, None, f"losses that differ in {listed(apart)} can't be compared")
    if one.is_whole and other.is_whole and one.values and other.values:
        gap = statistics.sample(one.values).mean - statistics.sample(other.values).mean
    if (why_not := next(_hindrances(one, other, family), None)) is not None:
        return _unclaimed(one, other, gap, ahead, why_not)
    if pairs is None:
        return _claimed(one, other, family, statistics.sample(one.values), statistics.sample(other.values), None)
    differences = statistics.paired(*pairs)
    if differences.variance == 0:
        return _unclaimed(one, other, gap, ahead, "their difference is identical in every seed")
    found = _claimed(one, other, family, differences, None, ahead)
    return replace(found, paired_by=drawn)


def _claimed(
    one: Arm, other: Arm, family: Family, first: Sample, second: Sample | None, ahead: int | None
) -> Difference:
    """Returns a comparison by Welch's test, or by the paired one, where `first` sums up differences alone."""
    k = family.comparisons
    if second is None:
        found, test = statistics.of_mean(first), PAIRED
        visible, needed = statistics.visible_in_pairs(first, k), statistics.needed_in_pairs(first, k)
    else:
        found, test = statistics.welch(first, second), WELCH
        visible, needed = statistics.visible(first, second, k), statistics.needed(first, second, k)
    low, high = map(float, statistics.interval(found, comparisons=k))
    small = family.margin is not None and statistics.is_within(found, family.margin, k)
    verdict: Verdict = "no_difference" if small else "not_decided"
    if low > 0 or high < 0:
        verdict = "better" if (low > 0) == family.higher_is_better else "worse"
    return Difference(
        arm=one.name,
        reference=other.name,
        value=found.value,
        low=low,
        high=high,
        p=float(statistics.p_value(found, k)),
        test=test,
        degrees=found.degrees,
        verdict=verdict,
        below_margin=small,
        visible=visible,
        needed=needed,
        ahead=ahead,
        why_not=None,
    )


def _unclaimed(one: Arm, other: Arm, gap: float | None, ahead: int | None, why_not: str) -> Difference:
    return Difference(one.name, other.name, gap, None, None, None, None, None, None, False, None, None, ahead, why_not)


def _hindrances(one: Arm, other: Arm, family: Family) -> Iterator[str]:
    """Yields what forbids a verdict on two arms, what weighs most first."""
    for arm in (one, other):
        if not arm.is_whole:
            yield missing_runs(arm)
        elif not arm.values:
            yield f"{arm.name} has no run that gave a number"
    if family.folds:
        yield "folds are no seeds"
    for arm in (one, other):
        if len(arm.values) == 1:
            yield f"{arm.name} has one run"
        elif len({run.seed for run in arm.finished}) < len(arm.finished):
            yield f"several runs of {arm.name} have one seed"
    if all(statistics.are_identical(arm.values) for arm in (one, other)):
        yield "each is identical in every seed"


def apart_in_loss(arms: Sequence[Arm], metric: str) -> list[str]:
    """Returns which settings make the losses of arms different measures; none where the metric is no loss."""
    if metric.partition("/")[2] != "loss":
        return []
    own = [arm.runs[0].settings for arm in arms if arm.runs]
    keys = dict.fromkeys(key for settings in own for key in settings if decides_the_loss(key))
    found = [key for key in keys if any(settings.get(key) != own[0].get(key) for settings in own)]
    if not any(settings.get("task.targets") == "values" for settings in own):  # it has no effect then
        found = [key for key in found if key != "task.standardise"]
    return [key for key in found if "criterion" not in found or not key.startswith("criterion.")]


def missing_runs(arm: Arm) -> str:
    """Returns how many runs of an arm gave no number: `1 of 5 runs of adam diverged, 1 failed`."""
    first, *rest = arm.lost
    if arm.num_ended == 1:
        return f"the only run of {arm.name} {first[2:]}"
    count, word = first.split()
    every = "both" if arm.num_ended == 2 else f"all {count}"
    part = f"{every} runs" if not rest and int(count) == arm.num_ended else f"{count} of {arm.num_ended} runs"
    return ", ".join([f"{part} of {arm.name} {word}", *rest])


def _pairs(one: Arm, other: Arm) -> tuple[list[float], list[float]] | None:
    """Returns the values of two arms by seed and fold; None where these are not the same, each once."""
    first, second = (
        {(run.seed, str(run.settings.get(FOLD))): value for run, value in zip(arm.finished, arm.values, strict=True)}
        for arm in (one, other)
    )
    if first.keys() != second.keys() or len(first) < len(one.values) or len(second) < len(other.values):
        return None
    return [first[key] for key in sorted(first)], [second[key] for key in sorted(first)]


def named(arms: Sequence[Arm], against: str) -> str:
    """Returns the name of the arm that a person means: by its name or how that alone begins, or by a word that trains
    it alone.

    Raises:
        UserError: no arm is called so.
    """
    names = [arm.name for arm in arms]
    by_word = [arm.name for arm in arms if against in arm.words]
    typed = against.casefold()
    begun = [name for name in names if name.casefold().startswith(f"{typed} ")]
    found = [name for name in names if name.casefold() == typed] or by_word or begun
    if len(found) == 1:
        return found[0]
    raise UserError(f"there is no arm {against!r}; arms are {listed(names)}.{did_you_mean(against, names)}".rstrip("."))
