"""The dress rehearsal: device, model, criterion, optimizer and schedule tried on shapes, before any data is read."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from dlexp.augment.operation import Draw, Mixing
from dlexp.augment.together import change, mix, refuse_what_would_not_fit
from dlexp.batch import mapped
from dlexp.config.build import build_each, build_evaluation, build_task, hold_to_files
from dlexp.config.fractions import hold_to_fractions
from dlexp.config.lost_state import NUM_SAMPLES, lost_state
from dlexp.config.new_model import build_model
from dlexp.config.registry import groups
from dlexp.config.steps import are_rows, refused, try_method, try_optimizer, try_single, try_watchers
from dlexp.config.viewed import fields_seen
from dlexp.config.views_tried import try_views
from dlexp.data.fields import MOVED, NORMALISED, Field, examples, left_behind
from dlexp.errors import UserError, listed, to_type
from dlexp.machine import generators
from dlexp.machine.device import select_device, select_precision
from dlexp.machine.memory import available_bytes
from dlexp.machine.torch_private import start_without_compiler
from dlexp.models.layers import asked
from dlexp.tasks.chosen import hold_to_sums
from dlexp.tasks.protocol import hold_to_metrics, hold_to_protocol, misfit_of
from dlexp.tasks.regression import hold_to_numbers
from dlexp.tasks.task import Task
from dlexp.train.frozen import to_freeze, trained_parameters

Fields = Mapping[str, Field]


def rehearse(config: Mapping[str, Any], is_here: bool) -> list[str]:
    """Returns what would go wrong in the first step, or be lost after it, a sentence each.

    The model is built on the meta device (shapes without memory) and asked with made-up samples, in training and in
    evaluation; task and criterion see what it answers; the optimizer gets one small parameter. Device and memory are
    looked at for a run that `is_here`. The generators are left as they were.
    """
    start_without_compiler()
    problems: list[str] = []

    def tried(attempt: Callable[..., Any], *args: Any) -> Any:
        """Returns what an attempt returns; None where it tells of problems."""
        try:
            return attempt(*args)
        except UserError as error:
            problems.extend(error.problems)
            return None

    with generators.kept():
        if is_here:
            tried(_device, config)
        tried(hold_to_files, config["data"], is_here)
        model: nn.Module | None = tried(_model, config)
        if is_here and model is not None:
            tried(_memory, model)
        fields: Fields | None = tried(_fields, config)
        task: Task | None = tried(_task, config)
        outputs = None
        if fields is not None and task is not None:
            problems_before = len(problems)
            outputs = tried(_outputs, config, model, task, fields) if model is not None else None
            if (model is not None and len(problems) == problems_before) or are_rows(config):
                problems_before = len(problems)
                tried(_measures, config, task, fields, outputs)
                if len(problems) == problems_before:
                    tried(_augment, config, model, task, fields, outputs)
                tried(_evaluation, config, fields, outputs)
            if model is not None and not problems:
                tried(hold_to_fractions, config, model, fields)
                tried(try_single, config, model, task, fields)
                tried(try_method, config, model, task, fields)
                tried(try_watchers, config, model, task)
        parameters = _small_parameters(config, model)
        tried(try_optimizer, config, [*parameters, *(trained_parameters(nn.Module(), task) if task else [])])
        if problems or fields is None or model is None:
            return problems
        return lost_state(config, model, parameters, fields, _or_assumed(config, outputs, fields)[0])


def _device(config: Mapping[str, Any]) -> None:
    device = select_device(config["device"])
    select_precision(config["precision"], device, convolutional=False)


def _model(config: Mapping[str, Any]) -> nn.Module:
    with refused("model"), torch.device("meta"):
        model: nn.Module = build_model(config)
    to_freeze(model, config["freeze"])
    return model


def _fields(config: Mapping[str, Any]) -> Fields:
    try_views(config)
    return fields_seen(config)


def _memory(model: nn.Module) -> None:
    """Raises UserError when the weights alone are more than what is free: the system might end the process instead."""
    tensors = [*model.parameters(), *model.buffers()]
    size, free = sum(tensor.numel() * tensor.element_size() for tensor in tensors), available_bytes()
    if size > free:
        count = sum(parameter.numel() for parameter in model.parameters())
        raise UserError(
            f"the model's {count:,} parameters take {size / 1e9:,.1f} GB, and {free / 1e9:.1f} GB of memory are free;"
            " try a smaller model"
        )


def _task(config: Mapping[str, Any]) -> Task:
    with refused("task"):
        task: Task = build_task(config)
    hold_to_protocol(task, config["task"]["_target_"], config["task"]["metric"], groups()["metric"])
    return task


def _outputs(config: Mapping[str, Any], model: nn.Module, task: Task, fields: Fields) -> tuple[Any, Any] | None:
    """Returns what the model answers in training and in evaluation, zeros on the CPU; None where nobody knows."""
    return outputs_of(model, task, fields, str(config["model"]["_target_"]).rpartition(".")[2])


def outputs_of(model: nn.Module, task: Task, fields: Fields, name: str) -> tuple[Any, Any] | None:
    """Returns what a model answers in training and in evaluation, zeros on the CPU; None where it looks at values.

    Raises:
        UserError: a layer can't take what reaches it, or the task can't take what comes out.
    """
    inputs = [
        f"{field.shape}" if key == "inputs" else f"{key} {field.shape}"
        for key, field in fields.items()
        if key != "targets"
    ]
    found = asked(
        model,
        lambda shadow: task.predict(shadow, examples(fields, NUM_SAMPLES)),
        name,
        f"data of shape {listed(inputs)}",
    )
    if found is None:
        return None
    batch = examples(fields, NUM_SAMPLES)
    answers = [mapped(lambda each: torch.zeros(each.shape, dtype=each.dtype), outputs) for outputs in found]
    for outputs in answers:
        if misfit := misfit_of(task, outputs, batch):
            raise UserError(f"model {name} returns {misfit}")
    return answers[0], answers[1]


def _or_assumed(config: Mapping[str, Any], outputs: tuple[Any, Any] | None, fields: Fields) -> tuple[Any, Any]:
    """Returns outputs of zeros, N×num_outputs where nobody knows what the model answers."""
    unknown = torch.zeros(NUM_SAMPLES, config["data"]["num_outputs"])
    return (unknown, unknown) if outputs is None else outputs


def _measures(config: Mapping[str, Any], task: Task, fields: Fields, outputs: tuple[Any, Any] | None) -> None:
    """Tries the loss and what is measured on what the model answers in training and in evaluation."""
    batch, name = examples(fields, NUM_SAMPLES), config["task"]["_target_"]
    if config["task"]["standardise"] is True:
        hold_to_numbers(task, _or_assumed(config, outputs, fields)[0], fields.get("targets"))
    criterion, ignored = config["criterion"]["_target_"], getattr(task, "ignore_index", None)
    if ignored is not None:
        batch["targets"][0] = ignored
    goes_with = (
        "classes take criterion=cross_entropy, nll, hinge, mse, mse_softmax, huber or dice, two of them bce or"
        " perceptron too; values take mse or huber, labels bce"
    )
    for answer, is_training in zip(_or_assumed(config, outputs, fields), (True, False), strict=True):
        task.train(is_training)
        with _explained(f"criterion {criterion} does not go with task {name}", f"; {goes_with}"):
            loss: Any = task.loss(answer, batch)
        if not isinstance(loss, torch.Tensor) or loss.ndim:
            told = f"tensor of shape {list(loss.shape)}" if isinstance(loss, torch.Tensor) else type(loss).__name__
            raise UserError(f"criterion {criterion} gives a {told}, not one number")
        measures = to_type(f"metric=[{','.join(task.chosen)}]") if task.chosen else "what it measures"
        with _explained(f"{measures} can't be made of what task {name} has as outputs and targets"):
            sums = task.sums(answer, batch)
        hold_to_metrics(task, sums, NUM_SAMPLES, name)
    if task.chosen:
        hold_to_sums(task, answer, batch)


@contextmanager
def _explained(what: str, advice: str = "") -> Iterator[None]:
    """Makes a sentence of whatever a person's settings make go wrong in a part that is tried."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{what}: {reason}{advice}") from error


