"""The trials of a search while it runs: what run folders tell of each, who comes next, and who is ended early."""

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import yaml

from dlexp.config.composed import Composed
from dlexp.errors import UserError
from dlexp.metric import LOSS, read_facts
from dlexp.records.folder import CONFIG, METRICS, RECORD
from dlexp.records.metrics import read_epochs
from dlexp.records.result import loss_of, objective_of
from dlexp.records.run_json import read_entry
from dlexp.search.pruning import WORST, Curve, curve, lags_behind_median, lags_in_halving, rungs
from dlexp.search.settings import Told
from dlexp.search.space import Proposal, size
from dlexp.sweep.asked import Asked
from dlexp.sweep.launchers.supply import Trials
from dlexp.sweep.ledger import open_ledger
from dlexp.sweep.stage import composed_stage

log = logging.getLogger(__name__)

# How often it is looked which trials lag behind.
LOOK_SECONDS = 0.2
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Trial:
    """A proposal and the folders of its runs, one for each seed; none where it can't be trained."""

    proposal: Proposal
    folders: list[Path]


def told(trial: Trial) -> Told:
    """Returns how far a trial is, from the records of its runs; the value is their mean, the higher the better."""
    entries = [read_entry(folder) for folder in trial.folders]
    states = [None if entry is None else entry["status"] for entry in entries]
    if not trial.folders or "failed" in states:
        return Told(trial.proposal, "failed")
    if all(state == "finished" for state in states):
        values = [value for entry in entries if entry is not None and (value := _value(entry)) is not None]
        loss = mean(loss_of(entry) for entry in entries if entry is not None)
        whole = len(values) == len(entries)
        return Told(trial.proposal, "finished", mean(values), loss=loss) if whole else Told(trial.proposal, "failed")
    curves = curve_of(trial.folders[0])
    seen = {step: value for step, value in curves.values.values() if value != WORST} if curves is not None else {}
    return Told(trial.proposal, "pruned" if "pruned" in states else "running", None, seen)


def _value(entry: Mapping[str, Any]) -> float | None:
    """Returns what chose the epoch of a run, the higher the better."""
    value = objective_of(entry)
    return None if value is None else value if _higher_is_better(entry) else -value


def _higher_is_better(entry: Mapping[str, Any]) -> bool:
    name = entry.get("metric", "").partition("/")[2]
    return read_facts(entry.get("measures", {})).get(name, LOSS).higher_is_better


def curve_of(folder: Path) -> Curve | None:
    """Returns what a run has reached after each epoch, None where nothing is known yet."""
    entry = read_entry(folder)
    try:
        settings = yaml.load((folder / CONFIG).read_text(encoding="utf-8"), LOADER)
        rows = read_epochs(folder)
    except (OSError, ValueError, yaml.YAMLError, UserError):
        return None
    if entry is None or not isinstance(settings, dict):
        return None
    schedule = (settings.get("epochs"), settings.get("max_steps"))
    return curve(rows, entry.get("metric", ""), _higher_is_better(entry), schedule)


def others_in(
    folder: Path, asked: Asked, trials: Sequence[Trial], data: Collection[str | None]
) -> list[tuple[Proposal, Path, dict[str, Any]]]:
    """Returns trials of a search that lie in its folder besides those known, the first one first: what each tried, the
    folder and the record of one of its runs. data: see `Supply`.
    """
    known = {each for trial in trials for each in trial.folders}
    tried = [trial.proposal for trial in trials]
    found = []
    for path in folder.glob(f"*/{RECORD}"):
        entry = read_entry(path.parent) if path.parent not in known else None
        if entry is None or any(each["overrides"] not in ([], entry["overrides"]) for each in entry["resumed"]):
            continue  # it went on with other settings
        if None not in (entry.get("data"), *data) and entry["data"] not in data:
            continue
        proposal = asked.proposal_of(entry["overrides"], asked.search.epochs)
        if proposal is not None and proposal not in tried:
            tried.append(proposal)
            found.append((entry["started"], path.parent.name, proposal, path.parent, entry))
    return [each[2:] for each in sorted(found, key=lambda each: each[:2])]


