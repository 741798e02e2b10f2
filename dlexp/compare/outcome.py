"""How a comparison turns out otherwise than its plan says: what was known before, tried again, or can't be measured."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dlexp.compare.jobs import seed_of
from dlexp.compare.planning import ENDS
from dlexp.errors import UserError, listed
from dlexp.records.naming import OUTPUTS
from dlexp.report.reading.compared_metric import measurable
from dlexp.report.reading.plan import Plan
from dlexp.sweep.ledger import cells_in, with_others
from dlexp.sweep.stage import Stage

log = logging.getLogger(__name__)


def known(folder: Path | None, plan: Plan, stage: Stage) -> dict[str, list[str]]:
    """Returns by arm what of the final runs has a result that this plan did not lead to: it may have been seen.

    folder: of the plan, None where it has none yet. stage: of all final runs.
    """
    names = {own: job.name for own, job in zip(stage.identities, stage.jobs, strict=True)}
    cells = with_others(cells_in(folder or OUTPUTS, names)[1])
    found = {arm: list(its) for arm, its in plan.known.items()}
    for own, job in zip(stage.identities, stage.jobs, strict=True):
        arm, seed, cell = job.varied["arm"], seed_of(job), cells[own]
        is_over = cell.entry is not None and cell.entry["status"] in ENDS
        is_own = cell.folder.parent == folder and seed in plan.runs.get(arm, {})
        if is_over and not is_own and seed not in found.get(arm, []):
            found.setdefault(arm, []).append(seed)
    return found


def departed(plan: Plan) -> list[str]:
    """Returns what departs from a plan whose final runs are about to be trained: how many were trained for something
    else. That one is tried again after a full disk or a kill departs from nothing: its numbers are the same.
    """
    told = " final runs were not trained for this plan, but found in another folder"
    names = [name for its in plan.runs.values() for name in its.values()]
    found = sum(name.startswith("..") for name in names)
    noted = [each for each in plan.departures if not each.endswith(told)]
    return [*noted, f"{found} of {len(names)}{told}"] if found else noted


def measured(plan: Plan, reports: Sequence[Mapping[str, Any]]) -> Plan:
    """Returns a plan that compares what its final runs could measure: where the data has no test split, figures of
    validation, without that too of the training samples. reports: of the final runs.
    """
    there = {key for found in reports if found["status"] == "finished" for key in found["metrics"]}
    found = measurable(plan.metric, there)
    if found == plan.metric:
        return plan
    log.warning(f"warning: {untested(is_validated=found.startswith('val/'), is_tuned=plan.tuning is not None)}")
    return replace(plan, metric=found)


def refuse_mixed(
    plan: Plan, splits: Mapping[str, Collection[str]], values: Mapping[str, Mapping[int, Mapping[str, Any]]]
) -> None:
    """Raises UserError where only some arms have the split that would be compared.

    splits: of the data of each arm with something left to train, where it is known. values: see `There`.
    """
    split, _, name = plan.metric.partition("/")
    remedies = {"test": "test=false compares all in validation", "val": "data.val_size=0.1 gives each one"}
    for each in ("test", "val") if split == "test" else (split,):
        having = [arm for arm, its in values.items() if any(f"{each}/{name}" in found for found in its.values())]
        having += [arm for arm, its in splits.items() if each in its and arm not in having]
        lacking = [arm for arm, its in splits.items() if each not in its]
        if having and lacking:
            what = "test" if each == "test" else "validation"
            raise UserError(
                f"the data of {listed(lacking)} has no {what} split, and that of {listed(having)} has one: all arms are"
                f" measured alike, or none; {remedies[each]}"
            )
        if having:
            return


def untested(*, is_validated: bool, is_tuned: bool) -> str:
    """Returns on what arms are compared whose data has no test split."""
    if is_validated:
        what = f"validation samples{' that chose their settings, which flatters them' * is_tuned}"
    else:
        what = "samples they were trained on, which says nothing of others"
    return f"the data has no test split, so the arms are compared on the {what}"
