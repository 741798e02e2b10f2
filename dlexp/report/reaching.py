"""When a run first reaches a value in validation: `--reach`."""

from dataclasses import replace

from dlexp.console.wording import in_unit
from dlexp.errors import UserError
from dlexp.metric import Metric
from dlexp.report.answer import Arm
from dlexp.report.reading.numbers import number_in, seconds_in
from dlexp.report.reading.runs import Run


def with_reached(arms: list[Arm], metric: str, value: float | None, facts: Metric) -> list[Arm]:
    """Returns the arms with when their runs first reached a value, if any; none of a run whose epochs validate nothing.

    Raises:
        UserError: no run at all validates.
    """
    if value is None:
        return arms
    key = f"val/{metric.partition('/')[2]}"

    def validates(run: Run) -> bool:
        return any(number_in(row, key) is not None for row in run.epochs)

    if not any(validates(run) for arm in arms for run in arm.runs):
        raise UserError(f"--reach {value:g}: no run has {key} after an epoch, so when one reached it is not known")
    return [
        replace(
            arm, reached=[reached(run, metric, value, facts) for run in arm.runs if validates(run) or not run.epochs]
        )
        for arm in arms
    ]


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
