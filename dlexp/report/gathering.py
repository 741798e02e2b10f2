"""What lies in the folders of a report: runs that count, tuning trials, and what is left out."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlexp.errors import UserError, listed
from dlexp.report.arms import counted
from dlexp.report.conditions import matching
from dlexp.report.plan import PLAN_FILE, Plan, read_plan, why_unread
from dlexp.report.runs import Run, Trouble, read_runs


@dataclass(frozen=True)
class Gathered:
    """What lies in the folders of a report: runs that are over, by arm of the plan where there is one."""

    runs: list[Run]
    troubles: list[Trouble]
    plan: Plan | None
    planned: dict[str, list[Run]]
    trials: dict[str, list[Run]]
    num_unfinished: int


def gathered(folders: Sequence[Path], where: Sequence[str]) -> Gathered:
    """Reads the runs, sets tuning trials apart, and counts each experiment once. Where the plan of a comparison can't
    be read its runs are left out: trials would be taken for arms.

    Raises:
        UserError: a folder is not there, no run is left, or none has ended.
    """
    found, troubles = read_runs(folders)
    near = {place for run in found for place in _above(run)} | set(folders)
    reason = "{}, so its tuning trials can't be told from its final runs; without that file all are read as arms"
    unread = {folder: Trouble(folder, reason.format(why)) for folder in near if (why := why_unread(folder))}
    if unread:
        troubles = [*troubles, *(unread[folder] for folder in sorted(unread))]
        found = [run for run in found if not unread.keys() & set(_above(run))]
    if not found:
        raise UserError(*(f"{each.folder} {each.reason}" for each in unread.values()))
    places = {os.path.realpath(run.folder): run for run in found}
    plans = {folder: plan for folder in sorted(near) if (folder / PLAN_FILE).is_file() and (plan := read_plan(folder))}
    plan = plans.get(folders[0]) if len(folders) == 1 else None

    def of_plan(names: Sequence[str], folder: Path) -> list[Run]:
        return [run for name in names if (run := places.get(os.path.realpath(folder / name)))]

    trials = {
        id(run) for folder, each in plans.items() for names in each.trials.values() for run in of_plan(names, folder)
    }
    runs = matching([run for run in found if id(run) not in trials], where)
    done = {run.cell for run in runs if run.is_ended}
    waiting = [run for run in runs if not run.is_ended and run.status != "pruned"]
    planned: dict[str, list[Run]] = {}
    if plan is not None:
        left = {id(run) for run in runs if run.is_ended}
        for name in plan.arms:
            own = of_plan(list(plan.runs.get(name, {}).values()), folders[0])
            planned[name] = sorted((run for run in own if id(run) in left), key=lambda run: run.seed)
        runs = sum(planned.values(), [])
    else:
        runs, repeats = counted(runs)
        troubles = [*troubles, *repeats]
    if not runs:
        raise UserError(f"no run of {listed(folders)} is at its end, so there is nothing to report yet")
    return Gathered(
        runs=runs,
        troubles=troubles,
        plan=plan,
        planned=planned,
        trials={name: of_plan(names, folders[0]) for name, names in plan.trials.items()} if plan else {},
        num_unfinished=sum(run.cell is None or run.cell not in done for run in waiting),
    )


def _above(run: Run) -> tuple[Path, Path]:
    """Returns the folders in which a comparison may have put a run."""
    return run.folder.parent, run.folder.parent.parent
