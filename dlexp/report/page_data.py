"""The numbers of an answer as a page carries them: plain data, with curves as columns."""

from typing import Any

from dlexp.report.answer import Answer, Arm
from dlexp.report.runs import Run

MOST_CURVES = 200  # runs; of more the curves stay in their folders
DIGITS = 6


def page_data(answer: Answer) -> dict[str, Any]:
    """Returns what a program needs to draw and to test it all again.

    Shares are between 0 and 1. `curves` of a run: a list for each of its numbers, a value an epoch.
    """
    num_runs = sum(len(arm.runs) for arm in answer.arms)
    return {
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
        "test_error": _short(answer.test_error),
        "arms": [_arm(arm, with_curves=num_runs <= MOST_CURVES) for arm in answer.arms],
        "differences": [{key: _short(value) for key, value in vars(each).items()} for each in answer.differences],
        "trials": {name: [_run(run, with_curves=False) for run in runs] for name, runs in answer.trials.items()},
        "curves_left_out": num_runs > MOST_CURVES,
        "left_out": [{"folder": str(each.folder), "reason": each.reason} for each in answer.troubles],
    }


def _arm(arm: Arm, *, with_curves: bool) -> dict[str, Any]:
    return {
        "name": arm.name,
        "settings": arm.settings,
        "n": len(arm.values),
        "failed": arm.num_failed,
        "diverged": arm.num_diverged,
        "values": arm.values,
        **{key: _short(value) for key, value in vars(arm.interval).items()},
        "std": _short(arm.std),
        "parameters": arm.parameters,
        "seconds": arm.seconds,
        "runs": [_run(run, with_curves=with_curves) for run in arm.runs],
    }


def _run(run: Run, *, with_curves: bool) -> dict[str, Any]:
    found = {
        "seed": run.seed,
        "state": "diverged" if run.is_diverged else run.status,
        "folder": str(run.folder),
        "seconds": run.seconds,
        "chosen_epoch": run.chosen_epoch,
        "metrics": {key: _short(value) for key, value in run.metrics.items()},
    }
    if with_curves and run.epochs:
        keys = dict.fromkeys(
            key
            for row in run.epochs
            for key in row
            if key.startswith(("epoch", "step", "val/", "time/train", "time/val", "train/loss"))
        )
        found["curves"] = {key: [_short(row.get(key)) for row in run.epochs] for key in keys}
    return found


def _short(value: Any) -> Any:
    """Returns a number with as many digits as a picture shows; what is no finite number as None."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if abs(value) < float("inf") else None
    return value
