"""Which metric a report compares, and what that is."""

from collections import Counter
from collections.abc import Collection, Sequence

from dlexp.console.wording import TRAINED_ON
from dlexp.errors import UserError, did_you_mean, listed
from dlexp.metric import LOSS, Metric
from dlexp.report.reading.runs import Run, Trouble


def chosen(runs: Sequence[Run], asked: str | None) -> str:
    """Returns the key of the metrics that is compared.

    Raises:
        UserError: no finished run has it.
    """
    finished = [run for run in runs if run.is_finished and not run.is_diverged]
    there = Counter(key for run in finished for key in run.metrics)
    if asked is not None and "/" in asked:
        found = asked
    else:
        chose = Counter(run.metric for run in finished or runs if run.metric)
        name = asked or (chose.most_common(1)[0][0].partition("/")[2] if chose else "")
        own = [run for run in finished if asked or (run.metric or "").partition("/")[2] == name]
        test, split = f"test/{name}", f"val/{name}"
        is_tested = bool(own) and all(test in run.metrics for run in own)
        found = next(
            (key for key in (test, split, f"trained_on/{name}") if is_tested or key != test if key in there), split
        )
    if there and found not in there:
        names = there if "/" in found and asked == found else {key.partition("/")[2]: None for key in there}
        near = did_you_mean(asked or found, names)
        raise UserError(f"no run has the metric {asked or found!r}.{near} There are: {listed(sorted(there))}")
    return found


def measurable(metric: str, there: Collection[str]) -> str:
    """Returns what stands for the planned metric where the data has no test split: that of validation, without it of
    the training samples. there: the keys of all that finished runs measured.
    """
    split, _, name = metric.partition("/")
    found = next((key for each in ("test", "val", TRAINED_ON) if (key := f"{each}/{name}") in there), metric)
    return found if split == "test" else metric


def facts_of(runs: Sequence[Run], metric: str) -> Metric:
    """Returns unit and direction of a metric.

    Raises:
        UserError: the runs do not tell, or do not agree.
    """
    name = metric.partition("/")[2]
    found = {(each.unit, each.higher_is_better): each for run in runs if (each := run.measures.get(name))}
    if len(found) == 1:
        return next(iter(found.values()))
    if not any(run.is_finished for run in runs):  # nothing will be compared
        return LOSS
    why = "do not agree on" if found else "do not say"
    raise UserError(f"the runs {why} unit and direction of {metric!r}, so it can't be compared; --metric names another")


def having(runs: Sequence[Run], metric: str) -> tuple[list[Run], list[Trouble]]:
    """Returns the runs without those that finished and never measured the metric, and these."""
    lacking = [run for run in runs if run.is_finished and not run.is_diverged and metric not in run.metrics]
    out = {id(run) for run in lacking}
    return [run for run in runs if id(run) not in out], [Trouble(run.folder, f"has no {metric}") for run in lacking]
