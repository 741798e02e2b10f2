"""Means, tests, intervals and power against SciPy and statsmodels, and against simulated runs."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW, ttost_paired

from dlexp.report import statistics
from dlexp.report.statistics import Estimate, Sample

NUMBERS = st.lists(st.floats(-100, 100).map(lambda value: round(value, 3)), min_size=2, max_size=12)
MADE = [
    ([0.91, 0.93, 0.90], [0.95, 0.96, 0.955]),
    ([0.91, 0.93], [0.95, 0.96]),
    ([1.2, 3.4, 2.2, 8.0, 2.1, 1.9], [1.1, 0.9, 1.3, 1.0, 1.2, 1.1]),
    ([0.5, 0.5, 0.51], [0.4, 0.5, 0.45]),
]


def welch_of(values: list[float], others: list[float]) -> Estimate:
    return statistics.welch(statistics.sample(values), statistics.sample(others))


@pytest.mark.parametrize(("values", "others"), MADE)
def test_welch_is_that_of_scipy(values: list[float], others: list[float]) -> None:
    found, known = welch_of(values, others), stats.ttest_ind(values, others, equal_var=False)
    assert statistics.p_value(found) == pytest.approx(known.pvalue)
    assert found.degrees == pytest.approx(known.df)
    for level, comparisons in ((0.05, 1), (0.05, 4), (0.1, 1)):
        own = known.confidence_interval(1 - level / comparisons)
        assert statistics.interval(found, level, comparisons) == pytest.approx((own.low, own.high))
    assert statistics.p_value(found, 3) == pytest.approx(min(1.0, 3 * known.pvalue))


def test_a_small_arm_against_a_larger_one_has_its_own_degrees() -> None:
    values, others = [0.91, 0.93], [0.95, 0.96, 0.955, 0.94]
    found = welch_of(values, others)
    error = (np.var(values, ddof=1) / 2 + np.var(others, ddof=1) / 4) ** 0.5
    assert found.degrees == 1 and found.error == pytest.approx(error)
    assert statistics.p_value(found) == pytest.approx(2 * stats.t.sf(abs(found.value) / error, 1))


def test_the_paired_test_is_that_of_scipy() -> None:
    values, others = [0.91, 0.93, 0.90, 0.97], [0.92, 0.95, 0.905, 0.975]
    found, known = statistics.of_mean(statistics.paired(values, others)), stats.ttest_rel(values, others)
    assert statistics.p_value(found) == pytest.approx(known.pvalue)
    own = known.confidence_interval(0.95)
    assert statistics.interval(found) == pytest.approx((own.low, own.high))


@pytest.mark.parametrize("values", [values for pair in MADE for values in pair])
def test_the_interval_of_a_mean_is_that_of_statsmodels(values: list[float]) -> None:
    found = statistics.interval(statistics.of_mean(statistics.sample(values)))
    assert found == pytest.approx(DescrStatsW(values).tconfint_mean())


@pytest.mark.parametrize("margin", [0.01, 0.03, 0.06, 0.2, 3.0])
def test_equivalence_is_that_of_statsmodels(margin: float) -> None:
    for (values, others), comparisons in itertools.product(MADE, (1, 3)):
        p = CompareMeans.from_data(values, others).ttost_ind(-margin, margin, usevar="unequal")[0]
        assert statistics.is_within(welch_of(values, others), margin, comparisons) == (p < 0.05 / comparisons)
    values, others = [0.91, 0.93, 0.90, 0.97], [0.92, 0.95, 0.905, 0.975]
    found = statistics.of_mean(statistics.paired(values, others))
    assert statistics.is_within(found, margin) == (
        ttost_paired(np.array(values), np.array(others), -margin, margin)[0] < 0.05
    )


def test_two_seeds_reach_far() -> None:
    low, high = statistics.interval(statistics.of_mean(statistics.sample([0.0, 2.0])))
    assert (low, high) == pytest.approx((1 - 12.706, 1 + 12.706), abs=1e-3)


def test_what_differs_by_rounding_alone_has_no_spread() -> None:
    assert statistics.sample([0.1 + 0.2, 0.3, 0.3]).variance == 0
    assert statistics.paired([0.91, 0.92, 0.93], [0.90, 0.91, 0.92]).variance == 0, "each differs by 0.01"
    assert statistics.sample([1e-9, 2e-9]).variance > 0


@given(NUMBERS, NUMBERS, st.sampled_from([-50.0, 3.0]), st.sampled_from([0.01, 100.0]))
@settings(max_examples=60, deadline=None)
def test_shifting_scaling_and_swapping(values: list[float], others: list[float], shift: float, scale: float) -> None:
    if statistics.are_identical(values) and statistics.are_identical(others):
        return
    found = welch_of(values, others)
    p, (low, high) = statistics.p_value(found, 2), statistics.interval(found, comparisons=2)
    assert 0 <= p <= 1 and low <= found.value <= high
    assert (p < statistics.LEVEL) == (low > 0 or high < 0)
    swapped = welch_of(others, values)
    assert (
        statistics.interval(swapped, comparisons=2) == pytest.approx((-high, -low))
        and statistics.p_value(swapped, 2) == p
    )
    moved = welch_of([value + shift for value in values], [value + shift for value in others])
    assert statistics.interval(moved, comparisons=2) == pytest.approx((low, high), abs=1e-6)
    scaled = welch_of([value * scale for value in values], [value * scale for value in others])
    assert statistics.interval(scaled, comparisons=2) == pytest.approx((low * scale, high * scale), abs=1e-6 * scale)
    assert statistics.p_value(scaled, 2) == pytest.approx(p, abs=1e-6)


def test_power_of_pairs_is_that_of_statsmodels() -> None:
    for n, comparisons in ((3, 1), (5, 3), (10, 2)):
        differences = Sample(n, 0.7, 1.0)
        visible = statistics.visible_in_pairs(differences, comparisons)
        assert visible == pytest.approx(TTestPower().solve_power(None, n, 0.05 / comparisons, 0.8), rel=1e-3)
        needed = statistics.needed_in_pairs(differences, comparisons)
        assert needed == np.ceil(TTestPower().solve_power(0.7, None, 0.05 / comparisons, 0.8))


def made(rng: np.random.Generator, n: int, times: int, deviation: float = 1.0, mean: float = 0.0) -> Sample:
    """Returns the sums of many made arms at once."""
    values = rng.normal(mean, deviation, (times, n))
    return Sample(n, values.mean(axis=1), values.var(axis=1, ddof=1))  # type: ignore[arg-type]


def found_in(one: Sample, other: Sample, comparisons: int) -> float:
    """Returns the share of made comparisons that find a difference."""
    return float(np.mean(statistics.p_value(statistics.welch(one, other), comparisons) < statistics.LEVEL))


@pytest.mark.parametrize(
    ("n", "comparisons", "deviation"), [(2, 1, 1), (3, 1, 1), (3, 4, 1), (5, 3, 1), (5, 1, 3), (10, 4, 0.2)]
)
def test_the_smallest_visible_difference_is_found_in_80_of_100(n: int, comparisons: int, deviation: float) -> None:
    """At n = 5 and three comparisons a noncentral t with Satterthwaite's degrees promises as much and finds 76."""
    visible = statistics.visible(Sample(n, 0.0, 1.0), Sample(n, 0.0, deviation**2), comparisons)
    rng = np.random.default_rng(7)
    found = found_in(made(rng, n, 40_000, mean=visible or 0.0), made(rng, n, 40_000, deviation), comparisons)
    assert found == pytest.approx(0.8, abs=0.007)  # 3.5 standard errors


