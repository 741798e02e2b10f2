"""How the figures of a report came about, and what they do not say: method and scope, in the small print."""

from collections.abc import Iterator, Sequence

from dlexp.console.wording import amount, fixed, in_unit
from dlexp.report import statistics
from dlexp.report.answer import Answer, Arm, Difference
from dlexp.report.reading.arms import DATA_CONTENT, FOLD
from dlexp.report.shown import subject, what_is_seen
from dlexp.report.verdicts import DRAWN_BY, PAIRED, SPLIT, WELCH, follows_the_seed
from dlexp.report.words import MOST, counted, few, ranges, there, two_digits, upper


def method(answer: Answer) -> list[str]:
    """Returns seeds, test, correction, and what was measured."""
    if not any(arm.values for arm in answer.arms):
        return [_runs(answer.arms)]
    found = [_runs(answer.arms), _measured(answer)]
    if answer.reference_is == "first":
        found.append(f"The reference is {answer.reference}, the first arm by folder and job: --against names another.")
    if any(_looks_rounded(answer, each) for each in answer.differences):
        found.append("Differences are taken of the means before these are rounded.")
    tests = {each.test for each in answer.differences if each.test}
    if not tests:
        return found
    if PAIRED in tests:
        same = f"{few(answer.paired_by)}, the same in {'both' if WELCH in tests else 'all'} arms"
        found.append(f"Paired t-test of the runs of each seed, since with the seed goes {same}")
        if WELCH in tests:
            found[-1] += "; where two arms have no such pairs, Welch’s t-test"
    else:
        found.append("Welch’s t-test of the means")
    sizes = {arm.name: len(arm.values) for arm in answer.arms}
    if any(each.test == WELCH and sizes[each.arm] != sizes[each.reference] for each in answer.differences):
        found[-1] += ", where numbers of seeds differ with the degrees of freedom of the smaller one"
    if answer.comparisons == 1:
        found[-1] += ". One comparison, so no correction."
    else:
        of = "of the pairs planned" if answer.pairs else "of all pairs"
        of = f"with {answer.reference}" if answer.reference is not None else of
        of += ", that of the hypothesis among them" if _has_another(answer) else ""
        told = counted(answer.comparisons, "comparison")
        found[-1] += f". p, intervals and verdicts are corrected for {told} {of} (Bonferroni)."
    return [*found, "The interval of a single arm is that of its own mean, and not corrected."]


def _looks_rounded(answer: Answer, each: Difference) -> bool:
    """Whether a difference is not that of the two means as they are shown, such as +0.04 of 99.79 and 99.74."""
    if each.value is None:
        return False
    means = {arm.name: arm.interval.mean for arm in answer.arms}
    told = (means[each.arm], means[each.reference], each.value)
    one, other, gap = (float(fixed(there(value), answer.facts, answer.decimals)) for value in told)
    return bool(abs(one - other - gap) > 0.5 / 10**answer.decimals)


def _has_another(answer: Answer) -> bool:
    """Whether a comparison was added that is none with the reference, and none of the pairs planned."""
    held = answer.pairs or {arm.name: answer.reference for arm in answer.arms if answer.reference is not None}
    return bool(held) and any(held.get(each.arm) != each.reference for each in answer.differences)


def _runs(arms: Sequence[Arm]) -> str:
    plans = {tuple(sorted(run.seed for run in arm.runs)) for arm in arms}
    folds = {str(run.settings.get(FOLD)) for arm in arms for run in arm.runs} - {"None"}
    of = " an arm" if len(arms) > 1 else ""
    if len(folds) > 1:
        return f"{upper(counted(len(folds), 'fold'))}{of}."
    if len(plans) == 1:
        (seeds,) = plans
        told = f"seed{'' if len(set(seeds)) == 1 else 's'} {ranges(seeds)}"
        return f"{upper(counted(len(seeds), 'run'))}{of}, {told}."
    having: dict[str, list[str]] = {}
    for arm in arms:
        if arm.runs:
            having.setdefault(ranges([run.seed for run in arm.runs]), []).append(arm.name)
    each = [f"{seeds} of {few(names)}" for seeds, names in having.items()]
    return f"Seeds {'; '.join(each[:MOST])}{'; and others in further arms' * (len(each) > MOST)}."


def _measured(answer: Answer) -> str:
    runs = [run for arm in answer.arms for run in arm.finished]
    split, _, name = answer.metric.partition("/")
    what = upper(subject(answer))
    if split == "test":
        epochs = [run.chosen_epoch for run in runs]
        if all(epoch is None for epoch in epochs):
            return f"{what} is read once a run, with the last weights: nothing validates."
        some = "" if None not in epochs else " where something validates, else with the last weights"
        return f"{what} is read once a run, of the epoch that was best in validation{some}."
    if split == "val":
        why = "" if all(f"test/{name}" in run.metrics for run in runs) else ", since not all runs have a test value"
        chose = all(run.metric == answer.metric for run in runs)
        also = (
            "It also chose the epoch, so each figure is somewhat too good." if chose else "It is of the epoch chosen."
        )
        return f"{what} is compared{why}. {also}"
    return f"{what} is compared: of samples that training has seen."


