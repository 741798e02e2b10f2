"""One run from a checked config to its folder: assemble, train, save, test, and record each thing as it happens."""

import logging
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlexp.config.build import build
from dlexp.config.composed import Composed
from dlexp.console.training_progress import Pace, Progress, make_progress
from dlexp.errors import UnreadableError, UserError
from dlexp.experiment import closing, opening, saved_state
from dlexp.experiment.advice import lower_rate, overfit_verdict, stuck_at_chance
from dlexp.experiment.assemble import Assembly, assemble
from dlexp.machine import environment
from dlexp.machine.lock_file import held_alone, locked
from dlexp.machine.shortage import explaining
from dlexp.machine.signals import StopRequested, Stops, listening
from dlexp.machine.whole_file import uninterrupted
from dlexp.records import checkpoints, run_json
from dlexp.records.checkpoints import BestWeights, Cadence, Checkpoints
from dlexp.records.result import Result, objective_of, read_result
from dlexp.records.tracker import Tracker
from dlexp.train.evaluate import evaluate
from dlexp.train.fit import fit
from dlexp.train.losses import NonFiniteLoss

log = logging.getLogger(__name__)


@dataclass
class _Training:
    """What the loop over `fit` keeps: records so far, and whether something was said already."""

    run: Assembly
    composed: Composed
    tracker: Tracker
    checkpoints: Checkpoints
    best: BestWeights
    stops: Stops
    progress: Progress
    pace: Pace
    history: list[dict[str, Any]]
    advice_is_due: bool = True


def run_experiment(composed: Composed, folder: Path, resumption: saved_state.Resumption | None = None) -> Result:
    """Trains what was composed and checked, and records it in `folder`, which exists and is this run's own.

    With a `resumption` the folder holds a run, which goes on from its newest state.

    Raises:
        UserError: the folder holds a run or is in use, the data is missing or damaged, no state can be read, memory
            or disk ran out, or the loss stopped being a number.
        KeyboardInterrupt, StopRequested: a signal ended the run; what was trained is saved.
    """
    shares = resumption is not None and resumption.shares
    lock = folder / run_json.LOCK_FILE
    with locked(lock) if shares else held_alone(lock, f"another process trains in {folder}"), listening() as stops:
        there = run_json.read_entry(folder)
        identity = opening.identity(composed.config, build(composed.config["task"]))
        holds_a_run = (folder / run_json.RUN_FILE).exists()  # also one whose run.json is damaged
        if holds_a_run and (resumption is None or (shares and (there or {}).get("cell") != identity["cell"])):
            raise UserError(f"{folder} holds a run already; resume={folder} goes on with it")
        if shares and there is None:
            resumption = None
        if shares and there is not None and there["status"] == "finished":
            log.info(f"{closing.shown(folder)} is finished already")
            return read_result(folder, there)
        if resumption is not None:
            entry = run_json.RunRecord.reopened(folder, composed.words, **identity)
        else:
            facts = {"seed": composed.config["seed"], "overrides": composed.words, "choices": composed.choices}
            entry = run_json.RunRecord.new(folder, **facts, **identity)
        try:
            with explaining(composed.config["batch_size"]):
                return _run(composed, folder, resumption, entry, stops)
        except NonFiniteLoss as error:
            entry.failed(str(error))
            advice = f"try {lower_rate(composed.config['optimizer'])} or grad_clip=1. The run is in {folder}"
            raise UserError(f"{error}; {advice}") from error
        except (KeyboardInterrupt, StopRequested) as error:
            with uninterrupted():  # a sweep's parent may tell its jobs a second time
                entry.stopped(f"stopped by {error}" if isinstance(error, StopRequested) else "interrupted")
            log.info(f"stopped; resume={closing.shown(folder)} goes on from here")
            raise
        except BaseException as error:
            is_known = isinstance(error, UserError)
            if not is_known:
                log.debug("the run failed", exc_info=True)  # the console gets the traceback from Python, log.txt here
            entry.failed(str(error) if is_known else f"{type(error).__name__}: {error}".splitlines()[0])
            raise


def _run(
    composed: Composed,
    folder: Path,
    resumption: saved_state.Resumption | None,
    entry: run_json.RunRecord,
    stops: Stops,
) -> Result:
    config, choices = composed.config, composed.choices
    log.info(f"{choices['model']} on {choices['data']} with {choices['optimizer']} → {closing.shown(folder)}")
    threads = config["threads"] or run_json.recorded_threads(folder)  # of a run that goes on: sums depend on it
    (folder / "config.yaml").write_text(opening.as_yaml(config), encoding="utf-8")
    run = assemble(
        {**config, "threads": threads}, is_resumed=resumption is not None and bool(checkpoints.saved_states(folder))
    )
    log.info(opening.in_one_line(run))
    history = [] if resumption is None else saved_state.restore(run, folder, resumption)
    is_new = run.state.step == 0
    with Tracker(folder, resumed_step=None if resumption is None else run.state.step) as tracker:
        if is_new:
            opening.describe(run, composed, tracker)
            if config["pictures"]:
                opening.first_pictures(run, tracker)
        if resumption is not None:
            entry.note_resumed(step=run.state.step, environment=environment.environment(run.device_facts))
        with build(config["profile"], run, folder):
            training = _train(run, composed, tracker, stops, history)

        metrics = closing.finish(run, composed, tracker, training.history)
        entry.finished(metrics, chosen_epoch=run.state.best_epoch)
    for line in closing.closing_words(run, folder, metrics):
        log.info(line)
    if config["overfit_batches"] is not None:
        log.info(overfit_verdict(training.history[-1], run.task, config["overfit_batches"]))
    return Result(metrics, training.history, folder, objective_of(entry.data))


