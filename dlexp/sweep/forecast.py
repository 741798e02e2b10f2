"""What a run would take, before any of it is there: parameters, optimizer steps, bytes in its folder, and the time.

The time is a guess from earlier runs under outputs/.
"""

import itertools
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from dlexp.config.build import build, build_optimizer, build_task, load_data, prepared, target
from dlexp.config.composed import Composed
from dlexp.data.fetch.files import find, search_roots
from dlexp.data.splits import Splits
from dlexp.errors import UserError
from dlexp.experiment.initial_weights import freeze
from dlexp.experiment.length import make_plan, one_step
from dlexp.machine import environment
from dlexp.machine.device import select_device
from dlexp.machine.torch_private import step_of
from dlexp.records.checkpoints import KEPT
from dlexp.records.naming import OUTPUTS
from dlexp.sweep.earlier import Earlier, finished_runs
from dlexp.sweep.launchers.launcher import is_here

# A state holds besides: the losses of an epoch's batches, generators, names, zip headers.
STATE_BYTES = 20_000
# Of so many of the longest earlier runs the median is told: one of them may have run beside others.
LOOKED_AT = 5


@dataclass(frozen=True)
class Forecast:
    """What a run would take; None: nobody knows before it runs. doubt: why its steps are not known.

    is_refused: the run will be too, for what `doubt` says. splits: those that the data has, by name; none where that is
    not known.
    """

    parameters: int
    steps: int | None
    validations: int
    splits: frozenset[str]
    ends_early: bool  # patience, or what is learnt by heart, may end it before all steps
    seconds: float | None
    bytes: int
    doubt: str | None
    is_refused: bool


class OnlyARunKnows(UserError):
    """Why samples can't be counted before a run, though nothing may be wrong."""


def forecasts(runs: Sequence[Composed]) -> list[Forecast]:
    """Returns what each run would take; data and earlier runs that several of them share are looked at once."""
    sizes: dict[str, dict[str, int] | UserError] = {}
    earlier: dict[tuple[str, str], list[Earlier]] = {}
    found = []
    for run in runs:
        divided, pair = repr(_divided_by(run.config)), (run.choices["model"], run.choices["data"])
        if pair not in earlier:
            earlier[pair] = list(finished_runs(OUTPUTS, *pair))
        if divided not in sizes:
            sizes[divided] = _sizes(run.config, earlier[pair])
        found.append(_forecast(run, sizes[divided], earlier[pair]))
    return found


def _divided_by(config: Mapping[str, Any]) -> tuple[Any, ...]:
    """Returns what says how many samples train: the data, and what the task makes of classes that nobody knows."""
    return config["data"], config["task"]["targets"], config["task"].get("ignore_index")


def _sizes(config: Mapping[str, Any], earlier: Sequence[Earlier]) -> dict[str, int] | UserError:
    try:
        return {name: len(split) for name, split in splits_of(config).named.items()}
    except UserError as error:
        known = (each.sizes for each in earlier if _divided_by(each.config) == _divided_by(config))
        return next((sizes for sizes in known if sizes), error)


