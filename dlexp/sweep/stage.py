"""A stage: jobs that are known together. All are checked, and what the ledger does not hold yet is trained.

A sweep is one stage; a search or a comparison is several, each made from what the one before it found.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dlexp.config import words
from dlexp.config.build import build
from dlexp.config.check import check
from dlexp.config.compose import composing, problems_of
from dlexp.config.composed import Composed
from dlexp.config.problems import group_problems
from dlexp.data.stream.kept_figures import keeping_nothing
from dlexp.errors import UserError, listed
from dlexp.experiment.identity import Identity, identity
from dlexp.machine.signals import StopRequested, exit_code_of, obey_what_was_put_off
from dlexp.records.naming import OUTPUTS, refuse_files
from dlexp.records.run_json import read_entry
from dlexp.sweep.announcement import in_short, tell_plan
from dlexp.sweep.grid import Job
from dlexp.sweep.launchers.launcher import Launcher, Watcher, is_here, launch_from
from dlexp.sweep.launchers.supply import Trials
from dlexp.sweep.ledger import Cell, open_ledger, read_own, with_others
from dlexp.sweep.table import report

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stage:
    """Jobs that were composed and checked, in one order: what each is made from, and what makes it the same run again.

    launcher: has begun to load torch; None: a dry run, where it can't start jobs here.
    """

    jobs: Sequence[Job]
    runs: Sequence[Composed]
    identities: Sequence[Identity]
    launcher: Launcher | None


@dataclass(frozen=True)
class Part:
    """What a stage is told that is one of several, as in a comparison or a search.

    folder: that of the ledger; None: a new one, or with `seeks` the one that a sweep would find. is_done: whether a
    cell is not to be trained any more. takes_others: whether a ledger under outputs/ takes runs where they are that
    are finished elsewhere there. trials: has more jobs. claim: see `open_ledger`.
    """

    folder: Path | None
    watcher: Watcher | None
    is_done: Callable[[Cell], bool]
    takes_others: bool = False
    trials: Trials | None = None
    seeks: bool = False
    claim: Callable[[Path | None], Path | None] | None = None


@dataclass(frozen=True)
class Ended:
    """The end of a stage: the ledger's folder, folder and report (see `report`) of each job, what signal ended it."""

    folder: Path
    folders: list[Path]
    reports: list[dict[str, Any]]
    stop: KeyboardInterrupt | StopRequested | None
    is_search: bool = False
    was_done: bool = False  # before, all of its jobs

    @property
    def exit_code(self) -> int:
        """0 where no job failed: all are finished, or go on elsewhere. A search needs one that did not."""
        if self.stop is not None:
            return exit_code_of(self.stop)
        failed = [each["status"] not in ("finished", "pending", "running") for each in self.reports]
        return int(all(failed) if self.is_search else any(failed))


def train(stage: Stage, name: str, part: Part | None = None) -> Ended:
    """Trains what of a stage is not done yet, in the folder of its ledger (see `open_ledger`): `name`, where it is new.

    part: of what it is one, where it is not all.

    Raises:
        UserError: no job was started.
    """
    assert stage.launcher is not None
    obey_what_was_put_off()
    launcher, jobs, runs, identities = stage.launcher, stage.jobs, stage.runs, stage.identities
    first = {own: identities.index(own) for own in identities}  # of the jobs that are one cell
    names = {own: jobs[index].name for own, index in first.items()}
    place, anew = runs[0].sweep_place, runs[0].config["rerun"]
    if part is not None and not part.seeks:
        place, anew = part.folder, part.folder is None
    claim = part.claim if part is not None else None
    folder, cells, take_back = open_ledger(place, name, names, anew=anew, claim=claim)
    if part is not None and part.takes_others and folder.parent == OUTPUTS:
        cells = with_others(cells)
    is_done = part.is_done if part is not None else lambda cell: cell.is_done
    todo = {own: runs[index] for own, index in first.items() if not is_done(cells[own])}
    try:
        folders = [cells[own].folder for own in identities]
        trials = part.trials if part is not None else None
        if trials is not None:
            trials.opened(folder, folders, [(run, cells[own].folder) for own, run in todo.items()])
        if part is not None and part.watcher is not None:
            launcher.watcher = part.watcher
            part.watcher.opened(folder, folders, len(jobs) - len(todo))
        else:
            count = len(jobs) if trials is None else trials.total
            log.info(in_short(count, len(todo) if trials is None else count - trials.num_done, folder))
        underway = _underway(launcher, todo, cells)
        tell_plan({own: each for own, each in cells.items() if own not in underway}, todo)
        reasons = _launch(launcher, todo, cells, trials)
    except (UserError, OSError):
        take_back()
        raise
    underway = _underway(launcher, todo, cells)
    reports = [
        report(read_own(own, place), cells[own].entry, reasons.get(place), underway.get(own))
        for own, place in zip(identities, folders, strict=True)
    ]
    for place in trials.added if trials is not None else ():
        folders.append(place)
        reports.append(report(read_entry(place), None, reasons.get(place)))
    if not underway and len(todo) == len(first):
        take_back()
    stop = next((r for r in reasons.values() if isinstance(r, KeyboardInterrupt | StopRequested)), None)
    return Ended(folder, folders, reports, stop, was_done=not todo)


