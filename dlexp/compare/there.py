"""What of a comparison is there before it goes on, in its own folder or another one, and what is left to train."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dlexp.compare import tuning
from dlexp.compare.jobs import final_jobs, trial_jobs
from dlexp.compare.question import Question
from dlexp.config.composed import Composed
from dlexp.records.naming import OUTPUTS
from dlexp.records.run_json import is_diverged
from dlexp.report.reading.plan import Plan
from dlexp.sweep.ledger import Cell, cells_in, with_others
from dlexp.sweep.stage import Stage, checked

Kind = tuple[str, str]  # an arm, and `trials` or `finals`


@dataclass(frozen=True)
class There:
    """trials, finals: what is left to train of each arm, by which its time is told: before settings are chosen with the
    arm's own optimizer. num_there: trainings that are over, num_elsewhere of them in other folders. values: the metrics
    of final runs that have finished, by arm and seed.
    """

    trials: Mapping[str, list[Composed]]
    finals: Mapping[str, list[Composed]]
    num_there: int
    num_elsewhere: int
    values: Mapping[str, dict[int, dict[str, Any]]]

    def num_of_each(self) -> dict[Kind, int]:
        """Returns how many trials and how many final runs of each arm are left."""
        kinds = {"trials": self.trials, "finals": self.finals}
        return {(arm, kind): len(runs) for kind, its in kinds.items() for arm, runs in its.items()}

    def first_of_each(self) -> dict[Kind, Composed]:
        """Returns of each arm one of the trials and one of the final runs that are left."""
        kinds = {"trials": self.trials, "finals": self.finals}
        return {(arm, kind): runs[0] for kind, its in kinds.items() for arm, runs in its.items() if runs}

    @property
    def num_left(self) -> int:
        """How many trainings are left."""
        return sum(map(len, [*self.trials.values(), *self.finals.values()]))


def is_settled(cell: Cell) -> bool:
    """Returns whether a run needs no more training: it finished, or its loss became no number: a result too."""
    return cell.is_done or (cell.entry is not None and is_diverged(cell.entry))


def look(question: Question, plan: Plan, runs: Mapping[str, Composed], folder: Path | None, *, anew: bool) -> There:
    """Looks what is there of a plan. runs: what each arm is before tuning. folder: of the plan, None where it has none
    yet. anew: runs of other folders are not taken.

    Raises:
        UserError: a job of the next stage can't be trained.
    """
    if plan.tuning is not None and not plan.tuning.is_over:
        tried = {arm: tuning.trials(plan.tuning, arm, run.config) for arm, run in runs.items()}
        stage = checked(trial_jobs(question, tried), question.read)
        left, cells = _left(stage, folder, anew=anew)
        # At a rate that is tried a training may diverge, and would not tell how long others take.
        own = {arm: {"optimizer": run.config["optimizer"]} for arm, run in runs.items()}
        left = {arm: [replace(run, config=run.config | own[arm]) for run in its] for arm, its in left.items()}
        finals = {arm: [run] * len(plan.seeds) * max(1, len(question.folds)) for arm, run in runs.items()}
        return There(left, finals, *_counts(cells, folder), {})
    stage = checked(final_jobs(question, plan), question.read)
    left, cells = _left(stage, folder, anew=anew)
    num_there, num_elsewhere = _counts(cells, folder)
    values: dict[str, dict[int, dict[str, Any]]] = {arm: {} for arm in runs}
    for job, cell in zip(stage.jobs, cells, strict=True):
        if cell.is_done and cell.entry is not None:
            values[job.varied["arm"]][int(job.varied["seed"])] = cell.entry["metrics"]
    num_trials = sum(map(len, plan.trials.values()))  # one that failed is not tried again once settings are chosen
    return There({}, left, num_there + num_trials, num_elsewhere, values)


def _left(stage: Stage, folder: Path | None, *, anew: bool) -> tuple[dict[str, list[Composed]], list[Cell]]:
    """Returns by arm what of a stage is to be trained, as `Course` will find it, and the cells of all of it."""
    names = {own: job.name for own, job in zip(stage.identities, stage.jobs, strict=True)}
    cells = {own: Cell(Path(name), None, {}) for own, name in names.items()}
    if folder is not None:
        cells = cells_in(folder, names)[1]
    if not anew and (folder is None or folder.parent == OUTPUTS):
        cells = with_others(cells)
    found = [cells[own] for own in stage.identities]
    left: dict[str, list[Composed]] = {}
    for job, run, cell in zip(stage.jobs, stage.runs, found, strict=True):
        if not is_settled(cell):
            left.setdefault(job.varied["arm"], []).append(run)
    return left, found


def _counts(cells: list[Cell], folder: Path | None) -> tuple[int, int]:
    over = [cell for cell in cells if is_settled(cell)]
    return len(over), sum(cell.folder.parent != folder for cell in over)
