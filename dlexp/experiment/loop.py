"""What is done around the training loop, in the order it happens: record, show, validate, save, stop."""

import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any

from dlexp.console.training_progress import Pace, make_progress
from dlexp.data.stream.stored import Stored
from dlexp.errors import UnreadableError, UserError
from dlexp.experiment.advice import diverging, is_learnt_by_heart, lower_rate, stuck_at_chance
from dlexp.experiment.assemble import Assembly
from dlexp.experiment.symptoms import likeliest
from dlexp.experiment.watching import PREFIX, Watchers
from dlexp.machine.busy_cores import BusyCores
from dlexp.machine.signals import StopRequested, Stops
from dlexp.records.checkpoints import BestWeights, Checkpoints, save
from dlexp.records.folder import BEST, LAST
from dlexp.records.tracker import Tracker
from dlexp.train.evaluate import evaluate
from dlexp.train.fit import fit


class _Training:
    """What the loop over `fit` keeps: records so far, and whether something was said already."""

    def __init__(
        self, run: Assembly, config: Mapping[str, Any], tracker: Tracker, stops: Stops, history: list[dict[str, Any]]
    ) -> None:
        self.run, self.config, self.tracker, self.stops, self.history = run, config, tracker, stops, history
        every = {key: value for key, value in config["checkpoint"].items() if key != "keep"}
        self.checkpoints, self.best = Checkpoints(tracker.folder, **every), BestWeights(tracker.folder / BEST)
        steps_per_epoch = run.plan.steps_per_epoch(len(run.train))
        num_epochs = -(-run.total_steps // steps_per_epoch)
        samples = "images" if run.train.fields[run.train.split.first].kind == "image" else "samples"
        self.progress = make_progress(num_epochs, steps_per_epoch, run.measures, sys.stdout, samples)
        self.pace = Pace(run.total_steps - run.state.step, num_epochs)
        self.busy = BusyCores(run.device_facts["threads"], has_readers=isinstance(run.train.split.inputs, Stored))
        self.watchers = Watchers(run, tracker)
        self.advice_is_due = self.divergence_is_unsaid = True
        self.lower_rate = lower_rate(config["optimizer"], config["recipe"])
        self.start: float | None = None  # the first batch's loss; of a run that goes on, the mean of its first epoch


def train(
    run: Assembly, config: Mapping[str, Any], tracker: Tracker, stops: Stops, history: list[dict[str, Any]]
) -> None:
    """Trains with bar and checkpoints around it; saves the last state however the training ends.

    `history` has the records of the epochs before, and gets those of the new ones.
    """
    training = _Training(run, config, tracker, stops, history)
    try:
        with stops.patient():
            _to_the_end(training)
    except (KeyboardInterrupt, StopRequested, UnreadableError):
        # Within a group of accumulated batches there is no state to go on from: the last one that was saved stays.
        if run.state.batch % run.plan.accumulate == 0 or run.state.batch == len(run.train):
            _save_last(training)
        raise
    finally:
        training.busy.close()
        training.progress.close()
        training.checkpoints.close()
    _save_last(training)


def _save_last(training: _Training) -> None:
    try:
        training.tracker.flush()
        training.best.write(is_last=True)
        training.checkpoints.save_last(training.run.state)
        save(training.tracker.folder / LAST, training.run.state.weights())
    except OSError as error:
        raise UserError(f"the last state could not be saved: {error.strerror or error}") from error


def _to_the_end(training: _Training) -> None:
    """Trains to the end, to the end of patience, or (with overfit_batches) until the batches are learnt."""
    run, tracker, checkpoints = training.run, training.tracker, training.checkpoints
    if _is_over(training):
        return

    def save_is_due(state: Any) -> bool:
        return training.stops.requested is not None or checkpoints.is_due(state)

    look = training.watchers.before_update if training.watchers.looks_at_steps() else None
    for event in fit(run.state, run.train, run.plan, save_is_due, look):
        kind, batch = event["kind"], event.pop("batch")
        if kind == "save":
            if checkpoints.is_due(run.state):
                try:
                    tracker.flush()
                except OSError as error:  # a state without its metrics would lose them
                    checkpoints.put_off(error)
                else:
                    training.best.write(is_due=True)
                    checkpoints.save(run.state)
            training.stops.obey()
            if run.state.batch == 0 and _is_over(training):
                return
        elif kind == "epoch":
            _close_epoch(training, event)
        else:
            if kind == "steps":
                told = [key for key in event if key.startswith(f"{PREFIX}/")]
                tracker.log({key: event[key] for key in ("kind", "epoch", "step", "train/recent_loss", "lr", *told)})
            training.progress.step(event["epoch"], batch // run.plan.accumulate, event)
            for sentence in (training.pace.sentence(event["step"]), training.busy.look()):
                if sentence:
                    training.progress.message(sentence)


def _close_epoch(training: _Training, event: dict[str, Any]) -> None:
    """Validates when that is due, records the epoch, and says once when it diverges or nothing is being learnt."""
    run, config = training.run, training.config
    recent = event.pop("train/recent_loss")
    if training.start is None:
        training.start = training.history[0]["train/loss"] if training.history else float(run.state.losses[0])
    is_last = event["step"] >= run.total_steps
    validates = run.val is not None and (event["epoch"] % config["val_every"] == 0 or is_last)
    # Nothing else here can end early, and to keep what would be put back takes a tenth of a small full-batch step.
    may_end_early = validates or bool(run.state.watchers)
    with run.state.as_before_unless_finished() if may_end_early else nullcontext():
        if validates:
            event |= _validate(training)
        event["fingerprint/batch"] = run.state.first_batch
        event["fingerprint/weights"] = run.state.fingerprint()
        training.watchers.epoch(event)
    training.tracker.log(event)
    training.history.append(event)
    training.progress.epoch(event, is_best=run.state.best_epoch == event["epoch"])
    sentence = diverging(recent, training.start, run.task, training.lower_rate)
    if sentence and training.divergence_is_unsaid:
        training.divergence_is_unsaid = training.advice_is_due = False
        training.progress.message(sentence)
    elif training.advice_is_due:
        look = partial(likeliest, run, config)
        if advice := stuck_at_chance(event, run.task, config["optimizer"], config["recipe"], look):
            training.advice_is_due = False
            training.progress.message(advice)


def _is_over(training: _Training) -> bool:
    """Returns whether the training ends before its last step, and says why."""
    run, config = training.run, training.config
    if not training.history:
        return False
    if config["patience"] is not None and run.state.bad_validations >= config["patience"]:
        training.progress.message(f"no better result in {config['patience']} validations: stopping early")
        return True
    if run.state.stopped is not None:
        training.progress.message(f"{run.state.stopped}: stopping here")
        return True
    return config["overfit_batches"] is not None and bool(is_learnt_by_heart(training.history[-1], run.task))


def _validate(training: _Training) -> dict[str, float]:
    run, started = training.run, time.perf_counter()
    assert run.val is not None
    with training.stops.impatient():
        found = evaluate(run.state.average.module, run.task, run.state.method, run.ask, run.val, run.plan).metrics
    higher_is_better = run.measures[run.task.metric].higher_is_better
    improved = run.state.method.may_choose(run.state.step) and run.state.improves(
        found[run.task.metric], found["loss"], higher_is_better
    )
    if improved:
        training.best.keep(run.state.weights())
    follow: Any = getattr(run.state.schedule, "validated", None)
    if follow is not None:
        follow(found, improved)
    training.best.write()
    return {f"val/{name}": value for name, value in found.items()} | {"time/val": time.perf_counter() - started}
