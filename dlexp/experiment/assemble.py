"""From a config to everything a training needs: device, data on it, model, optimizer, schedule, in that order."""

import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dlexp.config.build import (
    build,
    build_each,
    build_evaluation,
    build_optimizer,
    build_schedule,
    build_task,
    load_data,
    prepared,
    told_content,
)
from dlexp.config.new_model import build_model
from dlexp.config.steps import hold_to_smallest
from dlexp.config.viewed import fields_of_data, fields_seen
from dlexp.data.fields import examples, hold_to_classes, hold_to_fields
from dlexp.data.fingerprint import of_splits
from dlexp.data.missing import filled
from dlexp.data.other_units import tell_other_units
from dlexp.data.splits import Split
from dlexp.data.units import hold_to_one_unit, normalised_fields
from dlexp.data.usage import usage
from dlexp.errors import UserError
from dlexp.experiment.batching import InOrder, make_batches
from dlexp.experiment.guessing import tell_guess
from dlexp.experiment.identity import sources_of
from dlexp.experiment.initial_weights import fingerprint_of_all, freeze, initialise
from dlexp.experiment.length import hold_to_one_step, make_plan, one_step
from dlexp.experiment.target_units import some_targets, standardised, tell_samples, tell_units
from dlexp.experiment.views import as_seen
from dlexp.machine import device as machine
from dlexp.machine.torch_private import start_without_compiler
from dlexp.methods.method import Method, Moment, Start, overrides
from dlexp.metric import LOSS, Metric
from dlexp.models.layers import summarise
from dlexp.tasks.chosen import prepare_metrics
from dlexp.tasks.task import Task, measures_of
from dlexp.train.batches import Batches
from dlexp.train.evaluate import Ask
from dlexp.train.fit import Plan
from dlexp.train.frozen import trained_parameters
from dlexp.train.state import TrainState

log = logging.getLogger(__name__)

# Training samples that a model's `init_from_data` sees; the whitening of patches needs no more.
INIT_SAMPLES = 5000


@dataclass
class Assembly:
    """The parts of one run."""

    plan: Plan
    train: Batches
    val: Batches | None
    test: Batches | None
    state: TrainState
    ask: Ask
    only_look: set[str]  # watchers that change no result
    in_order: InOrder
    data_facts: dict[str, Any]
    model_summary: dict[str, Any]
    device_facts: dict[str, Any]

    @property
    def task(self) -> Task:
        """What is learnt."""
        return self.state.task

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole training."""
        return self.plan.total_steps(len(self.train))

    def coefficients(self, model: nn.Module) -> dict[str, Any] | None:
        """Returns what the task tells of a model that is one line, in the data's own units; None for all others."""
        normalised = self.train.normalised.get(self.train.split.first)
        return self.task.coefficients(model, *(normalised.in_own_values if normalised else ()))

    @property
    def measures(self) -> dict[str, Metric]:
        """All that is measured, by name."""
        loss = {"loss": replace(LOSS, title="loss of standardised targets")} if self.task.units else {}
        return {**measures_of(self.task), **self.state.method.metrics, **loss}


