"""The verdicts on made arms: each rule, and how often a verdict is wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from dlexp.errors import UserError
from dlexp.metric import Metric
from dlexp.report import statistics
from dlexp.report.answer import Arm, Difference, Interval
from dlexp.report.making import make_arm
from dlexp.report.planned import Hypothesis
from dlexp.report.reading.runs import Run
from dlexp.report.verdicts import (
    PAIRED,
    WELCH,
    differences,
    family,
    follows_the_seed,
    interval_of,
    missing_runs,
    named,
)

ACCURACY = {"accuracy": Metric("%", higher_is_better=True)}
SGD, ADAM = [0.9633, 0.9662, 0.9652, 0.9668, 0.9642], [0.9666, 0.9670, 0.9666, 0.9692, 0.9684]


def run_of(value: float | str, seed: int, **settings: Any) -> Run:
    """Returns a run that ended with a value, or that `failed` or `diverged`."""
    is_finished = not isinstance(value, str)
    return Run(
        folder=Path(f"run-{seed}"),
        name=f"run-{seed}",
        status="finished" if is_finished else "failed",
        settings=settings,
        words=[],
        turn=0,
        seed=seed,
        cell=None,
        metrics={"test/accuracy": value} if not isinstance(value, str) else {},
        metric="val/accuracy",
        measures=ACCURACY,
        chosen_epoch=1 if is_finished else None,
        seconds=1.0,
        parameters=10,
        started="",
        error="the loss became nan in epoch 1" if value == "diverged" else None,
        entry={},
    )


def arm_of(name: str, *values: float | str, first_seed: int = 0, **settings: Any) -> Arm:
    runs = [run_of(value, seed, **settings) for seed, value in enumerate(values, start=first_seed)]
    return make_arm(name, {}, [f"optimizer={name}"], runs, "test/accuracy")


def compared(*arms: Arm, reference: str | None = "sgd", **options: Any) -> list[Difference]:
    usual = {"higher_is_better": True, "margin": None, "folds": False, "hypothesis": None}
    return differences(arms, family(arms, reference, **(usual | options)))


def test_a_mean_has_an_interval_as_far_as_its_values_give_one() -> None:
    known = stats.t.interval(0.95, 4, np.mean(SGD), stats.sem(SGD))
    found = interval_of(SGD)
    assert (found.low, found.high) == pytest.approx(known)
    assert interval_of([0.9]).mean == 0.9
    for values in ([], [0.9], [0.9, 0.9, 0.9]):
        assert interval_of(values).low is interval_of(values).high is None
    assert interval_of([0.9, 0.8], has_none=True).low is None


def test_the_verdict_and_its_numbers_are_those_of_scipy() -> None:
    (found,) = compared(arm_of("sgd", *SGD), arm_of("adam", *ADAM))
    known = stats.ttest_ind(ADAM, SGD, equal_var=False)
    assert (found.arm, found.reference, found.test, found.verdict) == ("adam", "sgd", WELCH, "better")
    assert found.p == pytest.approx(known.pvalue) and found.degrees == pytest.approx(known.df)
    assert (found.low, found.high) == pytest.approx(tuple(known.confidence_interval()))
    assert found.value == pytest.approx(np.mean(ADAM) - np.mean(SGD))


def test_lower_may_be_better() -> None:
    (found,) = compared(arm_of("sgd", *SGD), arm_of("adam", *ADAM), higher_is_better=False)
    assert found.verdict == "worse" and found.value is not None and found.value > 0


def test_p_interval_and_equivalence_are_corrected_for_one_family() -> None:
    arms = [arm_of("sgd", *SGD), arm_of("adam", *ADAM), arm_of("rmsprop", *SGD[::-1]), arm_of("adagrad", *ADAM)]
    found, alone = compared(*arms)[0], compared(*arms[:2])[0]
    assert found.p == pytest.approx(3 * alone.p)  # type: ignore[operator]
    known = stats.ttest_ind(ADAM, SGD, equal_var=False).confidence_interval(1 - 0.05 / 3)
    assert (found.low, found.high) == pytest.approx(tuple(known))
    assert (alone.verdict, found.verdict) == ("better", "not_decided")
    assert found.visible > alone.visible and found.needed > alone.needed  # type: ignore[operator]
    margin = 0.0043  # within the 90 % interval's reach, and beyond that of 1 − 0.1 / 3
    assert compared(*arms[:2], margin=margin)[0].below_margin
    assert compared(*arms, margin=margin)[0].verdict == "not_decided"
    assert compared(*arms, margin=0.006)[0].verdict == "no_difference"


def test_each_with_each() -> None:
    arms = [arm_of("adam", *ADAM), arm_of("sgd", *SGD), arm_of("adagrad", *(value - 0.02 for value in SGD))]
    found = compared(*arms, reference=None)
    assert [(each.arm, each.reference) for each in found] == [("adam", "sgd"), ("adam", "adagrad"), ("sgd", "adagrad")]
    assert [each.verdict for each in found] == ["not_decided", "better", "better"]


def test_pairs_that_were_planned_are_one_family() -> None:
    arms = [arm_of("adam", *ADAM), arm_of("sgd", *SGD), arm_of("adagrad", *(value - 0.02 for value in SGD))]
    found = compared(*arms, reference=None, pairs={"adagrad": "sgd", "adam": "adagrad"})
    assert [(each.arm, each.reference) for each in found] == [("adam", "adagrad"), ("adagrad", "sgd")]
    known = stats.ttest_ind(arms[2].values, SGD, equal_var=False)
    assert found[1].p == pytest.approx(2 * known.pvalue) and found[1].verdict == "worse"


def test_a_mean_without_its_failed_runs_has_no_interval() -> None:
    assert arm_of("sgd", 0.9, 0.8, "diverged").interval == Interval(pytest.approx(0.85), None, None)
    assert arm_of("sgd", 0.9, 0.8).interval.low is not None


def test_a_hypothesis_about_other_arms_pays_like_a_comparison() -> None:
    arms = [arm_of(name, *SGD[shift:], *SGD[:shift]) for shift, name in enumerate(("sgd", "adam", "rmsprop"))]
    plain = compared(*arms)
    of_two = compared(*arms, hypothesis=Hypothesis("", "adam", "rmsprop"))
    assert len(plain) == 2 and [(each.arm, each.reference) for each in of_two[2:]] == [("adam", "rmsprop")]
    assert of_two[0].high > plain[0].high  # type: ignore[operator]
    assert compared(*arms, hypothesis=Hypothesis("", "sgd", "adam")) == plain, "it is among them"
    assert compared(*arms, hypothesis=Hypothesis("as typed")) == plain


@pytest.mark.parametrize(
    ("values", "why_not"),
    [
        ([0.9, "diverged", 0.92], "1 of 3 runs of adam diverged"),
        (["failed", "diverged", 0.92], "1 of 3 runs of adam diverged, 1 failed"),
        (["failed", "failed"], "both runs of adam failed"),
        (["diverged"], "the only run of adam diverged"),
        ([0.9], "adam has one run"),
        ([], "adam has no run that gave a number"),
    ],
)
def test_no_verdict_without_all_its_runs(values: list[float | str], why_not: str) -> None:
    for arms in ([arm_of("sgd", *SGD), arm_of("adam", *values)], [arm_of("adam", *values), arm_of("sgd", *SGD)]):
        (found,) = compared(*arms)
        assert found.verdict is found.low is found.p is found.visible is None and found.why_not == why_not
    assert (found.value is not None) == (values == [0.9])


def test_a_failed_arm_is_in_the_family_all_the_same() -> None:
    """Whether a run fails is seen in the runs alone, and the correction is fixed before."""
    arms = [arm_of("sgd", *SGD), arm_of("adam", *ADAM), arm_of("adagrad", *SGD[:4], "diverged")]
    assert compared(*arms)[0].p == pytest.approx(2 * compared(*arms[:2])[0].p)  # type: ignore[operator]
    single = [*arms[:2], arm_of("adagrad", 0.9)]
    assert compared(*single)[0].p == compared(*arms[:2])[0].p, "one run was never to be tested"


def test_values_without_spread() -> None:
    (found,) = compared(arm_of("sgd", 0.9, 0.9, 0.9), arm_of("adam", 1.0, 1.0, 1.0), margin=0.5)
    assert found.verdict is found.p is None and found.why_not == "each is identical in every seed"
    assert found.value == pytest.approx(0.1)
    (found,) = compared(arm_of("sgd", 0.9, 0.91, 0.92), arm_of("adam", 1.0, 1.0, 1.0))
    assert found.verdict == "better" and found.degrees == pytest.approx(2), "only one arm scatters"


def of_seeds(name: str, values: dict[int, float], key: str = "data.split_seed", step: int = 0) -> Arm:
    runs = [run_of(value, seed, **{key: seed + step}) for seed, value in values.items()]
    return make_arm(name, {}, [], runs, "test/accuracy")


def test_runs_are_paired_where_the_seed_draws_their_data() -> None:
    one = of_seeds("sgd", dict(enumerate([0.90, 0.93, 0.88, 0.95])))
    other = of_seeds("adam", {3: 0.953, 1: 0.9345, 2: 0.884, 0: 0.9035})
    assert follows_the_seed([*one.runs, *other.runs]) == ["data.split_seed"]
    (found,) = compared(one, other)
    known = stats.ttest_rel([0.9035, 0.9345, 0.884, 0.953], one.values)
    assert (found.test, found.verdict, found.ahead) == (PAIRED, "better", 4)
    assert found.p == pytest.approx(known.pvalue) and found.degrees == 3
    assert found.paired_by == ["data.split_seed"]
    (found,) = compared(arm_of("sgd", *one.values), arm_of("adam", *other.values))
    assert found.verdict == "not_decided" and found.ahead is None and found.paired_by == []
    (found,) = compared(one, of_seeds("adam", {4: 0.953, 5: 0.9345, 6: 0.884, 7: 0.9035}))
    assert found.test == WELCH and found.ahead is None and found.paired_by == [], "they share no seed"
    same = of_seeds("adam", {run.seed: value + 0.01 for run, value in zip(one.runs, one.values, strict=True)})
    (found,) = compared(one, same)
    assert found.verdict is None and found.why_not == "their difference is identical in every seed"


@pytest.mark.parametrize("key", ["data.split_seed", "data.data_seed", "init_from"])
def test_each_pair_of_arms_is_paired_for_itself_and_corrected_for_all(key: str) -> None:
    one = of_seeds("sgd", dict(enumerate([0.90, 0.93, 0.88, 0.95])), key)
    other = of_seeds("adam", dict(enumerate([0.901, 0.9345, 0.884, 0.953])), key)
    first, second = compared(one, other, arm_of("adamw", 0.91, 0.92, 0.90, 0.93), margin=0.01)
    assert (first.test, first.paired_by, first.ahead) == (PAIRED, [key], 4)
    assert (second.test, second.paired_by, second.ahead) == (WELCH, [], None)
    known = stats.ttest_rel(other.values, one.values)
    gaps = statistics.paired(other.values, one.values)
    assert first.p == pytest.approx(2 * known.pvalue)
    assert (first.low, first.high) == pytest.approx(tuple(known.confidence_interval(1 - 0.05 / 2)))
    assert first.visible == pytest.approx(statistics.visible_in_pairs(gaps, 2))
    assert first.needed == statistics.needed_in_pairs(gaps, 2) != statistics.needed_in_pairs(gaps, 1)
    bound = gaps.mean + stats.t.ppf(1 - 0.05 / 2, 3) * gaps.squared_error**0.5
    for margin, is_below in ((1.001 * bound, True), (0.999 * bound, False)):
        assert compared(one, other, arm_of("adamw", 0.91, 0.92), margin=margin)[0].below_margin == is_below


def test_what_does_not_go_with_the_seed_pairs_nothing() -> None:
    same = of_seeds("sgd", {0: 0.9, 1: 0.91}, step=0).runs
    assert follows_the_seed([run_of(0.9, seed, **{"data.split_seed": 0}) for seed in range(3)]) == []
    shifted = of_seeds("adam", {0: 0.9, 1: 0.91}, step=1).runs
    assert follows_the_seed([*same, *shifted]) == [], "a seed has two values"
    assert follows_the_seed([run_of(0.9, seed, init_from=f"a/{seed}") for seed in range(3)]) == ["init_from"]
    assert follows_the_seed([run_of(0.9, 1, init_from="a"), run_of(0.9, 2, init_from="a")]) == []


def test_folds_are_no_seeds() -> None:
    arms = [
        make_arm(
            name,
            {},
            [],
            [run_of(value, 0, **{"data.fold": fold}) for fold, value in enumerate(values)],
            "test/accuracy",
        )
        for name, values in (("sgd", SGD), ("adam", ADAM))
    ]
    (found,) = compared(*arms, folds=True)
    assert found.verdict is None and found.why_not == "folds are no seeds" and found.ahead == 5
    assert arms[0].interval.low is None


def test_runs_that_share_a_seed_are_not_tested() -> None:
    twice = make_arm("adam", {}, [], [run_of(0.9, 1), run_of(0.91, 1)], "test/accuracy")
    assert compared(arm_of("sgd", *SGD), twice)[0].why_not == "several runs of adam have one seed"


def test_missing_runs_are_counted() -> None:
    assert (
        missing_runs(arm_of("adam", 0.9, "diverged", "diverged", "failed")) == "2 of 4 runs of adam diverged, 1 failed"
    )


def test_an_arm_is_named_as_it_is_meant() -> None:
    arms = [arm_of("sgd", 0.9), arm_of("adam", 0.9)]
    assert [named(arms, word) for word in ("adam", "Adam", "optimizer=adam")] == ["adam"] * 3
    with pytest.raises(UserError, match="there is no arm 'adm'; arms are sgd, adam. Did you mean 'adam'?"):
        named(arms, "adm")


def claims(rng: np.random.Generator, n: int, num_arms: int, times: int, gap: float = 0.0, **options: Any) -> float:
    """Returns the share of made reports that claim a difference; the second arm is better by `gap` deviations."""
    wrong = 0
    for _ in range(times):
        values = 0.9 + 0.001 * rng.normal(size=(num_arms, n))
        values[1] += 0.001 * gap
        arms = [arm_of("sgd" if not number else f"arm {number}", *map(float, row)) for number, row in enumerate(values)]
        wrong += any(each.verdict in ("better", "worse") for each in compared(*arms, **options))
    return wrong / times


def test_a_made_report_is_rarely_wrong_and_mostly_finds_what_is_there() -> None:
    """A few hundred whole reports; `test_statistics` has thousands by the same functions, all at once."""
    rng = np.random.default_rng(1)
    assert claims(rng, 3, 3, 300) <= 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5
    assert claims(rng, 3, 2, 300, gap=3.507) == pytest.approx(0.8, abs=0.07)


@pytest.mark.slow
@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("num_arms", [2, 3, 5])
def test_2000_made_reports_are_wrong_in_at_most_5_of_100(
    n: int, num_arms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("visible", "needed"):  # nearly all of the time, and no part of a verdict
        monkeypatch.setattr(statistics, name, lambda *given: None)
    rng = np.random.default_rng(100 * n + num_arms)
    for reference in ("sgd", None):
        assert claims(rng, n, num_arms, 2000, reference=reference) <= 0.05 + 3 * (0.05 * 0.95 / 2000) ** 0.5