class Supply(Trials):
    """The trials of a search as a launcher asks for them.

    asked: what was typed. proposals: the points that are known beforehand, whose jobs are the stage's. data:
    fingerprints of the data that a trial may have been trained on.
    """

    def __init__(self, asked: Asked, proposals: Sequence[Proposal], data: Sequence[str | None]) -> None:
        self._asked, self._proposals, self._data = asked, proposals, set(data)
        most = min(asked.trials, size(asked.space) or asked.trials)
        self.total = (most if asked.search.asks_while_running else len(proposals)) * asked.repeats
        self.num_done = 0
        self.added: list[Path] = []
        self.trials: list[Trial] = []
        self._ready: list[tuple[Composed, Path]] = []
        self._curves: dict[Path, tuple[int, Curve | None]] = {}
        self._judged: set[tuple[Path, int]] = set()
        self._looked = 0.0

    def opened(self, folder: Path, folders: Sequence[Path], todo: Sequence[tuple[Composed, Path]]) -> None:
        """Notes where the first trials are, and what earlier calls of the same search have tried besides."""
        self._folder, self._ready = folder, list(todo)
        count = self._asked.repeats
        self.trials = [
            Trial(proposal, list(folders[count * place : count * (place + 1)]))
            for place, proposal in enumerate(self._proposals)
        ]
        if self._asked.search.asks_while_running:
            self._find_others()
        self.num_done = sum(len(each.folders) for each in self.trials) - len(self._ready)

    def more(self) -> Sequence[tuple[Composed, Path]]:
        """Returns what is known and not done, then what the search proposes next."""
        if self._ready or not self._asked.search.asks_while_running:
            ready, self._ready = self._ready, []
            return ready
        self._find_others()
        while not self._ready and len(self.trials) < self._asked.trials:
            proposal = self._asked.search.propose(self._asked.space, [told(each) for each in self.trials])
            if proposal is None:
                break
            self._begin(proposal)
        ready, self._ready = self._ready, []
        return ready

    def _begin(self, proposal: Proposal) -> None:
        """Takes a trial up: its jobs that are not done are ready then. One that can't be trained counts as failed."""
        jobs = self._asked.jobs(proposal, self._asked.search.epochs)
        try:
            stage = composed_stage(jobs, self._asked.read)
        except UserError as error:
            log.warning(f"warning: {jobs[0].name} can't be trained: {'; '.join(error.problems)}")
            self.trials.append(Trial(proposal, []))
            return
        names = dict(zip(stage.identities, (job.name for job in jobs), strict=True))
        _, cells, _ = open_ledger(self._folder, self._folder.name, names, anew=False)
        places = [cells[own].folder for own in stage.identities]
        self.trials.append(Trial(proposal, places))
        self.added += places
        pairs = zip(stage.runs, (cells[own] for own in stage.identities), strict=True)
        self._ready += [(run, cell.folder) for run, cell in pairs if not self._asked.is_done(cell.entry)]

    def _find_others(self) -> None:
        """Takes up trials of this search that lie in its folder and are not known yet: of earlier calls, or another
        that runs beside this one.
        """
        for proposal, folder, entry in others_in(self._folder, self._asked, self.trials, self._data):
            if len(self.trials) >= self._asked.trials:
                break
            if self._asked.repeats == 1 and self._asked.is_done(entry):
                self.trials.append(Trial(proposal, [folder]))
                self.added.append(folder)
            else:
                self._begin(proposal)

    def to_stop(self, running: Sequence[Path]) -> Mapping[Path, str]:
        """Returns which of the trials that run lag behind the others, and how."""
        search = self._asked.search
        if search.prune == "none" or time.monotonic() < self._looked + LOOK_SECONDS:
            return {}
        self._looked = time.monotonic()
        curves = {folder: self._curve(folder) for trial in self.trials for folder in trial.folders}
        found = {}
        for folder in running:
            own = curves.get(folder)
            others = [each for place, each in curves.items() if each is not None and place != folder]
            if own is not None and not own.is_whole and (why := self._lags(folder, own, others)) is not None:
                found[folder] = why
        return found

    def _lags(self, folder: Path, own: Curve, others: Sequence[Curve]) -> str | None:
        """Returns why a trial ends, if it does; of successive halving at each rung once, when it has come there."""
        search = self._asked.search
        if search.prune == "median":
            return lags_behind_median(own, others, search.prune_from, search.prune_least)
        for epoch in rungs(own, search.prune_from, search.prune_keep):
            if (folder, epoch) not in self._judged:
                self._judged.add((folder, epoch))
                if (why := lags_in_halving(own, others, epoch, search.prune_keep)) is not None:
                    return why
        return None

    def _curve(self, folder: Path) -> Curve | None:
        try:
            size = (folder / METRICS).stat().st_size
        except OSError:
            return None
        if self._curves.get(folder, (-1, None))[0] != size:
            self._curves[folder] = (size, curve_of(folder))
        return self._curves[folder][1]