def assemble(config: Mapping[str, Any], *, is_resumed: bool = False) -> Assembly:
    """Builds all parts of a checked config; with `is_resumed` a saved state will replace the initial weights.

    Raises:
        UserError: the data set is not there, is damaged, or does not fit what the config says of it.
    """
    start_without_compiler()
    config = one_step(config)
    device = machine.select_device(config["device"])
    advice = machine.device_advice(config["device"], device)
    if advice:
        log.warning(advice)
    machine.keep_freed_memory()
    machine.set_speed(config["deterministic"])
    with torch.device("meta"):
        skeleton, task = build(config["model"]), build_task(config)
    data, fields = config["data"], fields_seen(config)
    convolutional = any(isinstance(layer, nn.Conv2d) for layer in skeleton.modules())
    summary = summarise(skeleton, lambda model: task.predict(model, examples(fields, 1)))
    flops = math.inf if summary["flops"] is None else summary["flops"]  # unknown: not tiny, as far as anyone can tell
    threads = machine.set_threads(config["threads"], flops=flops * (config["batch_size"] or math.inf))
    precision = machine.select_precision(config["precision"], device, convolutional)

    content = told_content(data)  # before it is loaded: what changes in between is noticed when the run goes on
    loaded = load_data(data)
    content = content or of_splits(loaded)
    ignored: int | None = getattr(task, "ignore_index", None)
    splits, fill = filled(prepared(loaded, data, task))
    if ignored is not None and data["class_names"] and 0 <= ignored < data["num_outputs"]:
        log.info(f"the class {data['class_names'][ignored]} (number {ignored}) counts nowhere: task.ignore_index")
    if "targets" not in fields:
        splits = splits.each(Split.without_targets)
    for name, split in splits.named.items():
        hold_to_fields(split, fields_of_data(config), name)
        if config["task"]["targets"] in ("classes", "mask"):
            hold_to_classes(split, data["num_outputs"], ignored, name)
    hold_to_one_unit(splits.named, fields, device)
    tell_other_units(splits.named, fields, splits.feature_names)
    names = splits.feature_names
    splits, given = as_seen(config, splits)
    normalised = normalised_fields(splits.train, fields, **given, feature_names=splits.feature_names)
    splits, of_targets = standardised(config, skeleton, fields, splits)
    normalised |= of_targets
    splits = splits.each(lambda split: split.to(device))
    train, val, test, in_order = make_batches(config, splits, fields, normalised, convolutional)
    if config["evaluation"]["train"] and not train.can_be_seen_again:
        raise UserError(
            "evaluation.train=true reads the training samples once more, and a stream is read once an epoch"
        )
    hold_to_smallest(config, skeleton, task, fields, train)
    hold_to_one_step(config, train.split)

    plan = make_plan(config, len(train), device, precision)
    state = _state(config, plan, train, convolutional, is_resumed)
    train.views, train.unchanged = state.method.views, state.task.unchanged
    facts = {**data, "shape": fields[train.split.first].shape, "ignored": ignored, "feature_names": names}
    state.data, state.task.feature_names = asdict(content), splits.feature_names
    return Assembly(
        plan=plan,
        train=train,
        val=val,
        test=test,
        state=state,
        ask=build_evaluation(config["evaluation"]),
        only_look={name for name, node in config["watch"].items() if node and node.get("only_looks")},
        in_order=in_order,
        data_facts=usage(facts, splits, normalised, fill),
        model_summary=summary,
        device_facts=machine.device_facts(device, precision, threads),
    )


def _state(config: Mapping[str, Any], plan: Plan, train: Batches, convolutional: bool, is_resumed: bool) -> TrainState:
    machine.seed_everything(config["seed"])
    model: nn.Module = build_model(config)
    initial_weights = None
    if config["init_from"] is not None and not is_resumed:
        source = Path(config["init_from"]).expanduser()
        initialise(model, source, config["data"]["class_names"], train.normalised.get("targets"))
    if not is_resumed and (sources := sources_of(config)):
        initial_weights = fingerprint_of_all(sources)
    freeze(model, config["freeze"])
    model = model.to(plan.device)
    init_from_data: Any = getattr(model, "init_from_data", None)
    if init_from_data is not None and config["init_from"] is None and not is_resumed:
        init_from_data(train.spread(INIT_SAMPLES)[train.split.first])
    if convolutional:
        model = model.to(memory_format=torch.channels_last)
    task = build_task(config).to(plan.device)
    task.autocast = machine.autocast(plan.device, plan.precision)
    task.normalised = train.normalised
    watchers = build_each(config["watch"], ("only_looks",))
    tell_units(task, train)
    tell_guess(task, train.fields, plan.device)
    tell_samples(task, train)
    prepare_metrics(task, partial(some_targets, task, train))
    task.moment = moment = Moment.beginning(plan.device)
    num_steps = plan.total_steps(len(train))
    inputs = {name: each for name, each in train.normalised.items() if name != "targets"}

    def load(folder: str) -> nn.Module:
        from dlexp.config.trained import read_trained

        trained = read_trained(Path(folder).expanduser()).for_data_of(inputs, config["view"])
        return trained.answering_as(task).to(plan.device)

    method = _method(config, Start(model, task, load, inputs, num_steps))
    optimizer = build_optimizer(config["optimizer"], trained_parameters(model, task, method, may_thaw=bool(watchers)))
    idle = [name for name, part in config["optimizer"].get("parts", {}).items() if part and name not in optimizer.names]
    for name in idle:
        log.warning(f"warning: optimizer.parts.{name} finds no parameter in this model: its settings change nothing")
    return TrainState(
        model=model,
        task=task,
        method=method,
        moment=moment,
        watchers=watchers,
        optimizer=optimizer,
        schedule=build_schedule(config["scheduler"], optimizer, num_steps),
        scaler=torch.amp.GradScaler(plan.device.type, enabled=plan.precision == torch.float16),
        average=build(config["ema"], model),
        losses=torch.zeros(len(train), device=plan.device),
        sums={},
        counts=torch.ones(len(train), device=plan.device) if task.weighs else None,
        initial_weights=initial_weights,
    )


def _method(config: Mapping[str, Any], start: Start) -> Method:
    method: Method = build(config["method"])
    if config["compile"] and overrides(method, Method, "step"):
        log.warning(
            f"warning: {config['method']['_target_']} makes its own steps, which compile=true leaves as they are"
        )
    method.setup(start)
    if not method.trains:
        method.requires_grad_(False)
    return method.to(next(start.model.parameters()).device)