def scope(answer: Answer) -> list[str]:
    """Returns what the report does not say, the most dangerous first."""
    found = [*answer.mixtures, *_of_the_data(answer)]
    if not answer.folds and any(len(arm.values) > 1 for arm in answer.arms):
        found += _of_the_splits(answer)
    if answer.test_error is not None and not _differs_in_data(answer):
        best = next(arm for arm in answer.arms if arm.values)
        share = fixed(there(best.interval.mean), answer.facts, answer.decimals)
        of = f", the mean of {best.name}," if len(answer.arms) > 1 else ""
        error = two_digits(in_unit(answer.test_error, answer.facts))
        found.append(
            f"Nothing about these samples as such: from {answer.num_test} of them a {subject(answer)} of {share} %{of}"
            f" is known to ± {error} points (one standard error, √(p(1 − p)/N)), an error that all runs share."
        )
    if len(answer.arms) > 1:
        found += _of_the_arms(answer)
    return found


def _differs_in_data(answer: Answer) -> bool:
    return any(key == "data" or key.startswith("data.") or key == DATA_CONTENT for key in answer.varied)


def _of_the_data(answer: Answer) -> Iterator[str]:
    told = ", ".join(f"{key}={value}" for key, value in answer.constant.items())
    if _differs_in_data(answer) and not {"data", DATA_CONTENT} & set(answer.varied):  # else the answer itself says it
        yield "The arms differ in their data, so a difference may be that of the samples and not of what was learnt."
    yield "Nothing about other data, models, sizes or lengths of training" + (f" than {told}." if told else ".")


def _of_the_splits(answer: Answer) -> Iterator[str]:
    by_arm = [follows_the_seed(arm.runs) for arm in answer.arms if len(arm.values) > 1]
    own = [key for key in DRAWN_BY if any(key in found for found in by_arm)]
    if own:
        drawn = "such draws"
        if SPLIT in own:
            drawn = "divisions of these samples, which overlap, and not of new samples"
            if not answer.is_drawn:
                drawn = "divisions of these samples into training and validation, with one test set for all"
        each = "Each seed" if all(found == own for found in by_arm) else "In some arms each seed"
        yield f"{each} has its own {few(own)}: the intervals tell the scatter of both, over {drawn}."
    elif _differs_in_data(answer):
        yield "Nothing about other splits: the intervals tell the scatter of the seeds alone."
    else:
        metrics = {key.partition("/")[0] for arm in answer.arms for run in arm.finished for key in run.metrics}
        others = [name for split, name in (("val", "validation"), ("test", "test")) if split in metrics]
        shared = f"splits: all runs share one division into {few(['training', *others])}"
        if not others:
            shared = "samples: all runs are trained and measured on the same ones"
        yield f"Nothing about other {shared}, and the intervals tell the scatter of the seeds alone."


def _of_the_arms(answer: Answer) -> Iterator[str]:
    if answer.plan and (tuning := answer.plan.tuning):
        yield (
            f"Nothing about the arms at their best: each had {counted(tuning.trials + tuning.further, 'trial')} of"
            f" {few(tuning.keys)} on one seed. Another tuning may find other values, and where they matter much, even"
            " equal arms come out different more often than in 5 of 100 cases."
        )
        if answer.was_seen:
            yield (
                "Nothing about samples that tuning never saw: each seed has a test set of its own, and the trials, with"
                " another seed, trained or chose on samples of these. That flatters the arms."
            )
        if answer.plan.metric.startswith("val/"):
            yield (
                "Nothing about samples that chose nothing: the arms are compared on the validation samples that chose"
                " their settings, which flatters them."
            )
    else:
        found = [
            f"those of {folder.as_posix()} found {few(tuning.keys)} in"
            f" {counted(tuning.trials + tuning.further, 'trial')} an arm on one seed"
            for folder, (_, plan) in answer.elsewhere.items()
            if (tuning := plan.tuning) is not None
        ]
        told = "each ran at the settings given, and how these were found is not recorded"
        told = f"{'; '.join(found)}. How other settings were found is not recorded" if found else told
        yield f"Nothing about the arms at their best: {told}."
    if answer.plan is None and any(each.verdict for each in answer.differences):
        yield (
            f"No plan of a comparison covers {'all of ' if answer.elsewhere else ''}these runs: false alarms stay at"
            " about 5 % or less only where arms, metric, margin and seeds were fixed before looking."
        )
    if len(answer.arms) > 2 and not answer.folds:
        yield (
            f"The first of {counted(len(answer.arms), 'arm')} is picked for being first, so its mean is likely a little"
            " too good."
        )
    if any(each.visible is not None for each in answer.differences):
        sizes, seen = what_is_seen(answer)
        rough = (
            f" That rests on the scatter of {counted(sizes[0], 'run')} an arm and is rough."
            if sizes[0] <= statistics.SMALL
            else ""
        )
        told = (
            f"one of about {amount(seen, answer.facts)} is found in 80 of 100 repetitions, smaller ones less often"
            if seen
            else "with this scatter none that shares can have is found in 80 of 100 repetitions"
        )
        yield f"Smaller differences may be there all the same: {told}.{rough}"
