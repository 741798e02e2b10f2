"""The planner of a sweep: expand the grid, check every job, see what is done, launch the rest, print the table."""

import itertools
import logging
from dataclasses import dataclass
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, read_write

from dlexp.config import job
from dlexp.config.build import allowed_modules
from dlexp.config.cell import cell, code_version
from dlexp.config.schema import plain_name, unique
from dlexp.errors import UserError
from dlexp.machine.signals import StopRequested, exit_code_of
from dlexp.sweep.ledger import Cell, join_ledger, of_other_code, open_ledger
from dlexp.sweep.prepare import Prepared, prepare_all
from dlexp.sweep.table import report, table

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One combination: its name (a folder's), all its overrides, and those that differ between jobs."""

    name: str
    overrides: list[str]
    varied: dict[str, str]


def run_sweep(arguments: list[str], config: DictConfig, loader: ConfigLoader, launcher: Launcher) -> list[float | None]:
    """Runs every combination of the overrides that is not done yet, and prints a table; returns the validation values.

    Raises:
        UserError: something is wrong with one of the jobs; none has started then.
    """
    jobs = expand(OverridesParser.create(config_loader=loader).parse_overrides(arguments))
    try:
        prepared = prepare_all({each.name: each.overrides for each in jobs}, config, loader)
        hashes = [cell(each.config) for each in prepared]
        _refuse_repetitions(jobs, prepared, hashes)
    except UserError as error:
        raise UserError(f"{error}\nno job was started") from None
    wanted = {hashed: each.name for each, hashed in zip(reversed(jobs), reversed(hashes), strict=True)}
    folder, cells = _ledger(config, wanted)
    before = {hashed: each.entry() for hashed, each in cells.items()}
    todo = [i for i, hashed in enumerate(hashes) if not cells[hashed].is_done() and hashed not in hashes[:i]]
    _tell_plan(folder, list(cells.values()), len(jobs), len(todo))
    folders = [cells[hashes[i]].folder for i in todo]
    try:
        results = _launch([prepared[i] for i in todo], folders, launcher, len(cells)) if todo else []
    except (KeyboardInterrupt, StopRequested, Exception) as error:  # the table still tells how far the jobs came
        if isinstance(error, Exception):
            log.error("the launcher lost its jobs", exc_info=True)
        results = [JobReturn(_return_value=error, status=JobStatus.FAILED) for _ in todo]
    reasons = {hashes[i]: result._return_value for i, result in zip(todo, results, strict=False)}
    reports = [report(cells[hashed].entry(), before[hashed], reasons.get(hashed)) for hashed in hashes]
    varied = [each.varied or {"job": each.name} for each in jobs]
    log.info(table(list(zip(varied, reports, strict=True))))
    log.info(f"look at it   tensorboard --logdir {folder}")
    stopped = next((r for r in reasons.values() if isinstance(r, KeyboardInterrupt | StopRequested)), None)
    if stopped is not None:
        job.fail(exit_code_of(stopped))
    elif any(each["status"] != "finished" for each in reports):
        job.fail(1)
    return [each["objective"] for each in reports]


def _refuse_repetitions(jobs: list[Job], prepared: list[Prepared], hashes: list[str]) -> None:
    """Raises UserError where jobs differ only in what changes no result: they are one cell, which trains once."""
    keys: dict[str, None] = {}
    for each, config, hashed in zip(jobs, prepared, hashes, strict=True):
        first = hashes.index(hashed)
        if config.config != prepared[first].config:
            keys |= {key: None for key, value in each.varied.items() if value != jobs[first].varied[key]}
    if keys:
        words = [f"{key}={','.join(dict.fromkeys(each.varied[key] for each in jobs))}" for key in keys]
        raise UserError(
            f"jobs that differ only in {' '.join(words)} are one experiment, which a sweep trains once;"
            " start them one by one, each with hydra.run.dir= of its own"
        )


def _launch(jobs: list[Prepared], folders: list[Path], launcher: Launcher, num_cells: int) -> list[JobReturn]:
    """Gives the jobs to the launcher: to ours as they are, to any other as words, which each job composes anew."""
    if hasattr(launcher, "launch_prepared"):
        return list(launcher.launch_prepared(jobs, folders, num_cells))
    places = [[f"hydra.sweep.dir='{each.parent}'", f"hydra.sweep.subdir='{each.name}'"] for each in folders]
    words = [[*each.words, *place] for each, place in zip(jobs, places, strict=True)]
    return list(launcher.launch(words, initial_job_idx=0))


def _ledger(config: DictConfig, wanted: dict[str, str]) -> tuple[Path, dict[str, Cell]]:
    """Returns the folder of the sweep and its cells; tells the launcher of the folder."""
    place = Path(config.hydra.sweep.dir)
    if any(word.startswith("hydra.sweep.dir=") for word in config.hydra.overrides.hydra):
        return place, join_ledger(place, wanted)
    folder, cells = open_ledger(place.parent, place.name, wanted, anew=config.rerun)
    with read_write(config):
        config.hydra.sweep.dir = str(folder)
    return folder, cells


def _tell_plan(folder: Path, cells: list[Cell], num_jobs: int, num_left: int) -> None:
    """Says what is left to do, which folders go on, and which results come from other code."""
    done = f", {num_jobs - num_left} of them done already" if num_left < num_jobs else ""
    log.info(f"{num_jobs} jobs{done} → {folder}")
    begun = [each.folder.name for each in cells if each.entry() and not each.is_done() and not each.is_running()]
    if begun:
        log.info(f"going on with {', '.join(begun)}")
    older = [each.folder.name for each in of_other_code(cells, code_version(allowed_modules()))]
    if older:
        log.warning(
            f"warning: other code than today's trained {', '.join(older)}; rerun=true trains all of them again,"
            " in a new folder"
        )


def expand(overrides: list[Override]) -> list[Job]:
    """Returns the jobs of a grid: every combination of the values of all overrides that have several.

    Raises:
        UserError: an override asks for random values, which a grid has none of.
    """
    axes: list[list[str]] = []
    for override in overrides:
        key = override.get_key_element()
        if not override.is_sweep_override():
            axes.append([f"{key}={override.get_value_element_as_str()}"])
        elif override.is_discrete_sweep():
            axes.append([f"{key}={value}" for value in override.sweep_string_iterator()])
        else:
            raise UserError(f"{override.input_line} names a range of numbers, and a grid needs values: {key}=a,b,c")
    jobs: list[Job] = []
    names: set[str] = set()
    for number, words in enumerate(itertools.product(*axes)):
        varied = [word for word, axis in zip(words, axes, strict=True) if len(axis) > 1]
        name = unique(
            plain_name("_".join(word.replace("=[", "-").replace("=", "-") for word in varied))
            if varied
            else f"job-{number}",
            names,
        )
        names.add(name)
        jobs.append(Job(name, list(words), dict(word.partition("=")[::2] for word in varied)))
    return jobs
