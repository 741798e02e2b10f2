"""Stages: runs that are trained one after the other, each an ordinary job of one ledger, weights handed on."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dlexp.config import words
from dlexp.config.build import allowed_modules
from dlexp.config.cell import essentials
from dlexp.config.composed import Composed
from dlexp.config.no_setting import is_missing
from dlexp.errors import UserError, listed, to_type
from dlexp.records.naming import OUTPUTS, plain_name
from dlexp.report.reading.arms import key_of
from dlexp.sweep.chain import KEY, Chain, Link, chains
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
        by_stage = _of_some_alone(problems, names, read)
        told = {each: "" if set(its) == set(names) else f" (in stage {listed(its)})" for each, its in by_stage.items()}
        raise UserError(*(problem + where for problem, where in told.items()))
    return rounds


def _of_some_alone(
    problems: Mapping[str, list[str]], names: Sequence[str], read: words.Words
) -> dict[str, Sequence[str]]:
    """Returns the problems with their stages; of a setting that only some stages have it says which."""
    told: dict[str, Sequence[str]] = {}
    typed = {key_of(word): word for word in read.overrides}
    for problem, its in problems.items():
        key = next((key for key in typed if is_missing(key, problem)), None)
        lacking = [name for other, own in problems.items() if key and is_missing(key, other) for name in own]
        having = [name for name in names if name not in lacking]
        if key and having:
            instead = " ".join(to_type(f"{KEY}.{name}.{typed[key]}") for name in having)
            told[f"{key} is a setting in the stage{'s' * (len(having) > 1)} {listed(having)} alone: {instead}"] = names
        else:
            told[problem] = its
    return told


def _each_once(jobs: Sequence[Job]) -> list[Job]:
    """Returns jobs without those of the same words: arms share a stage before they part."""
    return list({tuple(job.overrides): job for job in reversed(jobs)}.values())[::-1]


def _without_weights(found: Sequence[Chain], rounds: Sequence[Stage]) -> dict[str, list[str]]:
    """Returns, by what is wrong, the stages whose model does not take the weights it would begin with."""
    from dlexp.experiment.initial_weights import not_handed_on

    configs = {
        tuple(job.overrides): run.config for each in rounds for job, run in zip(each.jobs, each.runs, strict=True)
    }
    problems: dict[str, list[str]] = {}
    for chain in found:
        own = {link.name: configs[tuple(link.job({}).overrides)] for link in chain.links}
        for link in chain.links:
            if link.source is None:
                continue
            models = own[link.name]["model"], own[link.source]["model"]
            if (told := not_handed_on(*models, f"stage {link.source}")) is not None:
                problems.setdefault(told, []).append(link.name)
    return problems


@dataclass
class _Way:
    """A chain on its way. places: the folders of stages that ended well. end: the folder and the report of its last
    stage, or of that which the others wait for.
    """

    chain: Chain
    places: dict[str, Path] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    end: tuple[Path, dict[str, Any]] | None = None

    def at(self, number: int) -> Link | None:
        """Returns the stage of this number; None where the chain ended before."""
        return self.chain.links[number] if self.end is None and number < len(self.chain.links) else None

    def facts(self, link: Link, config: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what `run.json` says of a stage. start: what its weights are called in a report, the same for every
        seed: the stage they are of, and a hash of all that made them.
        """
        own = {key: value for key, value in essentials(config).items() if key not in ("seed", "init_from")}
        source = None if link.source is None else f"{KEY}.{link.source} {self.digests[link.source]}"
        text = json.dumps([own, source], sort_keys=True, default=str)
        self.digests[link.name] = hashlib.blake2b(text.encode(), digest_size=3).hexdigest()
        return {"name": link.name, "hands_on": not link.is_last, "start": source}

    def note(self, link: Link, folder: Path, report: dict[str, Any]) -> None:
        """Notes how a stage ended."""
        if link.is_last:
            self.end = folder, report
        elif report["status"] == "finished":
            self.places[link.name] = folder
        else:  # what it measured is no result of the chain
            error = f"stage {link.name}" + (f": {report['error']}" if report.get("error") else "")
            bare: dict[str, Any] = {"metrics": {}, "metric": None, "measures": {}, "last_look": [], "error": error}
            self.end = folder, {**report, **bare}


def _train(found: Sequence[Chain], first: Stage, read: words.Words, name: str) -> Ended:
    """Trains stage after stage, those of all chains together."""
    ways = [_Way(chain) for chain in found]
    folder, was_done = None, False
    length = max(len(chain.links) for chain in found)
    for number in range(length):
        own = [(way, link, link.job(way.places)) for way in ways if (link := way.at(number)) is not None]
        if not own:
            break
        stage = checked(_each_once([job for *_, job in own]), read) if number else first
        turn = {tuple(job.overrides): place for place, job in enumerate(stage.jobs)}
        runs = list(stage.runs)
        for way, link, job in own:
            place = turn[tuple(job.overrides)]
            runs[place] = replace(runs[place], stage=way.facts(link, runs[place].config))
        log.info(f"stage {number + 1} of {length}, {_told([link for _, link, _ in own], runs, read)}")
        part = Part(folder, None, lambda cell: cell.is_done, seeks=folder is None)
        ended = train(replace(stage, runs=runs), name, part)
        folder, was_done = ended.folder, ended.was_done
        for way, link, job in own:
            place = turn[tuple(job.overrides)]
            way.note(link, ended.folders[place], ended.reports[place])
        if ended.stop is not None or (ended.exit_code and runs[0].config["on_error"] == "stop"):
            break
    left: dict[str, Any] = {
        "status": "not started",
        "metrics": {},
        "seconds": None,
        "error": "its first stages did not end",
    }
    ends = [way.end or (ended.folder, left) for way in ways]
    if waiting := sum(report["status"] in UNDERWAY for _, report in ends):
        log.info(f"{waiting} of {len(ways)} go on elsewhere; the same command trains the stages that are left")
    return Ended(
        ended.folder, [place for place, _ in ends], [report for _, report in ends], ended.stop, was_done=was_done
    )


def _told(links: Sequence[Link], runs: Sequence[Composed], read: words.Words) -> str:
    """Returns which stages are trained, and what trains the first of them alone."""
    names = listed(list(dict.fromkeys(link.name for link in links)))
    folders = [word for folder in read.folders for word in ("--config-dir", str(folder))]
    typed = [*folders, *(f"allow={name}" for name in allowed_modules()), *runs[0].words]
    more = f" (and {len(runs) - 1} more)" if len(runs) > 1 else ""
    return f"{names}: python -m dlexp {' '.join(map(to_type, typed))}{more}"


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
