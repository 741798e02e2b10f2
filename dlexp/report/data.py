"""An answer as JSON: what `--json` prints and `report.json` holds. Keys of durations begin with `seconds`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from dlexp.records.run_json import as_json
from dlexp.report.answer import Answer, Arm
from dlexp.report.reading import plan
from dlexp.report.reading.runs import Run
from dlexp.report.tree import branches

FORMAT_VERSION = 1


def as_data(answer: Answer) -> dict[str, Any]:
    """Returns an answer as plain data. Values are the metric's own: a share between 0 and 1 where the unit is `%`."""
    found = {
        "format_version": FORMAT_VERSION,
        "title": answer.title,
        "command": answer.command,
        "metric": answer.metric,
        "unit": answer.facts.unit,
        "higher_is_better": answer.facts.higher_is_better,
        "sentences": answer.sentences,
        "method": answer.method,
        "scope": answer.scope,
        "varied": answer.varied,
        "constant": answer.constant,
        "reference": answer.reference,
        "comparisons": answer.comparisons,
        "margin": answer.margin,
        "reach": answer.reach,
        "rows": answer.rows,
        "columns": answer.columns,
        "folds": answer.folds,
        "paired_by": answer.paired_by,
        "exploratory": answer.exploratory,
        "test_samples": answer.num_test,
        "test_error": answer.test_error,
        "arms": [_arm(answer, arm) for arm in answer.arms],
        "differences": [asdict(each) for each in answer.differences],
        "left_out": [{"folder": each.folder.as_posix(), "reason": each.reason} for each in answer.troubles],
        "unfinished": answer.num_unfinished,
        "machine": answer.machine,
        "mixtures": answer.mixtures,
        "plan": None if answer.plan is None else plan.as_data(answer.plan),
        "trials": {name: [_run(run, None) for run in runs] for name, runs in answer.trials.items()},
        "tree": [asdict(each) for each in branches(answer)],
    }
    plain: dict[str, Any] = as_json(found)
    return plain


def _arm(answer: Answer, arm: Arm) -> dict[str, Any]:
    return {
        "name": arm.name,
        "settings": arm.settings,
        "words": arm.words,
        "n": len(arm.values),
        "failed": arm.num_failed,
        "diverged": arm.num_diverged,
        **asdict(arm.interval),
        "std": arm.std,
        "others": {name: asdict(interval) for name, interval in arm.others.items()},
        "reached": arm.reached,
        "parameters": arm.parameters,
        "seconds": arm.seconds,
        "runs": _runs(arm, answer.metric),
    }


def _runs(arm: Arm, metric: str) -> Sequence[dict[str, Any]]:
    values = {id(run): value for run, value in zip(arm.finished, arm.values, strict=True)}
    return [_run(run, values.get(id(run))) for run in arm.runs]


def _run(run: Run, value: float | None) -> dict[str, Any]:
    return {
        "folder": run.folder.as_posix(),
        "seed": run.seed,
        "status": run.status,
        "diverged": run.is_diverged,
        "value": value,
        "metrics": run.metrics,
        "chosen_epoch": run.chosen_epoch,
        "error": run.error,
        "seconds": run.seconds,
    }
