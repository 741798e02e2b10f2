"""The course of a comparison: trials, more of them where a range ended too early, final runs; what is there stays."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dlexp.compare import tuning
from dlexp.compare.jobs import final_jobs, seed_of, trial_jobs
from dlexp.compare.outcome import departed, known
from dlexp.compare.planning import stored
from dlexp.compare.progress import Progress
from dlexp.compare.question import Question
from dlexp.compare.there import is_settled
from dlexp.config.composed import Composed
from dlexp.console.wording import named
from dlexp.errors import UserError, listed
from dlexp.metric import read_facts
from dlexp.records.run_json import is_diverged, read_entry
from dlexp.report.reading.plan import Plan, write_plan
from dlexp.search.space import Proposal, edges, in_words
from dlexp.sweep.grid import Job
from dlexp.sweep.ledger import Cell
from dlexp.sweep.stage import Ended, Part, Stage, checked, train

log = logging.getLogger(__name__)


class Unfinished(Exception):
    """Some trainings of a stage did not come to their end, or go on elsewhere: what they would tell is missing."""

    def __init__(self, ended: Ended, why: str) -> None:
        super().__init__(why)
        self.ended = ended


class Course:
    """A comparison on its way through its stages; it is told how each goes, and keeps the plan that is stored.

    folder: where the plan is or will be; None: a new one, `name`. runs: what each arm is before tuning.
    problems: see `tuning.Problems`. anew: runs that are there already are not taken.
    """

    def __init__(
        self,
        question: Question,
        plan: Plan,
        runs: Mapping[str, Composed],
        problems: tuning.Problems,
        progress: Progress,
        *,
        folder: Path | None,
        name: str,
        anew: bool,
    ) -> None:
        self.plan, self.folder = plan, folder
        self._question, self._runs, self._problems, self._progress = question, runs, problems, progress
        self._name, self._anew = name, anew
        self._stage: Stage | None = None
        self._before: dict[Path, dict[str, Any] | None] = {}  # the records as they were before a stage

    def run(self) -> Ended:
        """Trains what is missing of all stages; returns how the final runs ended.

        Raises:
            Unfinished: the same command goes on.
            UserError: no job of a stage could start, or nothing of an arm's trials can be chosen.
        """
        if self.plan.tuning is not None and not self.plan.tuning.is_over:
            self._tune()
        return self._train(final_jobs(self._question, self.plan))

    def store(self, plan: Plan) -> None:
        """Stores what became of the plan."""
        assert self.folder is not None
        if plan != self.plan:
            self.plan = plan
            write_plan(self.folder, plan)

    def look(self) -> None:
        """Notes that a verdict on all seeds is about to be shown, if it is not the one that was shown last."""
        if not self.plan.looks or self.plan.looks[-1] != self.plan.seeds:
            self.store(replace(self.plan, looks=[*self.plan.looks, self.plan.seeds]))

    def _tune(self) -> None:
        assert self.plan.tuning is not None
        reports = self._try()
        edges = self._edges(reports)
        wider, further = ({}, 0) if self.plan.tuning.further else self._wider(edges)
        if further:
            total = self._progress.more(self._runs, further)
            self._note(further=further, widened=wider)
            self._progress.clear()
            log.info(
                "a best value lay at the edge of what was tried, so each arm gets"
                f" {further} more trial{'s' * (further != 1)}, which makes {total} trainings:"
                f" {'; '.join(_in_words(wider))}"
            )
            reports = self._try()
            edges = self._edges(reports)
        chosen = {}
        for arm, its in reports.items():
            place = tuning.best(its)
            assert place is not None
            proposal = self._tried()[arm][place]
            chosen[arm] = [f"{key}={value}" for key, value in proposal.items()]
            is_new = self.plan.tuning.chosen.get(arm) != chosen[arm]
            if is_new:
                self._progress.clear()
                log.info(f"{arm}: {' '.join(chosen[arm])}   {_value(its[place])}, the best of {len(its)}")
            for key, side in edges[arm].items() if is_new else ():
                log.info(
                    f"{arm}: its best {key} lies at the {side} edge of what was tried; a better one may lie beyond"
                )
        self._note(chosen=chosen, edges={arm: list(its) for arm, its in edges.items() if its})

    def _tried(self) -> dict[str, list[Proposal]]:
        assert self.plan.tuning is not None
        return {arm: tuning.trials(self.plan.tuning, arm, run.config) for arm, run in self._runs.items()}

    def _try(self) -> dict[str, list[dict[str, Any]]]:
        """Trains all trials; returns their reports by arm, in order."""
        jobs = trial_jobs(self._question, self._tried())
        ended = self._train(jobs)
        found: dict[str, list[dict[str, Any]]] = {arm: [] for arm in self._runs}
        for job, report in zip(jobs, ended.reports, strict=True):
            found[job.varied["arm"]].append(report)
        if none := [arm for arm, its in found.items() if tuning.best(its) is None]:
            reasons = dict.fromkeys(str(each["error"]) for arm in none for each in found[arm])
            raise UserError(
                f"no trial of {listed(none)} gave a number, so nothing can be chosen: {listed(list(reasons), 2)}"
            )
        return found

    def _edges(self, reports: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, str]]:
        assert self.plan.tuning is not None
        found = {}
        for arm, tried in self._tried().items():
            place = tuning.best(reports[arm])
            assert place is not None
            own = tuning.space(self.plan.tuning, arm, self._runs[arm].config)
            found[arm] = edges(own, tried, tried[place])
        return found

    def _wider(self, edges: Mapping[str, Mapping[str, str]]) -> tuple[dict[str, dict[str, str]], int]:
        """Returns by arm the ranges that grow, those of them that can be trained, and how many trials every arm can get
        besides; 0 where there is nothing to try.
        """
        assert self.plan.tuning is not None
        found: dict[str, dict[str, str]] = {}
        for arm, sides in edges.items():
            own = tuning.space(self.plan.tuning, arm, self._runs[arm].config)
            for key, side in sides.items():
                wider = tuning.widened(own[key], side)
                if wider is not None and not self._problems(arm, [f"{key}={tuning.ends(wider)[side == 'upper']}"]):
                    found.setdefault(arm, {})[key] = in_words(wider)
        if not found:
            return {}, 0
        grown = replace(self.plan.tuning, widened=found, further=tuning.further(self.plan.tuning.trials))
        tried = (tuning.trials(grown, arm, run.config) for arm, run in self._runs.items())
        return found, min(map(len, tried)) - grown.trials

    def _note(self, **changes: Any) -> None:
        """Changes what the stored plan says of the tuning."""
        assert self.plan.tuning is not None
        self.store(replace(self.plan, tuning=replace(self.plan.tuning, **changes)))

    def _train(self, jobs: Sequence[Job]) -> Ended:
        part = Part(self.folder, self, is_settled, takes_others=not self._anew, claim=self._claim)
        self._stage = checked(jobs, self._question.read)
        ended = train(self._stage, self._name, part)
        self._progress.clear()
        there = sum(map(self._is_over, jobs, ended.folders, ended.reports))
        if there < len(jobs) or ended.stop is not None:
            raise Unfinished(ended, f"{there} of {len(jobs)} {_stage(jobs)} are there")
        return ended

    def _claim(self, folder: Path | None) -> Path | None:
        """Returns the folder in which another process has begun the same comparison since this one looked; told the one
        it is, stores the plan there, so that no other one is made for it.

        Raises:
            UserError: that one's plan is not this one.
        """
        if folder is None:
            found = None if self._anew else stored(None, self.plan)
            if found is not None and found[1] != self.plan:
                raise UserError(f"the same was asked a moment ago, and goes on in {found[0]}; type the command again")
            return None if found is None else found[0]
        if self.folder is None:
            write_plan(folder, self.plan)
        return folder

    def _is_over(self, job: Job, folder: Path, report: Mapping[str, Any]) -> bool:
        """Returns whether a job tells all it will. A trial that failed is tried once more; one that failed twice counts
        as tried, whatever it said, but for a full disk, which has no part in what is chosen.
        """
        if report["status"] == "failed" and "trial" in job.varied and not is_diverged(report):
            before, now = self._before.get(folder), read_entry(folder)
            return _is_failure(before) and _is_failure(now) and before != now
        return report["status"] in ("finished", "failed")

    def opened(self, folder: Path, folders: Sequence[Path], num_done: int) -> None:
        """Stores the plan, with the folders of this stage's runs in it."""
        assert self._stage is not None
        self.folder, jobs = folder, self._stage.jobs
        names = [Path(os.path.relpath(each, folder)).as_posix() for each in folders]
        runs: dict[str, dict[str, str]] = {}
        trials: dict[str, list[str]] = {}
        for job, name in zip(jobs, names, strict=True):
            if "trial" in job.varied:
                trials.setdefault(job.varied["arm"], []).append(name)
            else:
                runs.setdefault(job.varied["arm"], {})[seed_of(job)] = name
        self._before = {each: read_entry(each) for each in folders}
        if runs:
            self.plan = replace(self.plan, known=known(folder, self.plan, self._stage))
        self.plan = replace(self.plan, runs=runs or self.plan.runs, trials=trials or self.plan.trials)
        if runs:
            self.plan = replace(self.plan, departures=departed(self.plan))
        write_plan(folder, self.plan)
        stage = "trials" if trials else "finals"
        kinds = {each: (job.varied["arm"], stage) for job, each in zip(jobs, folders, strict=True)}
        done = [each for each, entry in self._before.items() if is_settled(Cell(each, entry, {}))]
        self._progress.at(num_done + (0 if trials else sum(map(len, self.plan.trials.values()))), kinds, done)
        self._progress.clear()
        there = f", {num_done} of them there already" if num_done else ""
        log.info(f"{len(jobs)} {_stage(jobs)}{there} → {folder}")

    def began(self, folder: Path) -> None:
        """Shows that a training began."""
        self._progress.began(folder)

    def ended(self, folder: Path, why: BaseException | None) -> None:
        """Shows that a training ended."""
        self._progress.ended(folder, why)


def _is_failure(entry: Mapping[str, Any] | None) -> bool:
    """Returns whether a run failed for another reason than a full disk."""
    return entry is not None and entry["status"] == "failed" and "can't be written" not in str(entry["error"])


def _stage(jobs: Sequence[Job]) -> str:
    return "trials" if "trial" in jobs[0].varied else "final runs"


def _in_words(wider: Mapping[str, Mapping[str, str]]) -> list[str]:
    return [f"{arm} {key}={text}" for arm, its in wider.items() for key, text in its.items()]


def _value(report: Mapping[str, Any]) -> str:
    split, _, name = report["metric"].partition("/")
    facts = read_facts(report.get("measures", {}))
    return f"{'validation' if split == 'val' else split} {named(name, report['metrics'][report['metric']], facts)}"