def _train(
    run: Assembly, composed: Composed, tracker: Tracker, stops: Stops, history: list[dict[str, Any]]
) -> _Training:
    """Trains with bar and checkpoints around it; saves the last state however the training ends."""
    steps_per_epoch = run.plan.steps_per_epoch(len(run.train))
    num_epochs = -(-run.total_steps // steps_per_epoch)
    progress = make_progress(num_epochs, steps_per_epoch, run.measures, sys.stdout)
    checkpoints = Checkpoints(tracker.folder, Cadence(**composed.config["checkpoint"]))
    best = BestWeights(tracker.folder / "weights" / "best.pt")
    pace = Pace(run.total_steps - run.state.step, num_epochs)
    training = _Training(run, composed, tracker, checkpoints, best, stops, progress, pace, history)
    try:
        with stops.patient():
            train(training)
    except (KeyboardInterrupt, StopRequested):
        _save_last(training)
        raise
    except UnreadableError:
        # Within a group of accumulated batches there is no state to go on from: the last one that was saved stays.
        if run.state.batch % run.plan.accumulate == 0 or run.state.batch == len(run.train):
            _save_last(training)
        raise
    finally:
        progress.close()
        checkpoints.close()
    _save_last(training)
    return training


def _save_last(training: _Training) -> None:
    try:
        training.tracker.flush()
        training.best.write(is_last=True)
        training.checkpoints.save_last(training.run.state)
        checkpoints.save(training.tracker.folder / "weights" / "last.pt", closing.weights(training.run))
    except OSError as error:
        raise UserError(f"the last state could not be saved: {error.strerror or error}") from error


def train(training: _Training) -> None:
    """Trains to the end, to the end of patience, or (with overfit_batches) until the batches are learnt."""
    run, tracker, checkpoints = training.run, training.tracker, training.checkpoints
    if _is_over(training):
        return

    def save_is_due(state: Any) -> bool:
        return training.stops.requested is not None or checkpoints.is_due(state)

    for event in fit(run.state, run.train, run.task.sums, run.plan, save_is_due):
        kind, batch = event["kind"], event.pop("batch")
        if kind == "save":
            is_boundary = run.state.batch == 0
            if checkpoints.is_due_after_epoch(run.state) if is_boundary else checkpoints.is_due(run.state):
                try:
                    tracker.flush()
                except OSError as error:  # a state without its metrics would lose them
                    checkpoints.put_off(error)
                else:
                    checkpoints.save(run.state)
            training.stops.obey()
            if is_boundary and _is_over(training):
                return
        elif kind == "epoch":
            _close_epoch(training, event)
        else:
            if kind == "steps":
                tracker.log({key: event[key] for key in ("kind", "epoch", "step", "train/recent_loss", "lr")})
            training.progress.step(event["epoch"], batch // run.plan.accumulate, event)
            time_needed = training.pace.sentence(event["step"])
            if time_needed:
                training.progress.message(time_needed)


def _close_epoch(training: _Training, event: dict[str, Any]) -> None:
    """Validates when that is due, and records the epoch."""
    run, config = training.run, training.composed.config
    del event["train/recent_loss"]
    is_last = event["step"] >= run.total_steps
    if run.val is not None and (event["epoch"] % config["val_every"] == 0 or is_last):
        event |= _validate(training)
    event["fingerprint/batch"] = run.state.first_batch
    event["fingerprint/weights"] = run.state.fingerprint()
    training.tracker.log(event)
    training.history.append(event)
    training.progress.epoch(event)
    _warn_if_stuck(training, event)


def _is_over(training: _Training) -> bool:
    """Returns whether the training ends before its last step, and says why."""
    run, config = training.run, training.composed.config
    if not training.history:
        return False
    if config["patience"] is not None and run.state.bad_validations >= config["patience"]:
        training.progress.message(f"no better result in {config['patience']} validations: stopping early")
        return True
    last = training.history[-1]
    return config["overfit_batches"] is not None and overfit_verdict(last, run.task, 1).startswith("PASS")


def _validate(training: _Training) -> dict[str, float]:
    run, started = training.run, time.perf_counter()
    assert run.val is not None
    module, criterion = run.state.average.module, run.state.criterion
    with run.state.as_before_unless_finished(), training.stops.impatient():
        means = evaluate(module, run.ask, run.val, criterion, run.task.sums, run.plan).means
    higher_is_better = run.measures[run.task.metric].higher_is_better
    if run.state.improves(means[run.task.metric], means["loss"], higher_is_better):
        training.best.keep(closing.weights(run))
    training.best.write()
    return {f"val/{name}": value for name, value in means.items()} | {"time/val": time.perf_counter() - started}


def _warn_if_stuck(training: _Training, event: dict[str, Any]) -> None:
    if training.advice_is_due:
        advice = stuck_at_chance(event, training.run.task, training.composed.config["optimizer"])
        if advice:
            training.advice_is_due = False
            training.progress.message(advice)