def _small_parameters(config: Mapping[str, Any], model: nn.Module | None) -> list[tuple[str, nn.Parameter]]:
    """Returns parameters with the model's names and number of axes, of one value each; one will do torch's own."""
    if model is None or str(config["optimizer"].get("_target_")).startswith("torch."):
        return [("weight", nn.Parameter(torch.zeros(1)))]
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    return [(name, nn.Parameter(torch.zeros([1] * parameter.ndim))) for name, parameter in trained]


def _augment(
    config: Mapping[str, Any], model: nn.Module | None, task: Task, fields: Fields, outputs: tuple[Any, Any] | None
) -> None:
    """Tries the augmentation, the model at the shape that it gives, and the task on the targets that it mixes."""
    if not config["augment"]:
        return
    first, *others = [name for name in fields if name != "targets"] or ["targets"]
    batch, shape = examples(fields, NUM_SAMPLES), fields[first].sizes
    if fields[first].kind in NORMALISED:
        batch[first] = torch.zeros(NUM_SAMPLES, *shape, dtype=fields[first].dtype)
    draw = Draw(torch.Generator(), epoch=0, samples=torch.arange(NUM_SAMPLES), seed=0)
    moved = {name: field.fill for name, field in fields.items() if field.kind in MOVED and name != first}
    with refused(f"augment at data shape {shape}"):
        augment = list(build_each(config["augment"]).values())
        mixes = any(isinstance(each, Mixing) for each in augment)
        if mixes and "targets" not in fields:
            raise UserError("augment mixes samples and their targets, and this task has none; leave the mix out")
        if mixes and getattr(task, "ignore_index", None) is not None:
            raise UserError("augment mixes samples, and this task has some that count nowhere (task.ignore_index)")
        refuse_what_would_not_fit(augment, moved, others, left_behind(fields))
        for operation in augment:
            if not isinstance(operation, Mixing):
                change(batch, first, moved, operation, draw)
        if fields[first].kind in NORMALISED:
            batch[first] = batch[first].float()
        for operation in augment:
            if isinstance(operation, Mixing):
                mix(batch, first, operation, draw)
    for name, each in batch.items():
        if len(each) != NUM_SAMPLES:
            raise UserError(f"augment makes {len(each)} {name} of {NUM_SAMPLES} samples; it must keep their number")
    if model is not None and list(batch[first].shape[1:]) != shape:
        _outputs(config, model, task, {**fields, first: replace(fields[first], shape=list(batch[first].shape[1:]))})
    answer = _or_assumed(config, outputs, fields)[0]
    try:
        task.train().loss(answer, batch)
        task.sums(answer, batch)
    except Exception as error:
        names = [name for name, node in config["augment"].items() if node is not None]
        mixers = [f"augment.{name}" for name, each in zip(names, augment, strict=True) if isinstance(each, Mixing)]
        if not mixers:
            raise
        raise UserError(
            f"{' and '.join(mixers)} makes probabilities of class numbers, which criterion"
            f" {config['criterion']['_target_']} with task {config['task']['_target_']} can't take;"
            " criterion=cross_entropy can"
        ) from error


def _evaluation(config: Mapping[str, Any], fields: Fields, outputs: tuple[Any, Any] | None) -> None:
    """Tries the views on what the model answers in evaluation."""
    answer = _or_assumed(config, outputs, fields)[1]
    build_evaluation(config["evaluation"])(lambda model, batch: answer, nn.Identity(), examples(fields, NUM_SAMPLES))
