"""How a step is made, tried before a run: the optimizer, its schedule, and a method that is not the plain one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from dlexp.batch import size_of
from dlexp.config.build import build, build_optimizer, build_schedule
from dlexp.config.lost_state import NUM_SAMPLES
from dlexp.config.stand_ins import start_of
from dlexp.data.fields import Field, examples
from dlexp.errors import UserError, listed
from dlexp.methods.method import Method, Moment, overrides
from dlexp.models.layers import shadow
from dlexp.tasks.task import Task, hold_to_metrics, measures_of
from dlexp.train.step import wants_closure

NO_AVERAGE = "dlexp.train.average.NoAverage"


def try_method(config: Mapping[str, Any], model: nn.Module, task: Task, fields: Mapping[str, Field]) -> None:
    """Tries a method that is not the plain one: set up, a batch, an evaluation, on a model of zeros."""
    method: Method = build(config["method"])
    name = config["method"]["_target_"]
    if not isinstance(method, Method):
        raise UserError(f"method {name} must inherit from dlexp.methods.method.Method")
    if type(method) is Method:
        return
    if overrides(method, Method, "step") and config["accumulate"] > 1:
        raise UserError(
            f"method {name} makes its own steps, so accumulate={config['accumulate']} can't be: leave it out"
        )
    if overrides(method, Method, "step") and config["precision"] == "float16":
        raise UserError(f"method {name} makes its own steps, whose gradients float16 would need scaled: take bfloat16")
    if not method.goes_with_average and config["ema"]["_target_"] != NO_AVERAGE:
        raise UserError(f"method {name} is not about an average of the weights: leave ema out")
    clash = method.metrics.keys() & measures_of(task).keys()
    if clash:
        raise UserError(f"method {name} and the task both measure {listed(sorted(clash))}; give one another name")
    copied = shadow(model)
    if next(copied.parameters()).is_meta:  # too large for the CPU: nothing of it can be tried
        return
    method.setup(start_of(copied, task, fields))
    batch = examples(fields, NUM_SAMPLES)
    with refused(f"method {name}", RuntimeError):
        outcome = None
        if not overrides(method, Method, "step"):
            outcome = method.loss(task, copied.train(), batch, Moment.beginning())
        with torch.no_grad():
            measured, own = method.evaluate(task, copied.eval(), batch, build(config["evaluation"]))
        others = [size_of(each.batch) for each in (outcome, measured) if each and each.batch]
        if set(others) - {NUM_SAMPLES}:
            raise UserError(
                f"method {name} returns outputs of {others[0]} samples for a batch of {NUM_SAMPLES}: outputs that are"
                " measured must be those of as many"
            )
        sums = [task.sums(each.outputs, each.batch or batch) for each in (outcome, measured) if each is not None]
    for each in sums:
        hold_to_metrics(task, each, NUM_SAMPLES, f"with method {name}")
    if found := set(method.conclude(own, NUM_SAMPLES)) ^ set(method.metrics):
        raise UserError(f"method {name}: what evaluate measures and metrics differ in {listed(sorted(found))}")


def try_optimizer(config: Mapping[str, Any], named_parameters: list[tuple[str, nn.Parameter]]) -> None:
    with refused("optimizer"):
        optimizer = build_optimizer(config["optimizer"], named_parameters)
    if wants_closure(optimizer) and config["accumulate"] > 1:
        raise UserError(
            f"optimizer {config['optimizer']['_target_']} asks for the loss as often as it wants, so"
            f" accumulate={config['accumulate']} can't be: a larger batch_size does the same"
        )
    if wants_closure(optimizer) and config["precision"] == "float16":
        name = config["optimizer"]["_target_"]
        raise UserError(f"optimizer {name} asks for the loss again, whose gradients float16 would need scaled")
    for part in getattr(optimizer, "parts", []):
        if wants_closure(part):
            raise UserError(
                f"optimizer.parts: {type(part).__name__} asks for the loss as often as it wants, so it must be alone"
            )
    with refused("scheduler"):
        schedule = build_schedule(config["scheduler"], optimizer, 100)
    if hasattr(schedule, "validated") and config["data"]["val_size"] == 0 and config["data"]["folds"] is None:
        raise UserError(
            f"scheduler {config['scheduler']['_target_']} follows validation, which data.val_size=0 leaves out"
        )


@contextmanager
def refused(where: str, *more: type[Exception]) -> Iterator[None]:
    """Makes a sentence of what a constructor says of a value that it refuses; bugs keep their traceback."""
    caught: tuple[type[Exception], ...] = (ValueError, TypeError, AssertionError, *more)
    try:
        yield
    except caught as error:
        raise UserError(f"{where}: {error}") from error