@pytest.mark.parametrize(("gap", "comparisons"), [(1.0, 1), (1.6, 3), (4.0, 1), (0.3, 1)])
def test_the_seeds_needed_find_it_in_80_of_100_and_one_less_does_not(gap: float, comparisons: int) -> None:
    one, other = Sample(4, gap, 1.0), Sample(4, 0.0, 0.5)
    needed = statistics.needed(one, other, comparisons)
    assert needed is not None
    for n, enough in ((needed, True), (needed - 1, False)):
        visible = statistics.visible(one._replace(n=n), other._replace(n=n), comparisons)
        assert visible is not None and (visible <= gap) == enough


def test_hundreds_of_comparisons_are_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, since a machine may be busy: with more than 30 powers each 199 of them took 0.5 s."""
    counted: list[int] = []
    power = statistics._power
    monkeypatch.setattr(statistics, "_power", lambda *words: counted.append(1) or power(*words))
    chance = np.random.default_rng(0)
    arms = [statistics.sample(list(chance.normal(0.9, 0.01, 5))) for _ in range(50)]
    for other in arms[1:]:
        least = statistics.visible(arms[0], other, 49)
        error = (arms[0].squared_error + other.squared_error) ** 0.5
        found = power((least or 0) / error, *statistics._of_welch(arms[0], other, 0.05 / 49))
        assert found == pytest.approx(0.8, abs=1e-6)
    assert len(counted) <= 12 * 49
    for other in arms[1:]:
        statistics.needed(arms[0], other, 49)
    assert len(counted) <= (12 + 8) * 49


def test_no_number_of_seeds_is_advised_for_nothing() -> None:
    assert statistics.needed(Sample(3, 0.5, 1.0), Sample(3, 0.5, 1.0)) is None
    assert statistics.needed(Sample(3, 0.5001, 1.0), Sample(3, 0.5, 1.0)) is None, "more than ten thousand"
    assert statistics.needed(Sample(3, 1.0, 0.0), Sample(3, 0.5, 0.0)) == 2
    assert statistics.visible(Sample(3, 1.0, 0.0), Sample(3, 0.5, 0.0)) is None


def test_what_few_seeds_see_in_standard_deviations() -> None:
    """What docs/answers.md says."""
    assert [round(statistics.visible_in_deviations(n), 1) for n in (2, 3, 5, 10)] == [10.4, 3.5, 2.1, 1.3]


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("num_arms", [2, 3, 5])
def test_equal_arms_give_at_most_5_false_alarms_in_100_reports(n: int, num_arms: int) -> None:
    """2,000 made reports: against a reference, and of all pairs."""
    rng = np.random.default_rng(n * num_arms)
    arms = [made(rng, n, 2000) for _ in range(num_arms)]
    for pairs in ([(0, other) for other in range(1, num_arms)], list(itertools.combinations(range(num_arms), 2))):
        alarms = [
            statistics.p_value(statistics.welch(arms[one], arms[other]), len(pairs)) < statistics.LEVEL
            for one, other in pairs
        ]
        assert np.any(alarms, axis=0).mean() <= 0.05 + 3 * (0.05 * 0.95 / 2000) ** 0.5


@pytest.mark.parametrize("sizes", [(2, 10), (3, 5), (3, 10), (5, 30), (6, 8), (6, 30), (7, 30), (8, 30), (20, 200)])
def test_arms_of_different_sizes_give_no_more_false_alarms(sizes: tuple[int, int]) -> None:
    """With Satterthwaite's degrees two against ten are wrong in 20 of 100 reports of four comparisons, and six
    against 30 in 8 of 100 of nine.
    """
    rng = np.random.default_rng(3)
    for comparisons, deviation in ((1, 1.0), (4, 1.0), (4, 3.0), (9, 1.0)):
        one, other = made(rng, sizes[0], 40_000, deviation), made(rng, sizes[1], 40_000)
        assert comparisons * found_in(one, other, comparisons) <= 0.05 + 3 * (comparisons * 0.05 / 40_000) ** 0.5


def test_the_expected_best_of_trials() -> None:
    values = [0.3, 0.9, 0.5, 0.7, 0.1]
    best = [np.mean([max(drawn) for drawn in itertools.combinations(values, m)]) for m in (1, 2)]
    worst = [np.mean([min(drawn) for drawn in itertools.combinations(values, m)]) for m in (1, 2)]
    assert statistics.expected_best(values, higher_is_better=True) == pytest.approx(best)
    assert statistics.expected_best(values, higher_is_better=False) == pytest.approx(worst)
    assert statistics.expected_best([0.5], higher_is_better=True) == []


def test_the_error_of_a_test_set() -> None:
    assert statistics.error_of_a_share(0.94, 10_000) == pytest.approx(0.00237, abs=1e-5)
