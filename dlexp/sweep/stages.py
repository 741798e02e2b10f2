"""Stages: runs that are trained one after the other, each an ordinary job of one ledger, weights handed on."""

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from dlexp.config import words
from dlexp.config.build import allowed_modules
from dlexp.config.cell import essentials
from dlexp.config.composed import Composed
from dlexp.data.stream.kept_figures import keeping_nothing
from dlexp.errors import UserError, listed
from dlexp.records.naming import OUTPUTS, plain_name
from dlexp.sweep.chain import KEY, Chain, Link, chains, command, start_of
from dlexp.sweep.grid import Job, sweep_name
from dlexp.sweep.ledger import cells_in, find_ledger
from dlexp.sweep.stage import Ended, Part, Stage, checked, composed_stage, train

log = logging.getLogger(__name__)

UNDERWAY = ("pending", "running")


def run_stages(jobs: Sequence[Job], read: words.Words) -> tuple[Ended, list[Chain]] | None:
    """Trains the stages of each job that are not done yet; returns how the last of each ended, or that which the others
    wait for. None where the jobs have no stages. A dry run tells what it would do, and has no folders.

    All stages are checked before the first one trains, but for the weights that are not there yet.

    Raises:
        UserError: something is wrong with one of the stages; none has started then.
    """
    try:
        found = chains(jobs, read)
        rounds = [] if found is None else _checked(found, read)
    except UserError as error:
        raise UserError(f"{error}\nno job was started") from None
    if found is None:
        return None
    first = rounds[0].runs[0]
    is_one = len(jobs) == 1 and not jobs[0].varied
    name = plain_name(first.name) if is_one else sweep_name(jobs, first)
    if first.config["dry_run"]:
        _tell(found, read)
        return Ended(first.sweep_place or OUTPUTS / name, [], [], None), found
    return _train(found, rounds[0], read, name), found


def _checked(found: Sequence[Chain], read: words.Words) -> list[Stage]:
    """Returns all stages, composed and checked without the weights that they will begin with.

    Raises:
        UserError: lists what is wrong, with the stages it concerns.
    """
    problems: dict[str, list[str]] = {}
    rounds: list[Stage] = []
    names = list(dict.fromkeys(link.name for chain in found for link in chain.links))
    for number in range(max(len(chain.links) for chain in found)):
        links = [chain.links[number] for chain in found if number < len(chain.links)]
        try:
            rounds.append(composed_stage(_each_once([link.job({}) for link in links]), read))
        except UserError as error:
            for problem in error.problems:
                problems.setdefault(problem, []).extend(dict.fromkeys(link.name for link in links))
    if not problems:
        problems = _without_weights(found, rounds)
    if problems:
        told = {each: "" if set(its) == set(names) else f" (in stage {listed(its)})" for each, its in problems.items()}
        raise UserError(*(problem + where for problem, where in told.items()))
    return rounds


def _each_once(jobs: Sequence[Job]) -> list[Job]:
    """Returns jobs without those of the same words: arms share a stage before they part."""
    return list({tuple(job.overrides): job for job in reversed(jobs)}.values())[::-1]


def _without_weights(found: Sequence[Chain], rounds: Sequence[Stage]) -> dict[str, list[str]]:
    """Returns, by what is wrong, the stages whose model takes none of the weights it would begin with."""
    from dlexp.experiment.initial_weights import takes_some_of

    configs = {
        tuple(job.overrides): run.config for each in rounds for job, run in zip(each.jobs, each.runs, strict=True)
    }
    problems: dict[str, list[str]] = {}
    for chain in found:
        own = {link.name: configs[tuple(link.job({}).overrides)] for link in chain.links}
        for link in chain.links:
            if link.source is not None and not takes_some_of(own[link.name]["model"], own[link.source]["model"]):
                told = f"none of the weights of stage {link.source} has a name and shape of this model"
                problems.setdefault(told, []).append(link.name)
    return problems


