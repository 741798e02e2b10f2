"""What can be said of means from few seeds: t intervals and tests, their power, and their correction for many.

Plain numbers in and out: what is nan or infinite stays outside. The functions that take a `Sample` work for arrays of
means and variances too (the tests' simulations). scipy comes in when the first distribution is asked for, 0.2 s on a
free core: a report of one run has none.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

LEVEL = 0.05  # of false alarms among all comparisons of a report
POWER = 0.8  # what "seen" means: found in 80 of 100 repetitions
SMALL = 5  # up to so many seeds the scatter itself is hardly known
MOST_SEEDS = 10_000  # more are no advice
NODES = 40  # of an integral over a variance: 6 digits of a power


class Sample(NamedTuple):
    """The values of an arm, or the differences of two, summed up; the variance has n − 1 below."""

    n: int
    mean: float
    variance: float

    @property
    def squared_error(self) -> float:
        """Of the mean."""
        return self.variance / self.n


class Estimate(NamedTuple):
    """A difference of means, or a mean, with its standard error and the degrees of freedom of that."""

    value: float
    error: float
    degrees: float


def sample(values: Sequence[float]) -> Sample:
    """Sums up at least one value. Values that differ by no more than rounding have the variance 0."""
    n, mean = len(values), math.fsum(values) / len(values)
    if are_identical(values):
        return Sample(n, mean, 0.0)
    return Sample(n, mean, math.fsum((value - mean) ** 2 for value in values) / (n - 1))


def are_identical(values: Sequence[float], scale: float | None = None) -> bool:
    """Whether values differ by no more than rounding of numbers as large as `scale`, by default the largest here."""
    largest = max(map(abs, values)) if scale is None else scale
    return max(values) - min(values) <= 1e-12 * largest


def of_mean(one: Sample) -> Estimate:
    """Returns a mean of at least two values with its error."""
    return Estimate(one.mean, one.squared_error**0.5, one.n - 1)


def welch(one: Sample, other: Sample) -> Estimate:
    """Returns one mean minus the other without assuming equal variances (Welch 1947), with `degrees_of`.

    At least two values each, and not both variances 0.
    """
    degrees = degrees_of(one, other, one.squared_error, other.squared_error)
    return Estimate(one.mean - other.mean, (one.squared_error + other.squared_error) ** 0.5, degrees)


def degrees_of(one: Sample, other: Sample, error: Any, another: Any) -> Any:
    """Returns the degrees of freedom for squared errors of two means: Satterthwaite's (1946).

    Where the sizes differ, they promise too much: two runs against ten give 10 % of false alarms in place of 5 %, four
    such comparisons 20 %, and nine arms of seven against thirty 7 %. The degrees of the smaller sample never do (Mickey
    and Brown 1966).
    """
    if one.n != other.n:
        return min(one.n, other.n) - 1
    return (error + another) ** 2 / (error**2 / (one.n - 1) + another**2 / (other.n - 1))


def paired(values: Sequence[float], others: Sequence[float]) -> Sample:
    """Returns the differences of pairs, summed up: `of_mean` makes a test of them."""
    differences = [value - other for value, other in zip(values, others, strict=True)]
    scale = max(map(abs, [*values, *others]))
    found = sample(differences)
    return found._replace(variance=0.0) if are_identical(differences, scale) else found


def p_value(found: Estimate, comparisons: int = 1) -> float:
    """Returns how often chance alone shows as much in any of so many comparisons, two-sided (Student, Bonferroni)."""
    from numpy import minimum
    from scipy.special import stdtr

    p: float = minimum(1.0, comparisons * 2 * stdtr(found.degrees, -abs(found.value / found.error)))
    return p


def interval(found: Estimate, level: float = LEVEL, comparisons: int = 1) -> tuple[float, float]:
    """Returns the ends of the 1 − level interval, so wide that all of so many hold together (Bonferroni)."""
    half = quantile(found.degrees, level / comparisons) * found.error
    return found.value - half, found.value + half


def is_within(found: Estimate, margin: float, comparisons: int = 1) -> bool:
    """Whether the true value is shown to lie within ±margin: two one-sided tests (Schuirmann 1987), corrected.

    That is whether the interval of 1 − 2 · LEVEL / comparisons lies there.
    """
    low, high = interval(found, 2 * LEVEL, comparisons)
    return bool(-margin < low and high < margin)


def quantile(degrees: float, level: float) -> float:
    """Returns beyond which |t| lies with the probability `level`."""
    from scipy.special import stdtrit

    found: float = stdtrit(degrees, 1 - level / 2)
    return found


def visible(one: Sample, other: Sample, comparisons: int = 1) -> float | None:
    """Returns the smallest true difference that Welch's test finds with probability POWER at such variances.

    None where both are 0.
    """
    error = (one.squared_error + other.squared_error) ** 0.5
    return None if error == 0 else error * _shift(*_of_welch(one, other, LEVEL / comparisons))


def visible_in_pairs(differences: Sample, comparisons: int = 1) -> float | None:
    """Returns the same of the paired test."""
    error = differences.squared_error**0.5
    return None if error == 0 else error * _shift(*_of_pairs(differences.n, LEVEL / comparisons))


def visible_in_deviations(n: int, comparisons: int = 1) -> float:
    """Returns what Welch's test sees with n seeds an arm, before any run: in standard deviations of a run."""
    found = visible(Sample(n, 0.0, 1.0), Sample(n, 0.0, 1.0), comparisons)
    assert found is not None
    return found


