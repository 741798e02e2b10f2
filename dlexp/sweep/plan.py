"""The planner of a sweep: expand the grid, train its one stage, print the table."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from dlexp.config import words
from dlexp.config.axes import axes
from dlexp.config.composed import Composed
from dlexp.console.wording import TRAINED_ON
from dlexp.errors import UserError, to_type
from dlexp.records.naming import OUTPUTS, plain_name
from dlexp.sweep.arms import arms_table
from dlexp.sweep.chain import may_have_stages
from dlexp.sweep.closing import write_report
from dlexp.sweep.grid import Job, grid, sweep_name
from dlexp.sweep.stage import Ended, checked, train
from dlexp.sweep.table import shared_metric, table

log = logging.getLogger(__name__)

# Of more finished jobs than these, whose means are told, `list` shows each.
MOST_ROWS = 60


def run_sweep(typed: Sequence[str]) -> Ended:
    """Runs every combination of the words that is not done yet, and prints a table; a dry run has no jobs.

    Raises:
        UserError: something is wrong with one of the jobs; none has started then.
    """
    with _starting_none():
        read = words.read(typed)
    if any(word.startswith("search=") and word != "search=grid" for word in read.overrides):
        from dlexp.sweep.search import run_search

        return run_search(read)
    with _starting_none():
        jobs = grid(axes(read.overrides, read.folders))
    if may_have_stages(read.overrides) and (staged := _run_stages(jobs, read)) is not None:
        return staged
    stage = checked(jobs, read)
    first = stage.runs[0]
    _refuse_search(first)
    if not stage.jobs[0].varied:  # a sweep of one: named as the run alone would be
        stage = replace(stage, jobs=[replace(stage.jobs[0], name=plain_name(first.name))])
    varied = [each.varied or {"job": each.name} for each in stage.jobs]
    if first.config["dry_run"]:
        from dlexp.sweep import dry_run

        dry_run.tell(varied, stage.runs, stage.identities, stage.launcher)
        return Ended(first.sweep_place or OUTPUTS, [], [], None)
    ended = train(stage, sweep_name(stage.jobs, first))
    tell_end(ended, varied, draws=any(run.config["pictures"] for run in stage.runs))
    return ended


def _run_stages(jobs: Sequence[Job], read: words.Words) -> Ended | None:
    """Trains the stages of each job, and shows what the last ones say together; None where there are no stages."""
    from dlexp.sweep.stages import run_stages

    staged = run_stages(jobs, read)
    if staged is not None and staged[0].folders:
        varied = [each.varied or {"job": end.name} for each, end in zip(staged[1], staged[0].folders, strict=True)]
        tell_end(staged[0], varied, draws=True)
    return None if staged is None else staged[0]


def tell_end(ended: Ended, varied: Sequence[Mapping[str, str]], *, draws: bool) -> None:
    """Shows the jobs of a sweep, and what they say together: means over seeds, its report with `draws`, and what to
    type for more. varied: what the jobs differ in.
    """
    rows = list(zip(varied, ended.reports, strict=True))
    means = arms_table(rows)
    is_long = len(rows) > MOST_ROWS and bool(means)
    if shown := [row for row in rows if not is_long or row[1]["status"] != "finished"]:
        log.info(table(shown))
    if means:
        log.info(means)
    if not ended.folder.exists():
        return
    folder = to_type(str(ended.folder))
    if is_long:
        there = {key for found in ended.reports for key in found["metrics"]}
        keys = (f"{split}/{(shared_metric(rows) or '').partition('/')[2]}" for split in ("val", "test", TRAINED_ON))
        log.info(f"each run     python -m dlexp list {folder} --sort {next(key for key in keys if key in there)}")
    log.info(f"look at it   tensorboard --logdir {folder}")
    if num_finished := sum(found["status"] == "finished" for found in ended.reports):
        if num_finished > 1 and draws and ended.stop is None and (page := write_report(ended.folder)) is not None:
            log.info(f"report       {page}")
        log.info(f"compare it   python -m dlexp report {folder}")


def _refuse_search(first: Composed) -> None:
    """Raises UserError where a search, or what only a search hears, is no word of the command line."""
    name, trials = first.choices["search"], first.config["trials"]
    if name != "grid":
        raise UserError(f"search={name} of a preset is not heard; type it\nno job was started")
    if trials is not None:
        problem = f"trials={trials} goes with a search, and a grid tries every combination; search=qmc is one"
        raise UserError(f"{problem}\nno job was started")


@contextmanager
def _starting_none() -> Iterator[None]:
    """Says of a mistake that no job was started."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{error}\nno job was started") from None