def _forecast(run: Composed, sizes: dict[str, int] | UserError, earlier: Sequence[Earlier]) -> Forecast:
    config = run.config
    with torch.device("meta"):
        model: nn.Module = build(config["model"])
    freeze(model, config["freeze"])
    steps = seconds = None
    validations = 0
    if isinstance(sizes, dict):
        steps, epochs = num_steps(config, sizes["train"])
        validations = -(-epochs // config["val_every"])
        seconds = _seconds(run, steps, validations, earlier)
    return Forecast(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        steps=steps,
        validations=validations,
        splits=frozenset(sizes if isinstance(sizes, dict) else ()),
        ends_early=config["patience"] is not None or config["overfit_batches"] is not None,
        seconds=seconds,
        bytes=num_bytes(config, model, seconds),
        doubt=str(sizes) if isinstance(sizes, UserError) else None,
        is_refused=isinstance(sizes, UserError) and not isinstance(sizes, OnlyARunKnows) and is_here(config),
    )


def _seconds(run: Composed, steps: int, num_validations: int, earlier: Sequence[Earlier]) -> float | None:
    """Returns the time at the pace of the longest earlier runs of this kind, of those that draw and test as it would
    where there are any; jobs of a cluster may have run anywhere.
    """
    alike = [each for each in earlier if each.has_pace_of(run.config)]
    if is_here(run.config):
        device = select_device(run.config["device"])
        here = environment.cpu_name(), torch.cuda.get_device_name(device) if device.type == "cuda" else None
        alike = [each for each in alike if each.machine == here]
    ends = ("pictures", "test")
    same = [each for each in alike if all(each.config[key] == run.config[key] for key in ends)]
    longest = sorted(same or alike, key=lambda each: each.num_steps, reverse=True)
    told = (found for each in longest if (found := each.seconds(steps, num_validations)) is not None)
    known = list(itertools.islice(told, LOOKED_AT))
    return median(known) if known else None


def splits_of(config: Mapping[str, Any]) -> Splits:
    """Returns the samples that a run would see, where that costs little and writes nothing.

    Sets of dlexp are generated or read from where they lie (images are only counted).

    Raises:
        OnlyARunKnows: it can't be known without a download, or without calling what a person wrote.
        UserError: the data is wrong.
    """
    data = config["data"]
    function: Any = target(data["_target_"])
    if not function.__module__.startswith("dlexp."):
        raise OnlyARunKnows(f"{function.__module__} is your own: it would have to run")
    module = sys.modules[function.__module__]
    source = module.source_of(data["name"]) if hasattr(module, "source_of") else getattr(module, "SOURCE", None)
    if source is not None and find(source, search_roots(data["root"])) is None:
        raise OnlyARunKnows(f"{source.name} is not on this machine yet")
    kept = {"in_memory": False} if "in_memory" in data else {}
    loaded = load_data({**data, **kept})
    splits: Splits = prepared(loaded, {**data, "sampling": None}, build_task(config))  # it draws as many
    return splits


def num_steps(config: Mapping[str, Any], num_samples: int) -> tuple[int, int]:
    """Returns optimizer steps and epochs of a whole training (patience may end it before)."""
    config = one_step(config)
    num_batches = num_samples // min(config["batch_size"] or num_samples, num_samples)
    if config["overfit_batches"] is not None:
        num_batches = min(num_batches, config["overfit_batches"])
    plan = make_plan(config, num_batches, torch.device("cpu"), torch.float32)
    steps = plan.total_steps(num_batches)
    return steps, math.ceil(steps / plan.steps_per_epoch(num_batches))


def num_bytes(config: Mapping[str, Any], model: nn.Module, seconds: float | None) -> int:
    """Returns the bytes of weights and states that a finished run keeps, at most.

    Weights: the last, and the best where there is a validation, which are one file if they are the same. States: of a
    run that ends before its first save only the last. What an optimizer keeps is seen from a step of it with a value
    for each parameter.
    """
    weights = _bytes(model.state_dict()) + _bytes(build_task(config).state_dict())
    keep = config["checkpoint"]["keep"]
    if keep != "resume":
        return weights if keep == "best" else 0
    average = _bytes(build(config["ema"], model).state_dict())
    state = weights + average + _optimizer_bytes(config, model) + STATE_BYTES
    every = config["checkpoint"]
    by_clock = every["every_minutes"] is not None and (seconds is None or seconds > 60 * every["every_minutes"])
    is_saved_before = by_clock or every["every_epochs"] is not None or every["every_steps"] is not None
    validates = config["data"]["folds"] or config["data"]["val_size"] > 0 or config["overfit_batches"] is not None
    num_weights = 2 if validates else 1
    return num_weights * weights + (KEPT if is_saved_before else 1) * state


def _bytes(tensors: Mapping[str, Any]) -> int:
    return sum(each.numel() * each.element_size() for each in tensors.values() if isinstance(each, Tensor))


def _optimizer_bytes(config: Mapping[str, Any], model: nn.Module) -> int:
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    small = [(name, nn.Parameter(torch.ones([1] * parameter.ndim))) for name, parameter in trained]
    optimizer = build_optimizer(config["optimizer"], small)
    for _, parameter in small:
        parameter.grad = torch.zeros_like(parameter)
    step_of(optimizer)()
    total = 0
    for (_, parameter), (_, one) in zip(trained, small, strict=True):
        kept = [value for value in optimizer.state.get(one, {}).values() if isinstance(value, Tensor)]
        total += sum(value.element_size() * parameter.numel() for value in kept if value.shape == one.shape)
    return total
