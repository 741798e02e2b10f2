"""One run from a checked config to its folder: opened, trained, tested, and each thing recorded as it happens."""

import logging
from pathlib import Path

from dlexp.config.build import build
from dlexp.config.composed import Composed
from dlexp.errors import UserError
from dlexp.experiment import closing, description
from dlexp.experiment.advice import overfit_verdict
from dlexp.experiment.identity import identity
from dlexp.experiment.length import is_one_step
from dlexp.experiment.loop import train
from dlexp.experiment.opening import opened
from dlexp.experiment.saved_state import Resumption
from dlexp.machine.lock_file import locked
from dlexp.machine.signals import listening
from dlexp.metric import facts_of
from dlexp.records import weights
from dlexp.records.folder import LOCK, RECORD
from dlexp.records.result import Result, objective_of, read_result
from dlexp.records.run_json import read_entry, refuse_other_version
from dlexp.records.tracker import Tracker

log = logging.getLogger(__name__)


def run_experiment(composed: Composed, folder: Path, resumption: Resumption | None = None) -> Result:
    """Trains what was composed and checked, and records it in `folder`, which exists and is this run's own.

    With a `resumption` the folder holds a run, which goes on from its newest state.

    Raises:
        UserError: the folder holds a run or is in use, the data is missing or damaged, no state can be read, memory
            or disk ran out, or the loss stopped being a number.
        KeyboardInterrupt, StopRequested: a signal ended the run; what was trained is saved.
    """
    config, choices = composed.config, composed.choices
    shares = resumption is not None and resumption.shares
    otherwise = None if shares else f"another process trains in {folder}"
    with locked(folder / LOCK, otherwise=otherwise), listening() as stops:
        there, facts = read_entry(folder), description.what_it_is(composed)
        holds_a_run = (folder / RECORD).exists()  # also one whose run.json is damaged
        if holds_a_run and (resumption is None or (shares and (there or {}).get("cell") != facts["cell"])):
            refuse_other_version(folder)
            raise UserError(f"{folder} holds a run already; resume={folder} goes on with it")
        if shares and there is not None:
            if change := identity(config).change_since(there):
                raise UserError(f"{change} since {folder} was trained; another folder begins it anew")
            if there["status"] == "finished":
                log.info(f"{closing.shown(folder)} is finished already")
                return read_result(folder, there)
        elif shares and resumption is not None:
            resumption.accepted()
            resumption = None
        trained_by = choices["method" if is_one_step(config) else "optimizer"]
        log.info(f"{choices['model']} on {choices['data']} with {trained_by} → {closing.shown(folder)}")
        with opened(composed, folder, resumption, facts) as (run, entry, history):
            resumed_step = None if resumption is None else run.state.step
            with Tracker(folder, resumed_step, leading=("loss", run.task.metric)) as tracker:
                if run.state.step == 0:
                    description.describe(run, composed, tracker)
                with build(config["profile"], run, folder):
                    train(run, config, tracker, stops, history)
                metrics = closing.finish(run, composed, tracker, history)
                entry.finished(metrics, chosen_epoch=run.state.best_epoch, measures=facts_of(run.measures))
        for line in closing.closing_words(run, folder, metrics, is_job=shares):
            log.info(line)
        if config["overfit_batches"] is not None:
            log.info(overfit_verdict(history[-1], run.task, config["overfit_batches"]))
        # Only now, and outside: a signal here must not make a run count as stopped whose states are gone.
        weights.leave(folder, config["checkpoint"]["keep"], has_best=run.state.best_epoch is not None)
        return Result(metrics, history, folder, objective_of(entry.data))
