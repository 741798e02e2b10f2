"""How a step is made, tried before a run: the optimizer, its schedule, and a method that is not the plain one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from dlexp.augment.operation import Mixing
from dlexp.batch import Batch, num_rows
from dlexp.config.build import build, build_each, build_evaluation, build_optimizer, build_schedule, target
from dlexp.config.lost_state import NUM_SAMPLES
from dlexp.config.stand_ins import not_normalised, start_of
from dlexp.data.fields import NORMALISED, Field, examples
from dlexp.data.splits import Split
from dlexp.errors import UserError, listed
from dlexp.methods.method import Method, Moment, overrides
from dlexp.models.layers import asked, shadow
from dlexp.tasks.protocol import hold_to_metrics
from dlexp.tasks.task import Task, measures_of
from dlexp.train.batches import Batches
from dlexp.train.frozen import set_frozen, to_freeze, trained_parameters
from dlexp.train.step import OwnSteps, gradients_of, wants_closure
from dlexp.watch.watcher import ALWAYS

NO_AVERAGE = "dlexp.train.average.NoAverage"


def try_method(config: Mapping[str, Any], model: nn.Module, task: Task, fields: Mapping[str, Field]) -> None:
    """Tries a method that is not the plain one: set up, a step, an evaluation, on a model of zeros."""
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
    clash = method.metrics.keys() & {"loss", *task.metrics}
    if clash:
        raise UserError(f"method {name} and the task both measure {listed(sorted(clash))}; give one another name")
    if method.whole:
        _hold_to_whole(config, name)
    if method.views > 1:
        _try_views(config, name, fields)
    copied = shadow(model)
    if next(copied.parameters()).is_meta:  # too large for the CPU: nothing of it can be tried
        return
    method.setup(start_of(copied, task, fields, config["view"]))
    with refused(f"method {name}", RuntimeError, IndexError):
        trained = _step(config, method, copied.train(), task, examples(fields, NUM_SAMPLES * method.views))
        batch = examples(fields, NUM_SAMPLES)
        with torch.no_grad():
            method.after_step(copied, 1)
            measured, own = method.evaluate(task, copied.eval(), batch, build_evaluation(config["evaluation"]))
        evaluated = measured.batch or batch
        if num_rows(evaluated) != NUM_SAMPLES:
            raise UserError(
                f"method {name} returns outputs of {num_rows(evaluated)} samples for a batch of {NUM_SAMPLES} that is"
                " evaluated: they must be those of as many"
            )
        sums = [
            (task.sums(outputs, used), num_rows(used)) for outputs, used in (trained, (measured.outputs, evaluated))
        ]
    for each, count in sums:
        hold_to_metrics(task, each, count, f"with method {name}")
    if found := set(method.conclude(own, NUM_SAMPLES)) ^ set(method.metrics):
        raise UserError(f"method {name}: what evaluate measures and metrics differ in {listed(sorted(found))}")


def try_watchers(config: Mapping[str, Any], model: nn.Module, task: Task) -> None:
    """Raises UserError where a watcher waits for what will never be, whatever the data: the run asks it once more."""
    names = [f"{split}/{name}" for split in ("train", "val") for name in (*measures_of(task), *task.besides)]
    for watcher in build_each(config["watch"], ("only_looks",)).values():
        with suppress(NotImplementedError, RuntimeError):  # one's own may look at values, which these weights lack
            watcher.hold_to(model, [*names, *ALWAYS])


def try_single(config: Mapping[str, Any], model: nn.Module, task: Task, fields: Mapping[str, Field]) -> None:
    """Tries a batch of one sample where the settings make such."""
    sizes = {f"data.{key}": config["data"][key] for key in ("limit", "train_limit")}
    sizes["batch_size"] = config["batch_size"]
    if one := [f"{key}=1" for key, size in sizes.items() if size == 1]:
        _hold_to_single(config, model, task, fields, one[0])


def hold_to_smallest(
    config: Mapping[str, Any], model: nn.Module, task: Task, fields: Mapping[str, Field], train: Batches
) -> None:
    """Raises UserError where the smallest batch is of one sample, and a layer can't be trained on it."""
    if train.smallest == 1:
        because = f"{len(train.split)} for training, batch_size={train.batch_size}"
        _hold_to_single(config, model, task, fields, because)


def _hold_to_single(
    config: Mapping[str, Any], model: nn.Module, task: Task, fields: Mapping[str, Field], because: str
) -> None:
    """Raises UserError where a layer can't be trained on a batch of one sample, as batch norm can't on one pixel."""
    if getattr(target(config["method"]["_target_"]), "views", 1) > 1:
        return
    copied = shadow(model)
    set_frozen(copied, to_freeze(copied, config["freeze"]))
    name, what = str(config["model"]["_target_"]).rpartition(".")[2], f"batches of one sample ({because})"
    asked(copied, lambda single: task.predict(single, examples(fields, 1)), name, what)


