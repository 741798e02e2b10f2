"""`-m search=…`: trials of points that a search chooses, by validation alone, and at the end the best settings."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlexp.config import words
from dlexp.console.training_progress import estimate
from dlexp.errors import to_type
from dlexp.records.folder import RECORD
from dlexp.records.naming import OUTPUTS, plain_name
from dlexp.records.run_json import read_entry
from dlexp.search.space import Proposal, size
from dlexp.sweep.asked import Asked, asked
from dlexp.sweep.found import ranked, rows_of, what_was_found
from dlexp.sweep.grid import sweep_name
from dlexp.sweep.ledger import find_ledger
from dlexp.sweep.search_pictures import draw_search
from dlexp.sweep.stage import Ended, Part, Stage, checked, train
from dlexp.sweep.table import table
from dlexp.sweep.trials import Supply, Trial, others_in

log = logging.getLogger(__name__)


def run_search(read: words.Words) -> Ended:
    """Runs the trials that are not done yet, then the best ones whole where trials are short, and says what was found.

    Raises:
        UserError: something is wrong with the words or with one of the trials that are known; none has started then.
    """
    search = asked(read)
    proposals = search.search.first(search.space, search.trials)
    stage = checked([job for each in proposals for job in search.jobs(each, search.search.epochs)], read)
    for remark in _remarks(search, len(proposals)):
        log.info(remark)
    if search.first.config["dry_run"]:
        return _dry(search, stage, proposals)
    ended, trials = _trained(search, stage, proposals)
    finals: list[Trial] = []
    best = top_of(search, trials, ended.folder)
    go_on = any(each["status"] in ("pending", "running") for each in ended.reports)
    if best and ended.stop is None and not go_on:
        log.info(table(rows_of(trials, _reports(ended))))
        log.info(f"whole trainings of the best {len(best)} of {len(trials)}:")
        whole, finals = _trained_whole(search, best, ended)
        ended = Ended(
            ended.folder, [*ended.folders, *whole.folders], [*ended.reports, *whole.reports], whole.stop, is_search=True
        )
    reports = _reports(ended)
    log.info(table(rows_of(finals or trials, reports)))
    for line in what_was_found(search, trials, finals, reports):
        log.info(line)
    if ended.folder.exists():
        if search.first.config["pictures"] and ended.stop is None:
            draw_search(ended.folder, search, trials, finals, reports)
        folder = to_type(str(ended.folder))
        log.info(f"look at it   tensorboard --logdir {folder}")
        if any(each["status"] == "finished" for each in ended.reports):
            log.info(f"compare it   python -m dlexp report {folder}")
    return ended


def _remarks(search: Asked, known: int) -> Sequence[str]:
    """Returns what a person may want to know before the first trial."""
    there, found = size(search.space), []
    if there is not None and there <= search.trials:
        found.append(f"the space holds {there} points, and each is tried once")
    elif search.first.choices["search"] == "qmc" and search.trials & (search.trials - 1):
        more = 2 ** search.trials.bit_length()
        found.append(
            f"{search.trials} points; a power of two spreads best, such as trials={more}, which goes on with these"
        )
    elif search.search.asks_while_running and known == search.trials:
        found.append(f"all of trials={known} are points that the search begins with, spread evenly: it proposes none")
    elif known < search.trials and not search.search.asks_while_running:
        found.append(f"the space holds {known} points that differ in the digits shown; each is tried once")
    if search.is_sealed:
        found.append("trials leave the test set alone (test=false)")
    return found


def _trained(search: Asked, stage: Stage, proposals: Sequence[Proposal]) -> tuple[Ended, list[Trial]]:
    """Trains the trials; those that are chosen or ended while others run come through a supply."""
    supply = None
    if search.search.asks_while_running or search.search.prune != "none":
        supply = Supply(search, proposals, [each.data for each in stage.identities])
    name = plain_name(sweep_name(stage.jobs, search.first).replace("sweep", "search", 1))
    ended = train(stage, name, Part(None, None, lambda cell: search.is_done(cell.entry), trials=supply, seeks=True))
    trials = supply.trials if supply is not None else _trials(search, proposals, ended.folders)
    return Ended(ended.folder, ended.folders, ended.reports, ended.stop, is_search=True), trials


def _trained_whole(search: Asked, best: Sequence[Proposal], short: Ended) -> tuple[Ended, list[Trial]]:
    stage = checked([job for each in best for job in search.jobs(each)], search.read)
    ended = train(stage, "", Part(short.folder, None, lambda cell: search.is_done(cell.entry)))
    return ended, _trials(search, best, ended.folders)


def _trials(search: Asked, proposals: Sequence[Proposal], folders: Sequence[Path]) -> list[Trial]:
    each = search.repeats
    return [
        Trial(proposal, list(folders[each * place : each * (place + 1)])) for place, proposal in enumerate(proposals)
    ]


def top_of(search: Asked, trials: Sequence[Trial], folder: Path) -> list[Proposal]:
    """Returns the points to train whole, the best ones; of equal ones first those that an earlier call began to train
    so in this folder.
    """
    entries = [read_entry(path.parent) for path in folder.glob(f"*/{RECORD}")] if search.search.top else []
    begun = [search.proposal_of(entry["overrides"], None) for entry in entries if entry is not None]
    best = sorted(ranked(trials), key=lambda each: (-(each.value or 0.0), each.proposal not in begun))
    return [each.proposal for each in best[: search.search.top or 0]]


def _reports(ended: Ended) -> dict[Path, dict[str, Any]]:
    return dict(zip(ended.folders, ended.reports, strict=True))


def _dry(search: Asked, stage: Stage, proposals: Sequence[Proposal]) -> Ended:
    """Tells what the trials that are known take, those that earlier calls proposed among them, and what comes after."""
    from dlexp.sweep import dry_run
    from dlexp.sweep.forecast import forecasts  # imports torch

    if search.search.asks_while_running and (others := _proposed_before(search, stage, proposals)):
        stage = checked(
            [job for each in [*proposals, *others] for job in search.jobs(each, search.search.epochs)], search.read
        )
    more = 0
    if search.search.asks_while_running:
        most = min(search.trials, size(search.space) or search.trials)
        more = max(0, most * search.repeats - len(stage.jobs))
    if more > 0:
        log.info(f"{more} further jobs are proposed from the results of those below, and take about as long each")
    if search.search.top is not None:
        whole = forecasts([search.first])[0]
        each = "an unknown time" if whole.seconds is None else estimate(whole.seconds, 1)
        count = search.search.top * search.repeats
        log.info(f"then {count} whole training{'s' * (count != 1)} of the best, {each} each")
    dry_run.tell(
        [job.varied for job in stage.jobs],
        stage.runs,
        stage.identities,
        stage.launcher,
        is_done=lambda cell: search.is_done(cell.entry),
        num_more=more,
    )
    return Ended(search.first.sweep_place or OUTPUTS, [], [], None)


def _proposed_before(search: Asked, stage: Stage, proposals: Sequence[Proposal]) -> list[Proposal]:
    """Returns the points that earlier calls of the same search proposed after the first ones."""
    first = search.first
    folder = find_ledger(first.sweep_place, stage.identities, anew=first.config["rerun"])
    if folder is None:
        return []
    known = [Trial(each, []) for each in proposals]
    others = others_in(folder, search, known, {each.data for each in stage.identities})
    return [proposal for proposal, _, _ in others][: search.trials - len(known)]
