"""The course of a comparison: trials, more of them where a range ended too early, final runs; what is there stays."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dlexp.compare import tuning
from dlexp.compare.jobs import final_jobs, seed_of, trial_jobs
from dlexp.compare.progress import Progress
from dlexp.compare.question import Question
from dlexp.config.composed import Composed
from dlexp.console.wording import named
from dlexp.errors import UserError, listed
from dlexp.metric import read_facts
from dlexp.ranges import Interval
from dlexp.records.folder import RECORD
from dlexp.records.run_json import recorded
from dlexp.report.plan import Plan, write_plan
from dlexp.search.space import Proposal, in_words
from dlexp.sweep.grid import Job
from dlexp.sweep.ledger import Cell
from dlexp.sweep.stage import Ended, Part, checked, train

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
        self._jobs: Sequence[Job] = ()
        self._failed_before: dict[Path, str | None] = {}

    def run(self) -> Ended:
        """Trains what is missing of all stages; returns how the final runs ended.

        Raises:
            Unfinished: the same command goes on.
            UserError: no job of a stage could start, or nothing of an arm's trials can be chosen.
        """
        if self.plan.tuning is not None:
            self._tune()
        return self._train(final_jobs(self._question, self.plan))

    def look(self) -> None:
        """Notes that a verdict on all seeds is about to be shown, if it is not the one that was shown last."""
        assert self.folder is not None
        if not self.plan.looks or self.plan.looks[-1] != self.plan.seeds:
            self.plan = replace(self.plan, looks=[*self.plan.looks, self.plan.seeds])
            write_plan(self.folder, self.plan)

    def _tune(self) -> None:
        assert self.plan.tuning is not None
        reports = self._try()
        edges = self._edges(reports)
        if not self.plan.tuning.further and (wider := self._wider(edges)):
            further = tuning.further(self.plan.tuning.trials)
            self._progress.total += further * len(self._runs)
            self._note(further=further, widened=wider)
            self._progress.clear()
            log.info(
                "a best value lay at the edge of what was tried, so each arm gets"
                f" {further} more trial{'s' * (further != 1)}: {'; '.join(_in_words(wider))}"
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
            found[arm] = tuning.edges(own, tried, tried[place])
        return found

    def _wider(self, edges: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
        """Returns by arm the ranges that grow, those that can."""
        assert self.plan.tuning is not None
        found: dict[str, dict[str, str]] = {}
        for arm, sides in edges.items():
            own = tuning.space(self.plan.tuning, arm, self._runs[arm].config)
            for key, side in sides.items():
                part = own[key]
                assert isinstance(part, Interval)
                wider = tuning.widened(part, side)
                end = tuning.ends(wider)[side == "upper"]
                if not self._problems(arm, [f"{key}={end}"]):
                    found.setdefault(arm, {})[key] = in_words(wider)
        return found

    def _note(self, **changes: Any) -> None:
        """Changes what the stored plan says of the tuning."""
        assert self.plan.tuning is not None and self.folder is not None
        self.plan = replace(self.plan, tuning=replace(self.plan.tuning, **changes))
        write_plan(self.folder, self.plan)

    def _train(self, jobs: Sequence[Job]) -> Ended:
        self._jobs = jobs
        part = Part(self.folder, watcher=self, is_done=is_settled, takes_others=not self._anew)
        ended = train(checked(jobs, self._question.read), self._name, part)
        self._progress.clear()
        there = sum(map(self._is_over, jobs, ended.folders, ended.reports))
        if there < len(jobs) or ended.stop is not None:
            raise Unfinished(ended, f"{there} of {len(jobs)} {_stage(jobs)} are there")
        return ended

    def _is_over(self, job: Job, folder: Path, report: Mapping[str, Any]) -> bool:
        """Returns whether a job tells all it will. A trial that failed is tried once more; one that fails for the same
        reason again counts as tried, but for a full disk, which has no part in what is chosen.
        """
        if report["status"] == "failed" and "trial" in job.varied and not is_diverged(report):
            error = str(report["error"])
            return self._failed_before.get(folder) == error and "can't be written" not in error
        return report["status"] in ("finished", "failed")

    def opened(self, folder: Path, folders: Sequence[Path], num_done: int) -> None:
        """Stores the plan, with the folders of this stage's runs in it."""
        self.folder = folder
        names = [Path(os.path.relpath(each, folder)).as_posix() for each in folders]
        runs: dict[str, dict[str, str]] = {}
        trials: dict[str, list[str]] = {}
        for job, name in zip(self._jobs, names, strict=True):
            if "trial" in job.varied:
                trials.setdefault(job.varied["arm"], []).append(name)
            else:
                runs.setdefault(job.varied["arm"], {})[seed_of(job)] = name
        self._failed_before = {each: recorded(each / RECORD, "error") for each in folders}
        self.plan = replace(self.plan, runs=runs or self.plan.runs, trials=trials or self.plan.trials)
        if runs:
            self.plan = replace(self.plan, departures=_with_found(self.plan.departures, names))
        write_plan(folder, self.plan)
        self._progress.at(num_done if trials else num_done + sum(map(len, self.plan.trials.values())))
        self._progress.clear()
        there = f", {num_done} of them there already" if num_done else ""
        log.info(f"{len(self._jobs)} {_stage(self._jobs)}{there} → {folder}")

    def began(self, folder: Path) -> None:
        """Shows that a training began."""
        self._progress.began(folder)

    def ended(self, folder: Path, why: BaseException | None) -> None:
        """Shows that a training ended."""
        self._progress.ended(folder, why)


def is_settled(cell: Cell) -> bool:
    """Returns whether a run needs no more training: it finished, or its loss became no number: a result too."""
    return cell.is_done or (cell.entry is not None and is_diverged(cell.entry))


def is_diverged(entry: Mapping[str, Any]) -> bool:
    """Returns whether a run failed because its loss became no number."""
    return entry["status"] == "failed" and str(entry["error"]).startswith("the loss became ")


def _with_found(departures: Sequence[str], names: Sequence[str]) -> list[str]:
    """Returns what departs from a plan, with how many of its final runs it found trained for something else."""
    told = " final runs were not trained for this plan, but found in another folder"
    found = sum(name.startswith("..") for name in names)
    others = [each for each in departures if not each.endswith(told)]
    return [*others, f"{found} of {len(names)}{told}"] if found else others


def _stage(jobs: Sequence[Job]) -> str:
    return "trials" if "trial" in jobs[0].varied else "final runs"


def _in_words(wider: Mapping[str, Mapping[str, str]]) -> list[str]:
    return [f"{arm} {key}={text}" for arm, its in wider.items() for key, text in its.items()]


def _value(report: Mapping[str, Any]) -> str:
    split, _, name = report["metric"].partition("/")
    facts = read_facts(report.get("measures", {}))
    return f"{'validation' if split == 'val' else split} {named(name, report['metrics'][report['metric']], facts)}"
