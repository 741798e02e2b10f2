"""The numbers of an answer as its page carries them: those of `--json`, and the curves as columns."""

import itertools
from typing import Any

from dlexp.report.answer import Answer
from dlexp.report.data import as_data
from dlexp.report.reading.numbers import number_in, seconds_in
from dlexp.report.reading.runs import Run

MOST_CURVES, MOST_EPOCHS = 100, 10_000  # of all runs together; of more the curves stay in their folders
DIGITS = 5  # of a curve


def page_data(answer: Answer) -> dict[str, Any]:
    """Returns what a program needs to draw and to test it all again.

    `curves` of a run: for each of its validation metrics a list with a value an epoch, at the epochs and steps of its
    `axis`, a place in `axes`; `seconds`: of training and validation until then.
    """
    found, runs = as_data(answer), [run for arm in answer.arms for run in arm.runs]
    if len(runs) > MOST_CURVES or sum(len(run.epochs) for run in runs) > MOST_EPOCHS:
        return found
    axes: dict[tuple[tuple[int, int], ...], int] = {}
    told = (each for arm in found["arms"] for each in arm["runs"])
    for run, each in zip(runs, told, strict=True):
        axis = tuple((row["epoch"], row["step"]) for row in run.epochs)
        if axis:
            each |= {"axis": axes.setdefault(axis, len(axes)), "curves": _curves(run)}
    found["axes"] = [{"epoch": [epoch for epoch, _ in axis], "step": [step for _, step in axis]} for axis in axes]
    return found


def _curves(run: Run) -> dict[str, list[float | None]]:
    keys = dict.fromkeys(key for row in run.epochs for key in row if key.startswith("val/"))
    curves = {key: [_short(number_in(row, key)) for row in run.epochs] for key in keys}
    return curves | {"seconds": [_short(total) for total in itertools.accumulate(map(seconds_in, run.epochs))]}


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")