def _train(found: Sequence[Chain], first: Stage, read: words.Words, name: str) -> Ended:
    folder: Path | None = None
    places: list[dict[str, Path]] = [{} for _ in found]
    ends: dict[int, tuple[Path, dict[str, Any]]] = {}
    histories = _Histories(len(found))
    length = max(len(chain.links) for chain in found)
    stop = None
    for number in range(length):
        left = {n: c.links[number] for n, c in enumerate(found) if n not in ends and number < len(c.links)}
        if not left:
            break
        jobs = {n: link.job(places[n]) for n, link in left.items()}
        stage = first if number == 0 else checked(_each_once(list(jobs.values())), read)
        turn = {tuple(job.overrides): place for place, job in enumerate(stage.jobs)}
        facts = {turn[tuple(jobs[n].overrides)]: histories.facts(n, link, stage, turn, jobs[n]) for n, link in left.items()}
        stage = replace(stage, runs=[replace(run, stage=facts[place]) for place, run in enumerate(stage.runs)])
        told = listed(list(dict.fromkeys(link.name for link in left.values())))
        log.info(f"stage {number + 1} of {length}, {told}: {command(stage.runs[0], read, allowed_modules())}")
        if len(stage.runs) > 1:
            log.info(f"  and {len(stage.runs) - 1} more, which differ in {listed(list(stage.jobs[0].varied))}")
        ended = train(stage, name, Part(folder, None, lambda cell: cell.is_done, seeks=number == 0))
        folder, stop = ended.folder, ended.stop
        for n, link in left.items():
            place = turn[tuple(jobs[n].overrides)]
            report = ended.reports[place]
            if report["status"] == "finished" and not link.is_last:
                places[n][link.name] = ended.folders[place]
            else:
                ends[n] = ended.folders[place], report if link.is_last else _of_stage(report, link.name)
        failed = any(r["status"] not in ("finished", *UNDERWAY) for r in ended.reports)
        if stop is not None or (failed and stage.runs[0].config["on_error"] == "stop"):
            break
    assert folder is not None
    for n, chain in enumerate(found):
        if n not in ends:
            ends[n] = folder, {"status": "not started", "metrics": {}, "seconds": None, "error": "stages are left"}
    if waiting := [n for n, (_, report) in ends.items() if report["status"] in UNDERWAY]:
        log.info(f"stages of {len(waiting)} of {len(found)} go on elsewhere; the same command trains what comes after them")
    return Ended(folder, [ends[n][0] for n in range(len(found))], [ends[n][1] for n in range(len(found))], stop)


def _of_stage(report: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Returns how a chain ended that did not come to its last stage; what this one measured is no result of it."""
    error = f"stage {name}" + (f": {report['error']}" if report.get("error") else "")
    return {**report, "metrics": {}, "metric": None, "measures": {}, "last_look": [], "error": error}


class _Histories:
    """What made the weights of each stage of each chain."""

    def __init__(self, count: int) -> None:
        self._before: list[dict[str, Any]] = [{} for _ in range(count)]
        self._digests: list[dict[str, str]] = [{} for _ in range(count)]

    def facts(
        self, number: int, link: Link, stage: Stage, turn: Mapping[tuple[str, ...], int], job: Job
    ) -> dict[str, Any]:
        """Returns what `run.json` says of a stage: its name, whether its weights are handed on, and its start."""
        kept = essentials(stage.runs[turn[tuple(job.overrides)]].config)
        own = {key: value for key, value in kept.items() if key not in ("seed", "init_from")}
        self._before[number][link.name] = json.dumps(own, sort_keys=True, default=str)
        start = start_of(link, self._before[number], self._digests[number])
        return {"name": link.name, "hands_on": not link.is_last, "start": start}


def _tell(found: Sequence[Chain], read: words.Words) -> None:
    """Shows what a dry run shows of all stages; of one whose weights are not there yet it is known that it is to do."""
    from dlexp.sweep import dry_run

    folder: Path | None = None
    places: list[dict[str, Path]] = [{} for _ in found]
    stages: list[Stage] = []
    varied: list[dict[str, str]] = []
    keys = list(found[0].varied)
    for number in range(max(len(chain.links) for chain in found)):
        left = {n: c.links[number] for n, c in enumerate(found) if number < len(c.links)}
        jobs = {n: link.job(places[n]) for n, link in left.items()}
        stage = composed_stage(_each_once(list(jobs.values())), read)
        if number == 0:
            first = stage.runs[0]
            folder = find_ledger(first.sweep_place, stage.identities, anew=first.config["rerun"])
        names = {own: job.name for own, job in zip(stage.identities, stage.jobs, strict=True)}
        cells = {} if folder is None else cells_in(folder, names)[1]
        own = {tuple(job.overrides): each for job, each in zip(stage.jobs, stage.identities, strict=True)}
        for n, link in left.items():
            cell = cells.get(own[tuple(jobs[n].overrides)])
            if cell is not None and cell.is_done:
                places[n][link.name] = cell.folder
        stages.append(stage)
        label = {tuple(jobs[n].overrides): link.name for n, link in left.items()}
        varied += [
            {"stage": label[tuple(job.overrides)], **{key: job.varied.get(key, "-") for key in keys}}
            for job in stage.jobs
        ]
    runs = [run for stage in stages for run in stage.runs]
    dry_run.tell(varied, runs, [own for stage in stages for own in stage.identities], stages[0].launcher)
