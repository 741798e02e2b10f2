"""dlexp from Python: `run` trains, `run_sweep` runs a sweep, `load` returns a trained model."""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dlexp.config.check import check
from dlexp.config.compose import compose
from dlexp.config.composed import Composed
from dlexp.config.loaded_once import loading_once
from dlexp.config.problems import group_problems
from dlexp.config.stored import is_free
from dlexp.config.words import SWEEP_FLAGS
from dlexp.console.streams import log_to
from dlexp.errors import UserError, to_type
from dlexp.experiment import resume
from dlexp.machine.signals import obey_what_was_put_off
from dlexp.records.folder import LOG
from dlexp.records.naming import OUTPUTS, making, plain_name, refuse_files
from dlexp.sweep.chain import may_have_stages
from dlexp.sweep.launchers.launcher import is_here

if TYPE_CHECKING:
    from dlexp.config.trained import TrainedModel
    from dlexp.records.result import Result

log = logging.getLogger(__name__)


def run(overrides: Sequence[str] = (), *, folder: Path | str | None = None) -> "Result":
    """Trains what the overrides describe, like `python -m dlexp OVERRIDES…` in this process.

    `resume=RUN` and `resume=auto` go on with a run that is there. `folder` (or the word `hydra.run.dir=FOLDER`) is
    where a new run is recorded; by default a new one under `outputs/`. Returns the final metrics, the history (a dict
    an epoch) and the folder. A run in another thread waits until this one has ended. With `dry_run=true` nothing
    happens but a forecast in the log, and the result is empty.

    Raises:
        UserError: an override is wrong or the data is missing.
    """
    logging.getLogger("dlexp").setLevel(logging.INFO)
    named, words = resume.split_words(_words("run", overrides))
    if set(SWEEP_FLAGS) & set(words):
        raise UserError("-m starts a sweep: run_sweep([…]) from Python, python -m dlexp -m … on a command line")
    place = None if folder is None else Path(folder)
    if place is not None and any(word.startswith("hydra.run.dir=") for word in words):
        raise UserError(f"hydra.run.dir= and folder={folder} both name the run's folder; leave one out")
    if place is not None and named not in (None, "auto"):
        raise UserError(f"resume={named} goes on in the folder of that run; leave out folder={folder}")
    if named is not None and any(word.startswith("dry_run=") for word in words):
        raise UserError("dry_run= tells of new runs; without it, resume= goes on with one that is there")
    with alone(), loading_once():
        if named not in (None, "auto"):
            return resume.resume_named(named, words)
        may_be_staged = may_have_stages(words)
        if may_be_staged and (staged := _staged(words, place)) is not None:
            return staged
        composed = compose(words, is_read_again=may_be_staged)
        place = place or composed.place
        found = resume.find(place, composed.config) if named else None
        if found is not None:
            return resume.resume(found, [word for word in composed.words if is_free(word)])
        return _new_run(composed, place)


def run_sweep(overrides: Sequence[str]) -> "list[Result]":
    """Runs every combination of the values, like `python -m dlexp -m OVERRIDES…`: the same folder, table and processes.

    Returns a result for each job, in the order of the jobs (of a search in that of the trials, then the best trained
    whole); what was finished before is read. One that did not finish has no metrics, no history and no objective:
    run.json in its folder, and the table in the log, say why. With `dry_run=true` there are none.

    Raises:
        UserError: something is wrong with one of the jobs; none has started then.
        KeyboardInterrupt, StopRequested: a signal ended the sweep; the same call goes on with it.
    """
    logging.getLogger("dlexp").setLevel(logging.INFO)
    words = _words("run_sweep", overrides)
    if any(word.startswith("resume=") for word in words):
        raise UserError("resume= continues one run; a sweep is continued by calling run_sweep once more")
    from dlexp.records.result import Result, read_result
    from dlexp.sweep import plan

    with alone():
        swept = plan.run_sweep(["-m", *(word for word in words if word not in SWEEP_FLAGS)])
    if swept.stop is not None:
        raise swept.stop
    ended = zip(swept.folders, swept.reports, strict=True)
    return [
        read_result(folder, each) if each["status"] == "finished" else Result({}, [], folder, None)
        for folder, each in ended
    ]


