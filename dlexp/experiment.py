"""One run from a checked config to its folder: assemble, train, test, and record each thing as it happens."""

import logging
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from omegaconf import DictConfig
from torch import Tensor

from dlexp import checkpoint, ending, record
from dlexp.assemble import Assembly, assemble
from dlexp.atomic import uninterrupted
from dlexp.build import plain
from dlexp.context import Context
from dlexp.diagnosis import overfit_verdict, stuck_at_chance
from dlexp.errors import UserError
from dlexp.progress import Progress, estimate, make_progress
from dlexp.summary import format_summary
from dlexp.tracking import Tracker
from dlexp.train.evaluate import evaluate
from dlexp.train.fit import NonFiniteLoss, fit

log = logging.getLogger(__name__)

# The first steps allocate and choose algorithms; the time a run takes is told from the steps after them.
WARMUP_SECONDS = 2.0


@dataclass(frozen=True)
class Result:
    """What a run leaves in memory: final metrics, the records of all epochs, its folder, the value sweeps compare."""

    metrics: dict[str, float]
    history: list[dict[str, Any]]
    folder: Path
    objective: float | None


@dataclass
class _Training:
    """What the loop over `fit` keeps: records so far, and whether something was said already."""

    run: Assembly
    context: Context
    progress: Progress
    num_epochs: int
    history: list[dict[str, Any]] = field(default_factory=list)
    pace_from: tuple[float, int] | None = None
    estimate_is_due: bool = True
    advice_is_due: bool = True


def run_experiment(cfg: DictConfig, folder: Path, overrides: list[str], choices: Mapping[str, str]) -> Result:
    """Trains what `cfg` describes and records it in `folder`, which exists and is this run's own.

    `overrides` are the words typed, `choices` the option chosen of each group.

    Raises:
        UserError: the folder holds a run, the data is missing or damaged, or the loss stopped being a number.
    """
    if (folder / record.RUN_FILE).exists():
        raise UserError(f"{folder} holds a run already; give another folder, or none for a new one")
    entry = record.RunRecord(folder, name=folder.name, seed=cfg.seed, overrides=overrides)
    entry.note(choices=dict(choices))
    config = {str(key): plain(cfg[key]) for key in cfg if key != "hydra"}
    try:
        with Tracker(folder) as tracker:
            return _run(cfg, Context(config, overrides, choices, folder, tracker), entry)
    except NonFiniteLoss as error:
        entry.failed(str(error))
        lower = cfg.optimizer.get("lr", 0.1) / 10
        raise UserError(f"{error}; try optimizer.lr={lower:g} or grad_clip=1. The run is in {folder}") from error
    except KeyboardInterrupt:
        with uninterrupted():  # a sweep's parent may tell its jobs a second time
            entry.stopped("interrupted")
        log.info(f"stopped; what was done so far is in {ending.shown(folder)}")
        raise
    except BaseException as error:
        entry.failed(str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}".splitlines()[0])
        raise