def _hold_to_whole(config: Mapping[str, Any], name: str) -> None:
    """Raises UserError where settings would change or draw what a method solves for, or have no part in it."""
    data, augments = config["data"], [key for key, node in config["augment"].items() if node is not None]
    told = {
        f"data.sampling={data['sampling']} draws some twice and others never: data.sampling=null": data["sampling"],
        f"data.weight_file={data['weight_file']} draws some twice and others never: leave it out": data["weight_file"],
        f"augment changes them ({listed(augments)}): augment=none": augments,
    }
    problems = [
        f"method {name} takes all training samples once, as they are, and {each}" for each in told if told[each]
    ]
    if config["l1"] is not None:
        problems.append(f"method {name} minimises without l1, which is for steps by gradients: l1=null")
    if problems:
        raise UserError(*problems)


def _step(config: Mapping[str, Any], method: Method, model: nn.Module, task: Task, batch: Batch) -> tuple[Any, Batch]:
    """Makes a method's gradients of a batch, or its whole step; returns the outputs and the batch they belong to."""
    parameters = trained_parameters(model, task, method if method.trains else None)
    optimizer = build_optimizer(config["optimizer"], parameters) if overrides(method, Method, "step") else None
    if optimizer is not None and wants_closure(optimizer):
        what = "makes its own steps, and this optimizer asks for the loss again within one: take another optimizer"
        raise UserError(f"method {config['method']['_target_']} {what}")
    parts = {"method": method, "model": model, "task": task, "optimizer": optimizer, "moment": Moment.beginning()}
    state: Any = SimpleNamespace(**parts, losses=torch.zeros(1))
    outcome = (OwnSteps(state, None, None) if optimizer else gradients_of(state))(batch, 1.0)
    return outcome.outputs, outcome.batch or batch


def _try_views(config: Mapping[str, Any], name: str, fields: Mapping[str, Field]) -> None:
    """Raises UserError where the views of a sample would all be the same: noise tells."""
    told, advice = f"method {name} compares views of each sample", "'augment=[crop_flip,color_jitter]'"
    if config["overfit_batches"] is not None:
        raise UserError(f"{told}, and with overfit_batches each is seen as it is: leave it out")
    augment = list(build_each(config["augment"]).values())
    if any(isinstance(each, Mixing) for each in augment):
        raise UserError(f"{told}, and augment mixes each with other samples: leave the mix out, as {advice} does")
    columns = examples(fields, 16)
    first = next(name for name in columns if name != "targets")
    if fields[first].kind not in NORMALISED:
        return
    columns[first] = torch.rand(columns[first].shape).mul(255).to(fields[first].dtype)
    batches = Batches(
        Split(**columns),
        fields=fields,
        normalised=not_normalised(fields),
        batch_size=16,
        seed=0,
        augment=augment,
        shuffle=True,
        channels_last=False,
    )
    batches.views = 2
    one, other = next(batches.epoch(0))[first].chunk(2)
    if torch.equal(one, other):
        what = "the chosen augmentation makes equal ones" if augment else "without augmentation they are equal"
        raise UserError(f"{told}, and {what}: {advice} draws each anew")


def try_optimizer(config: Mapping[str, Any], named_parameters: list[tuple[str, nn.Parameter]]) -> None:
    """Makes the optimizer. Raises UserError where it can't be made, or asks for a loss that accumulation would cut."""
    with refused("optimizer"):
        optimizer = build_optimizer(config["optimizer"], named_parameters)
    if wants_closure(optimizer) and config["accumulate"] > 1:
        raise UserError(
            f"optimizer {config['optimizer']['_target_']} asks for the loss as often as it wants, so"
            f" accumulate={config['accumulate']} can't be: a larger batch_size does the same"
        )
    if wants_closure(optimizer) and config["l1"] is not None:
        name = config["optimizer"]["_target_"]
        raise UserError(f"optimizer {name} asks for the loss again and wants it smooth, which l1 is not: leave l1 out")
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


def are_rows(config: Mapping[str, Any]) -> bool:
    """Returns whether outputs are a row a sample for sure, so that what can't take such is wrong whatever the model is.

    Else what goes wrong with a model would be told a second time, of outputs that are only assumed.
    """
    ours = all(config[group]["_target_"].startswith(("dlexp.", "torch.")) for group in ("task", "criterion"))
    return ours and config["task"]["targets"] in ("classes", "values", "labels")