def _words(caller: str, overrides: Sequence[str]) -> list[str]:
    """Returns the words of a list. Raises UserError where it is none, or grants what only a command line can."""
    if isinstance(overrides, str):
        raise UserError(f"{caller}() takes a list of words: {caller}({overrides.split()})")
    words = list(overrides)
    for word in words:
        if not isinstance(word, str):
            raise UserError(f"{caller}() takes words as on the command line, such as 'epochs=1', and {word!r} is none")
        if word.startswith("allow="):
            raise UserError(
                f"allow= is for the command line; set the environment variable DLEXP_ALLOW before {caller}()"
            )
    return words


def _new_run(composed: Composed, place: Path | None) -> "Result":
    problems = group_problems("launcher", composed.config["launcher"])
    if not problems and not is_here(composed.config):
        problems.append(
            f"launcher={composed.choices['launcher']} starts the jobs of a sweep: add -m (a sweep of one will do), or"
            " launcher=local to train here"
        )
    if problems:
        raise UserError(*problems)
    refuse_files(place or composed.place or OUTPUTS, "hydra.run.dir")
    check(composed.config, made_from=composed.made_from)
    if composed.config["dry_run"]:
        from dlexp.records.result import Result
        from dlexp.sweep import dry_run

        dry_run.tell([{"run": composed.name}], [composed])
        return Result({}, [], composed.place or OUTPUTS / plain_name(composed.name), None)
    from dlexp.experiment.run import run_experiment

    obey_what_was_put_off()
    with making(place or OUTPUTS / plain_name(composed.name), numbered=place is None) as folder:
        with log_to(folder / LOG) as begin_log:
            begin_log()
            return run_experiment(composed, folder)


def _staged(typed: Sequence[str], place: Path | None) -> "Result | None":
    """Trains what is left of the stages that the words ask for; returns the result of the last one, None without any.

    Raises:
        UserError: one of them failed, or something is wrong with one; none has started then.
    """
    from dlexp.config.words import in_quotes, read
    from dlexp.console.wording import result
    from dlexp.metric import read_facts
    from dlexp.records.result import Result, read_result
    from dlexp.sweep.grid import Job
    from dlexp.sweep.stages import run_stages

    folder = [] if place is None else [f"hydra.sweep.dir={in_quotes(str(place))}"]
    own = read(["-m", *(word.replace("hydra.run.dir=", "hydra.sweep.dir=", 1) for word in typed)])
    staged = run_stages([Job("", [*own.overrides, *folder], {})], own)
    if staged is None:
        return None
    (ended, _) = staged
    if ended.stop is not None:
        raise ended.stop
    if not ended.folders:  # a dry run
        return Result({}, [], ended.folder, None)
    (last,), (report,) = ended.folders, ended.reports
    if report["status"] in ("pending", "running"):
        return Result({}, [], last, None)
    if report["status"] != "finished":
        raise UserError(str(report["error"] or report["status"]))
    if ended.was_done:  # else it told so when it ended
        log.info(f"{result(report['metrics'], read_facts(report['measures']))}")
        log.info(f"run folder   {last}")
        log.info(f"look at it   tensorboard --logdir {to_type(str(last.parent))}")
    return read_result(last, report)


_one_at_a_time = threading.RLock()


@contextmanager
def alone() -> Iterator[None]:
    """Waits until no other thread runs or loads: all draw from torch's one generator, and set its threads."""
    if not _one_at_a_time.acquire(blocking=False):
        log.warning("another thread of this process uses dlexp; this one waits until that has ended")
        _one_at_a_time.acquire()
    try:
        yield
    finally:
        _one_at_a_time.release()


def load(folder: Path | str) -> "TrainedModel":
    """Returns the trained model of a run folder, a module from un-normalised inputs to outputs, N×K for most tasks.

    Inputs are images N×C×H×W as bytes or in [0, 1], features N×F, or whatever the data's fields are, those by name.

    The run's config is read as data and built through the allow-list; the weights are read without running anything.

    Raises:
        UserError: the folder is no finished run of dlexp, or its files are damaged.
    """
    with alone():
        from dlexp.config.trained import read_trained

        return read_trained(Path(folder))
