"""What lies in the folders of a report: runs that count, tuning trials, and what is left out."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlexp.errors import UserError, listed
from dlexp.report.reading.arms import each_once
from dlexp.report.reading.conditions import matching
from dlexp.report.reading.plan import PLAN_FILE, Plan, read_plan, why_unread
from dlexp.report.reading.runs import Run, Trouble, read_runs

# Why a run is left out, in words that follow the name of its folder.
UNNAMED = "lies in the folder of a comparison whose plan names it neither as a final run nor as a trial"
HANDED_ON = "is a stage whose weights were handed on to a later one"


@dataclass(frozen=True)
class Gathered:
    """What lies in the folders of a report: runs that are over, by arm of the plan where there is one.

    elsewhere: by their folders, how many of the runs belong to comparisons whose plan is not that of the report, and
    the plans of these.
    """

    runs: list[Run]
    troubles: list[Trouble]
    plan: Plan | None
    planned: dict[str, list[Run]]
    trials: dict[str, list[Run]]
    num_unfinished: int
    elsewhere: dict[Path, tuple[int, Plan]]


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

    def of_plan(names: Sequence[str], folder: Path) -> list[Run]:
        return [run for name in names if (run := places.get(os.path.realpath(folder / name)))]

    trials = {
        id(run) for folder, each in plans.items() for names in each.trials.values() for run in of_plan(names, folder)
    }
    final = {
        folder: {id(run) for names in each.runs.values() for run in of_plan(list(names.values()), folder)}
        for folder, each in plans.items()
    }
    named = trials.union(*final.values())
    strays = [run for run in found if id(run) not in named and not run.hands_on and plans.keys() & set(_above(run))]
    out = {id(run) for run in strays}
    found = [run for run in found if id(run) not in out]
    ended = {id(run) for run in found if run.is_ended} - trials
    covering = [folder for folder, own in final.items() if ended <= own and _is_within(folder, folders)]
    home = folders[0] if len(folders) == 1 and folders[0] in plans else covering[0] if len(covering) == 1 else None
    plan = None if home is None else plans[home]
    runs = matching([run for run in found if id(run) not in trials], where)
    troubles = [*troubles, *(Trouble(run.folder, UNNAMED) for run in strays if run.is_ended)]
    if any(not run.hands_on for run in runs):  # of stages the last one is the result
        troubles = [*troubles, *(Trouble(run.folder, HANDED_ON) for run in runs if run.hands_on and run.is_ended)]
        runs = [run for run in runs if not run.hands_on]
    done = {run.cell for run in runs if run.is_ended}
    waiting = [run for run in runs if not run.is_ended and run.status != "pruned"]
    planned: dict[str, list[Run]] = {}
    if plan is not None and home is not None:
        left = {id(run) for run in runs if run.is_ended}
        for name in plan.arms:
            own = of_plan(list(plan.runs.get(name, {}).values()), home)
            planned[name] = sorted((run for run in own if id(run) in left), key=lambda run: run.seed)
        runs = sum(planned.values(), [])
    else:
        runs, repeats = each_once(runs)
        troubles = [*troubles, *repeats]
    if not runs:
        raise UserError(f"no run of {listed(folders)} is at its end, so there is nothing to report yet")
    return Gathered(
        runs=runs,
        troubles=troubles,
        plan=plan,
        planned=planned,
        trials={name: of_plan(names, home) for name, names in plan.trials.items()} if plan and home else {},
        num_unfinished=sum(run.cell is None or run.cell not in done for run in waiting),
        elsewhere={
            folder: (count, plans[folder])
            for folder, own in final.items()
            if not plan and (count := sum(id(run) in own for run in runs))
        },
    )


def _is_within(folder: Path, others: Sequence[Path]) -> bool:
    """Returns whether a folder is one of others or lies below one: a part of a comparison is no whole one."""
    place = Path(os.path.realpath(folder))
    return any(place.is_relative_to(os.path.realpath(other)) for other in others)


def _above(run: Run) -> tuple[Path, Path]:
    """Returns the folders in which a comparison may have put a run."""
    return run.folder.parent, run.folder.parent.parent
