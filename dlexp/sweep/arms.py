"""What the seeds of a sweep say together: the mean of each arm, with its interval."""

from collections.abc import Mapping, Sequence
from statistics import median_low
from typing import Any

from dlexp.console.wording import TRAINED_ON, decimals, gap, in_unit, number, unit, unit_of_difference
from dlexp.metric import LOSS, Metric, read_facts
from dlexp.report.answer import Interval
from dlexp.report.shown import Shown
from dlexp.report.statistics import are_identical, interval, of_mean, sample
from dlexp.sweep.table import FOLD, SEED, Rows, best_marks, in_columns, lines_of, shared_metric

GAP = "gap"
MEANING = "± half of the 95 % interval over seeds, of each arm alone; the report compares them"


def arms_table(rows: Rows) -> str:
    """Returns the means of jobs that differ in the seed alone, the best in validation first (where nothing validated
    in the order of the jobs), those with a failed job
    last, with the mean gap where the training samples were evaluated; nothing where no seed varies, folds do, or jobs
    can't be compared.
    """
    metric, keys = shared_metric(rows), [key for key in rows[0][0] if key != SEED]
    if metric is None or FOLD in keys or SEED not in rows[0][0]:
        return ""
    name = metric.partition("/")[2]
    known = (read_facts(found.get("measures", {})) for _, found in rows)
    facts = next((own[name] for own in known if name in own), LOSS)
    arms: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for varied, found in rows:
        metrics = found["metrics"] | {GAP: gap(found["metrics"], name, facts)}
        arms.setdefault(tuple(varied[key] for key in keys), []).append({**found, "metrics": metrics})
    if all(len(reports) == 1 for reports in arms.values()):
        return ""
    there = [*(f"{split}/{name}" for split in ("val", "test", TRAINED_ON)), GAP]
    all_of = [found["metrics"] for reports in arms.values() for found in reports]
    columns = [key for key in there if any(metrics.get(key) is not None for metrics in all_of)]
    means = {key: {arm: _mean(reports, key) for arm, reports in arms.items()} for key in columns}
    if not columns:
        return ""
    leading, none = columns[0], Interval(None, None, None)  # without validation what was tested, or trained on
    lefts = {arm: _left(reports, leading) for arm, reports in arms.items()}
    ranks = {arm: _rank(means.get(metric, {}).get(arm, none).mean, lefts[arm], facts) for arm in arms}
    order = sorted(arms, key=lambda arm: ranks[arm])
    marks = best_marks([ranks[arm] for arm in order], [found for _, found in rows])
    cells = [[*keys, *columns, "seeds", ""]]
    for arm, mark in zip(order, marks, strict=True):
        told = [_told(means[key][arm], facts, list(means[key].values()), key == GAP) for key in columns]
        left, num = lefts[arm], len(arms[arm])
        same = ", the same in every seed" if _is_same(arms[arm], leading) else ""
        cells.append([*arm, *told, f"{num - left} of {num}" if left else f"{num}", f"{mark}{same}".removeprefix(", ")])
    has_interval = any(each.low is not None for each in means[leading].values())
    return in_columns(cells) + lines_of([MEANING] if has_interval else [])


def _mean(reports: list[dict[str, Any]], key: str) -> Interval:
    """Returns the mean of the jobs that finished; of less than two values, and of equal ones, without an interval."""
    values = [found["metrics"][key] for found in reports if _has_ended(found, key)]
    if len(values) < 2 or are_identical(values):
        return Interval(values[0] if values else None, None, None)
    found = of_mean(sample(values))
    return Interval(found.value, *map(float, interval(found)))


def _is_same(reports: list[dict[str, Any]], key: str) -> bool:
    values = [found["metrics"][key] for found in reports if _has_ended(found, key)]
    return len(values) > 1 and are_identical(values)


def _half(mean: Interval) -> float | None:
    return None if mean.low is None or mean.high is None else (mean.high - mean.low) / 2


def _told(mean: Interval, facts: Metric, column: Sequence[Interval], is_gap: bool) -> str:
    """Returns `96.8 ± 1.9 %`, with two digits of the column's median interval; of a gap `+3.0 ± 0.2 points`."""
    if mean.mean is None:
        return "-"
    halves = [in_unit(half, facts) for each in column if (half := _half(each)) is not None]
    told = Shown("", facts, decimals(median_low(halves))).mean(mean) if halves else number(mean.mean, facts)
    return f"{'+' * (mean.mean > 0)}{told.removesuffix(unit(facts))}{unit_of_difference(facts)}" if is_gap else told


def _has_ended(found: Mapping[str, Any], key: str) -> bool:
    return found["status"] == "finished" and found["metrics"].get(key) is not None


def _left(reports: list[dict[str, Any]], key: str) -> int:
    """Returns how many jobs did not finish with a number."""
    return sum(not _has_ended(found, key) for found in reports)


def _rank(mean: float | None, left: int, facts: Metric) -> tuple[int, float]:
    """Returns what arms are sorted by; one that is not whole is no best one."""
    return (1 if left or mean is None else 0, 0.0 if mean is None else -mean if facts.higher_is_better else mean)
