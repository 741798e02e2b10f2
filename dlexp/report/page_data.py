"""The numbers of an answer as a page carries them: plain data, with curves as columns."""

import itertools
import math
from collections.abc import Mapping
from typing import Any

from dlexp.report.answer import Answer, Arm
from dlexp.report.runs import Run

MOST_CURVES, MOST_EPOCHS = 100, 10_000  # of all runs together; of more the curves stay in their folders
DIGITS = 5  # of a curve


def page_data(answer: Answer) -> dict[str, Any]:
    """Returns what a program needs to draw and to test it all again.

    Shares are between 0 and 1. `curves` of a run: for each of its numbers a list with a value an epoch, at the epochs
    and steps of its `axis`, a place in `axes`. Durations stand under keys that begin with `seconds`.
    """
    runs = [run for arm in answer.arms for run in arm.runs]
    with_curves = len(runs) <= MOST_CURVES and sum(len(run.epochs) for run in runs) <= MOST_EPOCHS
    axes: dict[tuple[tuple[int, int], ...], int] | None = {} if with_curves else None
    found = {
        "title": answer.title,
        "command": answer.command,
        "metric": answer.metric,
        "unit": answer.facts.unit,
        "higher_is_better": answer.facts.higher_is_better,
        "sentences": answer.sentences,
        "method": answer.method,
        "scope": answer.scope,
        "reference": answer.reference,
        "comparisons": answer.comparisons,
        "margin": answer.margin,
        "test_error": answer.test_error,
        "arms": [_arm(arm, axes) for arm in answer.arms],
        "differences": [vars(each) for each in answer.differences],
        "trials": {name: [_run(run, None) for run in runs] for name, runs in answer.trials.items()},
        "axes": None if axes is None else [dict(zip(("epoch", "step"), zip(*axis, strict=True))) for axis in axes],
        "left_out": [{"folder": each.folder, "reason": each.reason} for each in answer.troubles],
    }
    plain: dict[str, Any] = _plain(found)
    return plain


def _arm(arm: Arm, axes: dict[tuple[tuple[int, int], ...], int] | None) -> dict[str, Any]:
    return {
        "name": arm.name,
        "settings": arm.settings,
        "n": len(arm.values),
        "failed": arm.num_failed,
        "diverged": arm.num_diverged,
        "values": arm.values,
        **vars(arm.interval),
        "std": arm.std,
        "parameters": arm.parameters,
        "seconds": arm.seconds,
        "runs": [_run(run, axes) for run in arm.runs],
    }


def _run(run: Run, axes: dict[tuple[tuple[int, int], ...], int] | None) -> dict[str, Any]:
    found = {
        "seed": run.seed,
        "state": "diverged" if run.is_diverged else run.status,
        "folder": run.folder,
        "seconds": run.seconds,
        "chosen_epoch": run.chosen_epoch,
        "metrics": run.metrics,
    }
    if axes is not None and run.epochs:
        axis = tuple((row["epoch"], row["step"]) for row in run.epochs)
        keys = dict.fromkeys(key for row in run.epochs for key in row if key.startswith("val/"))
        curves = {key: [_short(row.get(key)) for row in run.epochs] for key in keys}
        found |= {"axis": axes.setdefault(axis, len(axes)), "curves": curves | {"seconds": _seconds(run)}}
    return found


def _seconds(run: Run) -> list[float]:
    """Returns the seconds of training and validation until the end of each epoch."""
    parts = ([row.get(f"time/{part}") for part in ("train", "val")] for row in run.epochs)
    spent = (sum(part for part in each if isinstance(part, int | float)) for each in parts)
    return [float(f"{total:.{DIGITS}g}") for total in itertools.accumulate(spent)]


def _short(value: Any) -> float | None:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, int | float) else None


def _plain(value: Any) -> Any:
    """Returns what JSON holds: None for a number that is not finite, and words for what it does not know."""
    if isinstance(value, bool | str | int | None):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else str(value)
