"""`--where KEY=VALUE`: which runs a report or a list is about."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from dlexp.errors import UserError, as_typed, did_you_mean, listed
from dlexp.report.reading.runs import Run


def matching(runs: Sequence[Run], conditions: Iterable[str]) -> list[Run]:
    """Returns the runs that meet every condition, `optimizer=sgd,adam` or `optimizer.lr=0.1`; numbers as numbers.

    Raises:
        UserError: a condition is none, its key is no setting of any run, or no run is left.
    """
    left = list(runs)
    for condition in conditions:
        key, sign, text = condition.partition("=")
        if not sign or not key or not text:
            raise UserError(f"--where {condition}: a condition is typed KEY=VALUE or KEY=VALUE,VALUE")
        known = {each for run in runs for each in run.settings}
        if key not in known:
            raise UserError(f"--where {condition}: no run has a setting '{key}'.{did_you_mean(key, known)}".rstrip("."))
        wanted = [_comparable(value) for value in re.split(r",(?![^\[]*\])", text)]
        met = [run for run in left if _comparable(as_typed(run.settings.get(key))) in wanted]
        if not met:
            values = dict.fromkeys(as_typed(run.settings.get(key)) for run in left)
            raise UserError(f"--where {condition} leaves no run; {key} there is {listed(sorted(values))}")
        left = met
    return left


def _comparable(text: str) -> Any:
    """Returns a value as it is compared: 0.1 and 1e-1 are one number, [3, 64] and [3,64] one list."""
    try:
        return float(text)
    except ValueError:
        return text.replace(" ", "")