def _run(cfg: DictConfig, context: Context, entry: record.RunRecord) -> Result:
    folder, choices = context.folder, context.choices
    log.info(f"{choices['model']} on {choices['data']} with {choices['optimizer']} → {ending.shown(folder)}")
    (folder / "config.yaml").write_text(_as_yaml(context.config), encoding="utf-8")
    run = assemble(cfg)
    _describe(run, context)
    if cfg.pictures:
        _first_pictures(run, context)

    steps_per_epoch = run.plan.steps_per_epoch(len(run.train))
    num_epochs = -(-run.total_steps // steps_per_epoch)
    training = _Training(run, context, make_progress(num_epochs, steps_per_epoch, sys.stdout), num_epochs)
    try:
        train(training)
    finally:
        training.progress.close()
        checkpoint.save(folder / "weights" / "last.pt", _weights(run))

    metrics = ending.finish(run, context, training.history)
    entry.finished(metrics, chosen_epoch=run.state.best_epoch)
    for line in ending.closing_words(run, folder, metrics):
        log.info(line)
    if cfg.overfit_batches is not None:
        log.info(overfit_verdict(training.history[-1], run.task, cfg.overfit_batches))
    return Result(metrics, training.history, folder, ending.objective(run, metrics))


def _as_yaml(config: dict[str, Any]) -> str:
    return str(yaml.safe_dump(config, sort_keys=False, allow_unicode=True))


def train(training: _Training) -> None:
    """Trains to the end, to the end of patience, or (with overfit_batches) until the batches are learnt."""
    run, config, tracker = training.run, training.context.config, training.context.tracker
    for event in fit(run.state, run.train, run.criterion, run.task.sums, run.plan):
        kind, batch = event.pop("kind"), event.pop("batch")
        if kind != "epoch":
            if kind == "steps":
                tracker.log({key: event[key] for key in ("epoch", "step", "train/recent_loss", "lr")})
            training.progress.step(event["epoch"], batch // run.plan.accumulate, event)
            _tell_time(training, event["step"])
            continue

        del event["train/recent_loss"]
        is_last = event["step"] >= run.total_steps
        if run.val is not None and (event["epoch"] % config["val_every"] == 0 or is_last):
            event |= _validate(training)
        tracker.log(event)
        training.history.append(event)
        training.progress.epoch(event)
        _warn_if_stuck(training, event)
        if config["patience"] is not None and run.state.bad_validations >= config["patience"]:
            training.progress.message(f"no better result in {config['patience']} validations: stopping early")
            break
        if config["overfit_batches"] is not None and overfit_verdict(event, run.task, 1).startswith("PASS"):
            break


def _validate(training: _Training) -> dict[str, float]:
    run, started = training.run, time.perf_counter()
    assert run.val is not None
    means = evaluate(run.state.average.module, run.val, run.criterion, run.task.sums, run.plan).means
    if run.state.improves(means[run.task.metric], means["loss"], run.task.higher_is_better):
        checkpoint.save(training.context.folder / "weights" / "best.pt", _weights(run))
    return {f"val/{name}": value for name, value in means.items()} | {"time/val": time.perf_counter() - started}


def _weights(run: Assembly) -> dict[str, Any]:
    return {"epoch": run.state.epoch, "model": run.state.average.module.state_dict()}


def _tell_time(training: _Training, step: int) -> None:
    """Says once, after the first steps, how long the whole run will take."""
    now = time.perf_counter()
    if training.pace_from is None:
        training.pace_from = (now, step)
    elif training.estimate_is_due and now - training.pace_from[0] > WARMUP_SECONDS and step > training.pace_from[1]:
        training.estimate_is_due = False
        seconds_per_step = (now - training.pace_from[0]) / (step - training.pace_from[1])
        time_needed = estimate(seconds_per_step, training.run.total_steps)
        training.progress.message(f"{time_needed} for {training.num_epochs} epochs (validation not counted)")


def _warn_if_stuck(training: _Training, event: dict[str, Any]) -> None:
    if training.advice_is_due:
        advice = stuck_at_chance(event, training.run.task, training.context.config["optimizer"].get("lr"))
        if advice:
            training.advice_is_due = False
            training.progress.message(advice)


def _describe(run: Assembly, context: Context) -> None:
    """Writes what the run is before it starts: environment, data, model; and says the essentials."""
    folder, facts = context.folder, run.device_facts
    table = format_summary(run.model_summary)
    record.write_json(folder / "environment.json", record.environment(facts))
    record.write_json(folder / "data.json", run.data_facts)
    record.write_json(folder / "model.json", run.model_summary)
    (folder / "model.txt").write_text(table + "\n", encoding="utf-8")
    context.tracker.text("config", f"```yaml\n{_as_yaml(context.config)}\n```")
    context.tracker.text("model", f"```\n{table}\n```")
    sizes = ", ".join(f"{count:,} {name}" for name, count in run.data_facts["sizes"].items())
    where = f"{facts['gpu'] or facts['device']}, {facts['precision']}"
    threads = f", {facts['threads']} thread{'s' * (facts['threads'] != 1)}" if facts["device"] == "cpu" else ""
    log.info(f"{run.model_summary['parameters']:,} parameters; samples: {sizes}; {where}{threads}")


def _first_pictures(run: Assembly, context: Context) -> None:
    inputs, targets = next(run.train.epoch(0))
    if inputs.ndim == 4:
        from dlexp.pictures import image_grid

        images = _unnormalised(inputs[:64], run)
        names = run.data_facts["class_names"]
        titles = [names[i] for i in targets[:64].tolist()] if names else None
        context.tracker.figure("training_images", image_grid(images, titles), step=0)
    context.tracker.graph(run.state.model, inputs[:1])


def _unnormalised(inputs: Tensor, run: Assembly) -> Tensor:
    mean, std = (torch.tensor(run.data_facts["normalisation"][k]).view(1, -1, 1, 1) for k in ("mean", "std"))
    return (inputs.cpu() * std + mean).clamp(0, 1)