def checked(jobs: Sequence[Job], read: words.Words, begins: str | None = None) -> Stage:
    """Composes and checks jobs that come from the words of one command line; a launcher begins to load torch meanwhile.

    begins: what is said once the words are known to be right, before torch is loaded here.

    Raises:
        UserError: lists what is wrong with them; says that none has started.
    """
    try:
        return composed_stage(jobs, read, begins)
    except UserError as error:
        raise UserError(f"{error}\nno job was started") from None


def composed_stage(jobs: Sequence[Job], read: words.Words, begins: str | None = None) -> Stage:
    """Does what `checked` does, beside jobs that run already."""
    runs, launcher = _composed(jobs, read, begins)
    known: dict[str, str | None] = {}
    is_dry = runs[0].config["dry_run"]
    with keeping_nothing() if is_dry else nullcontext():
        identities = [identity(run.config, known, may_load=not is_dry) for run in runs]
    _refuse_repetitions(jobs, runs, [each.cell for each in identities])
    return Stage(jobs, runs, identities, launcher)


def _composed(jobs: Sequence[Job], read: words.Words, begins: str | None) -> tuple[list[Composed], Launcher | None]:
    """Returns what each job is composed to, checked, and the launcher as `_begun` does.

    Raises:
        UserError: lists what is wrong, with the jobs it concerns.
    """
    words.refuse_place(read, "hydra.run.dir", "is the folder of one run; hydra.sweep.dir= is a sweep's")
    found: dict[str, list[str]] = {}
    runs: dict[str, Composed] = {}
    launcher: Launcher | None = None
    with composing(read.folders, words.as_said(read, (each for job in jobs for each in job.overrides))) as compose:
        for job in jobs:
            run, problems = compose(job.overrides)
            if run is not None:
                refuse_files(run.sweep_place or OUTPUTS, "hydra.sweep.dir")
            for problem in problems_of(run, problems, read):
                found.setdefault(problem, []).append(job.name)
            if run is not None and not problems:
                launcher = launcher if runs or found else _begun(run)
                runs[job.name] = replace(run, varied=job.varied)
    if begins is not None and not found:
        log.info(begins)
    for name, run in runs.items() if not found else ():
        try:
            check(run.config, is_here=is_here(run.config), made_from=run.made_from)
        except UserError as error:
            for problem in error.problems:
                found.setdefault(problem, []).append(name)
    if found:
        where = {each: "" if len(names) == len(jobs) else f" (in {listed(names, 3)})" for each, names in found.items()}
        raise UserError(*(problem + where[problem] for problem in found))
    return list(runs.values()), launcher


def _begun(run: Composed) -> Launcher | None:
    """Returns the launcher, which has begun to load torch; a dry run only says what one has against starting jobs here.

    Raises:
        UserError: it is none, or can't start jobs here.
    """
    problems = group_problems("launcher", run.config["launcher"])
    if problems:
        raise UserError(*problems)
    try:
        launcher: Launcher = build(run.config["launcher"], run.config, launcher=True)
    except UserError as error:
        if not run.config["dry_run"]:
            raise
        log.warning(f"warning: {error}")
        return None
    if not run.config["dry_run"]:
        launcher.begin()
    return launcher


def _refuse_repetitions(jobs: Sequence[Job], runs: Sequence[Composed], hashes: Sequence[str]) -> None:
    """Raises UserError where jobs differ only in what changes no result: they are one cell, which trains once."""
    keys: dict[str, None] = {}
    for job, run, hashed in zip(jobs, runs, hashes, strict=True):
        first = hashes.index(hashed)
        if run.config != runs[first].config:
            keys |= {key: None for key, value in job.varied.items() if value != jobs[first].varied[key]}
    if keys:
        repeated = [f"{key}={','.join(dict.fromkeys(each.varied[key] for each in jobs))}" for key in keys]
        raise UserError(
            f"jobs that differ only in {' '.join(repeated)} are one experiment, which a sweep trains once;"
            " start them one by one, each with hydra.run.dir= of its own"
        )


def _underway(launcher: Launcher, jobs: Collection[Identity], cells: Mapping[Identity, Cell]) -> dict[Identity, str]:
    """Returns `pending` or `running` for those of the jobs that go on without this process."""
    states = launcher.underway([cells[own].folder for own in jobs])
    return {own: state for own, state in zip(jobs, states, strict=True) if state is not None}


def _launch(
    launcher: Launcher, jobs: Mapping[Identity, Composed], cells: Mapping[Identity, Cell], trials: Trials | None
) -> Mapping[Path, BaseException | None]:
    """Starts the jobs; returns for each by its folder why it did not finish, None where its record tells.

    Raises:
        UserError: no job was started.
    """
    folders = [cells[own].folder for own in jobs]
    ends: Sequence[BaseException | None]
    try:
        if trials is not None:
            return launch_from(launcher)(trials, trials.total)
        ends = launcher.launch(list(jobs.values()), folders, len(cells)) if jobs else []
    except UserError:
        raise
    except (KeyboardInterrupt, StopRequested, Exception) as error:  # the table still tells how far the jobs came
        if isinstance(error, Exception):
            log.error("the launcher lost its jobs", exc_info=True)
        ends = [error] * len(jobs)
    return dict(zip(folders, ends, strict=True))