def needed(one: Sample, other: Sample, comparisons: int = 1) -> int | None:
    """Returns how many seeds an arm find this very difference with probability POWER; None beyond MOST_SEEDS."""
    difference = abs(one.mean - other.mean)

    def sees(n: int) -> bool:
        first, second = one._replace(n=n), other._replace(n=n)
        error = (first.squared_error + second.squared_error) ** 0.5
        return error == 0 or _power(difference / error, *_of_welch(first, second, LEVEL / comparisons)) >= POWER

    return _fewest(sees, difference, one.variance + other.variance, comparisons) if difference else None


def needed_in_pairs(differences: Sample, comparisons: int = 1) -> int | None:
    """Returns the same of the paired test."""

    def sees(n: int) -> bool:
        error = differences._replace(n=n).squared_error ** 0.5
        return error == 0 or _power(abs(differences.mean) / error, *_of_pairs(n, LEVEL / comparisons)) >= POWER

    return _fewest(sees, abs(differences.mean), differences.variance, comparisons) if differences.mean else None


def _fewest(sees: Callable[[int], bool], difference: float, variance: float, comparisons: int) -> int | None:
    """Returns the least n that sees, from 2 on: it is looked for around that of normal values with known variances."""
    from scipy.special import ndtri

    shift = ndtri(1 - LEVEL / comparisons / 2) + ndtri(POWER)
    n = max(2, math.ceil(min((shift / difference) ** 2 * variance, MOST_SEEDS)))
    low, high, step = 1, MOST_SEEDS + 1, 1
    while high - low > 1:
        low, high, n = (low, n, n - step) if sees(n) else (n, high, n + step)
        n, step = n if low < n < high else (low + high) // 2, 2 * step
    return high if high <= MOST_SEEDS else None


# A difference is found where |Z + shift| > c · √(U / v): Z is normal, U is χ² of v degrees, and c what the t test asks
# for. Welch's c depends on how the two measured variances share their sum, which is independent of U and follows a beta
# distribution. So the power is an integral over U, and over that share: at n = 5 and three comparisons the usual
# noncentral t with Satterthwaite's degrees promises 80 % where 75.7 % are found, this 80 %.


def _of_welch(one: Sample, other: Sample, level: float) -> tuple[Any, Any]:
    """Returns what |Z + shift| has to exceed, and the weights of these; one of the variances may be 0."""
    from scipy.special import betaincinv

    points, weights = _points()
    degrees = one.n - 1, other.n - 1
    share = betaincinv(degrees[0] / 2, degrees[1] / 2, points)
    parts = one.squared_error * share / degrees[0], other.squared_error * (1 - share) / degrees[1]
    found = degrees_of(one, other, *parts)
    true = one.squared_error + other.squared_error
    asked = quantile(found, level) * ((parts[0] + parts[1]) / true) ** 0.5
    roots, of_roots = _roots_of_chi_square(degrees[0] + degrees[1])
    return asked[:, None] * roots, weights[:, None] * of_roots


def _of_pairs(n: int, level: float) -> tuple[Any, Any]:
    roots, weights = _roots_of_chi_square(n - 1)
    return quantile(n - 1, level) / (n - 1) ** 0.5 * roots, weights


@lru_cache(maxsize=4096)
def _roots_of_chi_square(degrees: float) -> tuple[Any, Any]:
    from scipy.special import gammaincinv

    points, weights = _points()
    return (2 * gammaincinv(degrees / 2, points)) ** 0.5, weights


@cache
def _points() -> tuple[Any, Any]:
    """Returns points between 0 and 1 and their weights in an integral (Gauss and Legendre)."""
    from numpy.polynomial.legendre import leggauss

    points, weights = leggauss(NODES)
    return (points + 1) / 2, weights / 2


def _power(shift: float, asked: Any, weights: Any) -> float:
    """Returns how often a difference of `shift` standard errors is found, with either sign."""
    from scipy.special import ndtr

    return float((weights * (ndtr(shift - asked) + ndtr(-shift - asked))).sum())


def _shift(asked: Any, weights: Any) -> float:
    """Returns the difference in standard errors that is found with probability POWER."""
    low, high, below, side = 0.0, 1.0, -POWER, 0
    while (above := _power(high, asked, weights) - POWER) < 0:
        low, high, below = high, 2 * high, above
    # Regula falsi; an end that stays counts half, which lets the other one come nearer (Illinois).
    while high - low > 1e-7 * high and above > 1e-9:
        middle = (low * above - high * below) / (above - below)
        found = _power(middle, asked, weights) - POWER
        if found >= 0:
            high, above, below, side = middle, found, below / 2 if side > 0 else below, 1
        else:
            low, below, above, side = middle, found, above / 2 if side < 0 else above, -1
    return high


def error_of_a_share(share: float, n: int) -> float:
    """Returns the standard error of a share of right answers that comes from drawing n test samples: √(p(1 − p)/n)."""
    return math.sqrt(share * (1 - share) / n)


def expected_best(values: Sequence[float], higher_is_better: bool) -> list[float]:
    """Returns the expected best of m of these N trials for m = 1 … N/2, drawn without putting back.

    The unbiased U-statistic of Tang et al. 2020 (arXiv 2004.13705), for trials that were drawn independently of their
    results; for m beyond N/2 it hangs on few values.
    """
    ordered = sorted(values, reverse=not higher_is_better)
    n = len(ordered)
    return [
        math.fsum(value * math.comb(rank, m - 1) for rank, value in enumerate(ordered)) / math.comb(n, m)
        for m in range(1, n // 2 + 1)
    ]
