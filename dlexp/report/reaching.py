"""When a run first reaches a value in validation: `--reach`."""

from dlexp.console.wording import in_unit
from dlexp.metric import Metric
from dlexp.report.runs import Run, number_in, seconds_in


def reached(run: Run, metric: str, value: float, facts: Metric) -> dict[str, float] | None:
    """Returns after how many epochs, steps and seconds of training and validation a run first reaches a value.

    value: in the unit shown, of the validation metric that is called like the compared one. None: it never does.
    """
    key, seconds = f"val/{metric.partition('/')[2]}", 0.0
    for row in run.epochs:
        seconds += seconds_in(row)
        found = number_in(row, key)
        if found is not None and (
            in_unit(found, facts) >= value if facts.higher_is_better else in_unit(found, facts) <= value
        ):
            return {"epochs": row["epoch"], "steps": row["step"], "seconds": seconds}
    return None
