"""How the figures of a report came about, and what they do not say: method and scope, in the small print."""

from collections.abc import Iterator, Sequence

from dlexp.console.wording import fixed, in_unit, unit_of_difference
from dlexp.report.answer import Answer, Arm
from dlexp.report.arms import FOLD
from dlexp.report.sentences import counted, few, subject, two_digits, upper
from dlexp.report.verdicts import PAIRED, WELCH, ranges

ROUGH = 5  # up to so many seeds the scatter itself is hardly known


def method(answer: Answer) -> list[str]:
    """Returns seeds, test, correction, and what was measured."""
    found = [_runs(answer.arms), _measured(answer)]
    tests = {each.test for each in answer.differences if each.test}
    if not tests:
        return found
    if PAIRED in tests:
        seeds = few(answer.paired_by)
        found.append(f"Paired t-test of the runs of each seed, since with the seed goes {seeds}, the same in all arms")
        if WELCH in tests:
            found[-1] += "; where two arms have different seeds, Welch’s t-test"
    else:
        found.append("Welch’s t-test of the means")
    if answer.comparisons == 1:
        found[-1] += ". One comparison, so no correction."
    else:
        of = f"with {answer.reference}" if answer.reference is not None else "of all pairs"
        found[-1] += f". p, intervals and verdicts are corrected for {counted(answer.comparisons, 'comparison')} {of} (Bonferroni)."
    return [*found, "The interval of a single arm is that of its own mean, and not corrected."]


def _runs(arms: Sequence[Arm]) -> str:
    plans = {tuple(sorted(run.seed for run in arm.runs)) for arm in arms}
    folds = {str(run.settings.get(FOLD)) for arm in arms for run in arm.runs} - {"None"}
    if len(folds) > 1:
        return f"{upper(counted(len(folds), 'fold'))} an arm." if len(arms) > 1 else f"{upper(counted(len(folds), 'fold'))}."
    of = " an arm" if len(arms) > 1 else ""
    if len(plans) == 1:
        (seeds,) = plans
        told = f"seed{'' if len(set(seeds)) == 1 else 's'} {ranges(seeds)}"
        return f"{upper(counted(len(seeds), 'run'))}{of}, {told}."
    return f"Seeds: {few([f'{arm.name} {ranges([run.seed for run in arm.runs])}' for arm in arms if arm.runs], '; ')}."


def _measured(answer: Answer) -> str:
    epochs = [run.chosen_epoch for arm in answer.arms for run in arm.finished]
    split = answer.metric.partition("/")[0]
    if split == "test":
        when = "of the epoch that was best in validation" if all(epochs) else "with the last weights where nothing validates"
        when = "with the last weights, as nothing validates" if not any(epochs) else when
        return f"{upper(subject(answer))} is read once a run, {when}."
    if split == "val":
        return (
            f"{upper(subject(answer))} is compared, since not all runs have looked at the test set. It also chose the"
            " epoch, so each figure is somewhat too good."
        )
    return f"{upper(subject(answer))} is compared: it was measured on samples that training has seen."


def scope(answer: Answer) -> list[str]:
    """Returns what the report does not say, the most dangerous first."""
    found = [*answer.mixtures, *_of_the_data(answer)]
    if not answer.folds and any(len(arm.values) > 1 for arm in answer.arms):
        found += _of_the_splits(answer)
    if answer.test_error is not None and answer.num_test is not None:
        best = next(arm.interval.mean for arm in answer.arms if arm.values)
        assert best is not None
        share = fixed(best, answer.facts, 1)
        error = two_digits(in_unit(answer.test_error, answer.facts))
        found.append(
            f"Nothing about the samples tested as such: with {answer.num_test} of them {subject(answer)} of {share} % is known"
            f" to ± {error} points (one standard error, √(p(1 − p)/N)); all seeds share that error."
        )
    if len(answer.arms) > 1:
        found += _of_the_arms(answer)
    return found


def _of_the_data(answer: Answer) -> Iterator[str]:
    told = ", ".join(f"{key}={value}" for key, value in answer.constant.items())
    if any(key == "data" or key.startswith("data.") for key in answer.varied):
        yield "The arms differ in their data, so a difference may be that of the samples tested and not of what was learnt."
    yield "Nothing about other data, models, sizes or lengths of training" + (f" than {told}." if told else ".")


def _of_the_splits(answer: Answer) -> Iterator[str]:
    if answer.paired_by:
        yield f"Each seed has its own {few(answer.paired_by)}: the intervals tell of both, and of nothing beyond such draws."
    else:
        yield (
            "Nothing about other splits: all runs share one division into training, validation and test, and the"
            " intervals tell the scatter of the seeds alone."
        )


def _of_the_arms(answer: Answer) -> Iterator[str]:
    if answer.plan and (tuning := answer.plan.tuning):
        yield (
            f"Nothing about the arms at their best: each had {counted(tuning.trials + tuning.further, 'trial')} of"
            f" {few(tuning.keys)} on one seed. Another tuning may find other values, and where they matter much, even equal"
            " arms come out different more often than in 5 of 100 cases."
        )
    else:
        yield "Nothing about the arms at their best: no tuning is recorded, each ran at the settings given."
    if answer.plan is None and any(each.verdict for each in answer.differences):
        yield "No plan was stored: 5 % of false alarms is true where arms, metric and seeds were fixed before looking."
    if len(answer.arms) > 2 and not answer.folds:
        yield f"The first of {counted(len(answer.arms), 'arm')} is picked for being first, so its mean is a little too good."
    visible = [each for each in answer.differences if each.visible is not None]
    if visible:
        sizes = [in_unit(each.visible or 0.0, answer.facts) for each in visible]
        low, high = two_digits(min(sizes)), two_digits(max(sizes))
        told = low if low == high else f"{low} to {high}"
        seeds = min(len(arm.values) for arm in answer.arms if len(arm.values) > 1)
        rough = f" This rests on the scatter of {counted(seeds, 'run')} and is rough." if seeds <= ROUGH else ""
        yield (
            f"Smaller differences may be there: seen (in 80 of 100 repetitions) is what exceeds about"
            f" {told}{unit_of_difference(answer.facts)}.{rough}"
        )
