"""The planner of a sweep: expand the grid, check every job, launch, print the table."""

import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, open_dict

from dlexp import job, record
from dlexp.check import check, listed
from dlexp.config import plain_name
from dlexp.errors import UserError
from dlexp.mistakes import HYDRA_ERRORS, compose_or_explain, sentence
from dlexp.progress import format_seconds

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One combination: its name (a folder's), all its overrides, and those that differ between jobs."""

    name: str
    overrides: list[str]
    varied: dict[str, str]


def run_sweep(arguments: list[str], config: DictConfig, loader: ConfigLoader, launcher: Launcher) -> list[float | None]:
    """Runs every combination of the overrides and prints a table; returns each job's validation value.

    Raises:
        UserError: something is wrong with one of the jobs; none has started then.
    """
    jobs = expand(OverridesParser.create(config_loader=loader).parse_overrides(arguments))
    check_all(jobs, config, loader)
    folder = Path(config.hydra.sweep.dir)
    folder.mkdir(parents=True, exist_ok=True)
    log.info(f"{len(jobs)} jobs → {folder}")
    words = [[*job.overrides, f"hydra.sweep.subdir='{job.name}'"] for job in jobs]
    try:
        results = launcher.launch(words, initial_job_idx=0)
        interrupted = any(isinstance(result._return_value, KeyboardInterrupt) for result in results)
    except KeyboardInterrupt:
        results, interrupted = [], True
    reports = [report(folder / each.name, results[i] if i < len(results) else None) for i, each in enumerate(jobs)]
    log.info(table(jobs, reports))
    log.info(f"look at it   tensorboard --logdir {folder}")
    if interrupted:
        job.fail(130)
    elif any(each["status"] != "finished" for each in reports):
        job.fail(1)
    return [each.get("objective") for each in reports]


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
            plain_name("_".join(word.replace("=", "-") for word in varied)) if varied else f"job-{number}", names
        )
        names.add(name)
        jobs.append(Job(name, list(words), dict(word.partition("=")[::2] for word in varied)))
    return jobs


def unique(name: str, taken: set[str]) -> str:
    """Returns `name`, or `name-2`, `name-3`, … when it is taken (upper and lower case are one on Windows and macOS)."""
    lower = {each.lower() for each in taken}
    if name.lower() not in lower:
        return name
    return next(f"{name}-{i}" for i in itertools.count(2) if f"{name}-{i}".lower() not in lower)


def check_all(jobs: Sequence[Job], config: DictConfig, loader: ConfigLoader) -> None:
    """Composes and checks every job; raises one UserError that lists what is wrong, with the jobs it concerns."""
    found: dict[str, list[str]] = {}
    for each in jobs:
        for problem in _problems(each, config, loader):
            found.setdefault(problem, []).append(each.name)
    if found:
        problems = [
            problem if len(names) == len(jobs) else f"{problem} (in {', '.join(names[:3])}{', …' * (len(names) > 3)})"
            for problem, names in found.items()
        ]
        raise UserError(f"{listed(problems)}\nno job was started")


def _problems(each: Job, config: DictConfig, loader: ConfigLoader) -> list[str]:
    cfg, problems = compose_or_explain(lambda words: loader.load_sweep_config(config, words), each.overrides)
    if cfg is None or problems:
        return problems
    with open_dict(cfg):
        del cfg["hydra"]
    try:
        check(cfg)
    except UserError as error:
        return str(error).split("\n  - ")[1:] or [str(error)]
    except HYDRA_ERRORS as error:
        return [sentence(error, each.overrides)]
    return []


def report(folder: Path, result: JobReturn | None) -> dict[str, Any]:
    """Returns how a job ended: status, metrics, seconds and the reason of a failure, from its run.json."""
    try:
        found = record.read_json(folder / record.RUN_FILE)
    except (OSError, ValueError):
        found = {"status": "not started", "metrics": {}, "seconds": None, "error": None}
    if found["status"] == "running":  # nobody wrote its end: the process died
        found["status"] = "died"
    reason = result._return_value if result is not None else None
    if found["status"] not in ("finished", "stopped") and not found["error"]:
        found["error"] = str(reason) if isinstance(reason, BaseException) else None
    metrics = found["metrics"]
    found["objective"] = next((metrics[key] for key in ("val/accuracy", "val/loss") if key in metrics), None)
    return dict(found)


def table(jobs: Sequence[Job], reports: Sequence[dict[str, Any]]) -> str:
    """Returns the sweep as text: what varied, validation and test metric, seconds, and why a job failed."""
    keys = list(jobs[0].varied) or ["job"]
    shown = [
        key
        for key in ("val/accuracy", "val/loss", "test/accuracy", "test/loss")
        if any(key in r["metrics"] for r in reports)
    ]
    if any(key.endswith("accuracy") for key in shown):
        shown = [key for key in shown if key.endswith("accuracy")]
    rows = [[*keys, *shown, "time", "status"]]
    for each, found in zip(jobs, reports, strict=True):
        values = [number(key, found["metrics"].get(key)) for key in shown]
        seconds = format_seconds(found["seconds"]) if found["seconds"] is not None else "-"
        status = found["status"] + (f": {found['error']}" if found["error"] else "")
        rows.append([*(list(each.varied.values()) or [each.name]), *values, seconds, " ".join(status.split())])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(["", lines[0], "-" * min(100, len(lines[0])), *lines[1:], ""])


def number(key: str, value: float | None) -> str:
    """Returns a metric as the table shows it: accuracies in percent."""
    if value is None:
        return "-"
    return f"{100 * value:.2f} %" if key.endswith("accuracy") else f"{value:.4g}"
