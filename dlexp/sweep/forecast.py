"""What a run would take, before any of it is there: parameters, optimizer steps, bytes in its folder, and the time.

The time is a guess from earlier runs under outputs/.
"""

import itertools
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from dlexp.config.build import build, build_optimizer, build_task, load_data, prepared, target
from dlexp.config.composed import Composed
from dlexp.config.stored import stored_run
from dlexp.data.fetch.files import find, search_roots
from dlexp.data.splits import Splits
from dlexp.errors import UserError
from dlexp.experiment.initial_weights import freeze
from dlexp.experiment.length import make_plan, one_step
from dlexp.machine import environment
from dlexp.machine.device import select_device
from dlexp.machine.torch_private import step_of
from dlexp.records.checkpoints import KEPT
from dlexp.records.folder import DATA, ENVIRONMENT, RECORD
from dlexp.records.metrics import read_epochs
from dlexp.records.naming import OUTPUTS
from dlexp.records.run_json import read_entry, recorded
from dlexp.sweep.launchers.launcher import is_here

# A state holds besides: the losses of an epoch's batches, generators, names, zip headers.
STATE_BYTES = 20_000
# What the time of a step depends on, besides the data's shape.
PACE = (
    *("model", "method", "augment", "batch_size", "accumulate"),
    *("precision", "compile", "deterministic", "device", "threads"),
)
# Of so many of the longest earlier runs the median is told: one of them may have run beside others.
LOOKED_AT = 5


@dataclass(frozen=True)
class Forecast:
    """What a run would take; None: nobody knows before it runs. doubt: why its steps are not known.

    splits: those that the data has, by name; none where that is not known.
    """

    parameters: int
    steps: int | None
    validations: int
    splits: frozenset[str]
    ends_early: bool  # patience, or what is learnt by heart, may end it before all steps
    seconds: float | None
    bytes: int
    doubt: str | None


@dataclass(frozen=True)
class Earlier:
    """A finished run: its folder, its config, and its run.json."""

    folder: Path
    config: dict[str, Any]
    entry: dict[str, Any]

    def has_pace_of(self, config: Mapping[str, Any]) -> bool:
        """Returns whether a step of it took as long as one with that config would."""
        facts = ("_target_", "shape", "num_outputs")
        return all(self.config[key] == config[key] for key in PACE) and all(
            self.config["data"][key] == config["data"][key] for key in facts
        )

    @cached_property
    def machine(self) -> tuple[str, str | None] | None:
        """The names of the processor and the GPU it ran on; None where that is not recorded."""
        cpu, gpu = (recorded(self.folder / ENVIRONMENT, *keys) for keys in (("cpu", "name"), ("device", "gpu")))
        return None if cpu is None else (str(cpu), gpu)

    @cached_property
    def sizes(self) -> dict[str, int] | None:
        """The samples of each split, those of training without those of validation; None where that is not recorded."""
        found = recorded(self.folder / DATA, "sizes")
        return found if isinstance(found, dict) and isinstance(found.get("train"), int) else None

    @cached_property
    def epochs(self) -> list[dict[str, Any]]:
        """The records of its epochs; empty where they are damaged."""
        try:
            return read_epochs(self.folder)
        except UserError:
            return []

    @property
    def num_steps(self) -> int:
        """Its optimizer steps: the longer it was, the better it tells the pace."""
        return int(self.epochs[-1]["step"]) if self.epochs else 0

    def seconds(self, steps: int, num_validations: int) -> float | None:
        """Returns how long so many steps would take at its pace, with what a run takes besides; None: it can't tell."""
        if not self.epochs or not self.entry["seconds"] or not all("time/train" in row for row in self.epochs):
            return None
        training = sum(float(row["time/train"]) for row in self.epochs)
        validations = [float(row["time/val"]) for row in self.epochs if row.get("time/val") is not None]
        besides = max(0.0, float(self.entry["seconds"]) - training - sum(validations))  # start, test, pictures
        each = sum(validations) / len(validations) if validations else 0.0
        return steps * training / self.num_steps + num_validations * each + besides


def finished_runs(parent: Path, model: str, data: str) -> Iterator[Earlier]:
    """Yields the finished runs of a model on a data set in `parent` and in the sweeps there."""
    for path in sorted([*parent.glob(f"*/{RECORD}"), *parent.glob(f"*/*/{RECORD}")]):
        entry = read_entry(path.parent)
        if entry is None or entry["status"] != "finished":
            continue
        if (entry["choices"]["model"], entry["choices"]["data"]) != (model, data):
            continue
        try:
            config, _ = stored_run(path.parent)
        except UserError:  # of another version
            continue
        yield Earlier(path.parent, config, entry)


def forecasts(runs: Sequence[Composed]) -> list[Forecast]:
    """Returns what each run would take; data and earlier runs that several of them share are looked at once."""
    sizes: dict[str, dict[str, int] | UserError] = {}
    earlier: dict[tuple[str, str], list[Earlier]] = {}
    found = []
    for run in runs:
        data, pair = run.config["data"], (run.choices["model"], run.choices["data"])
        if pair not in earlier:
            earlier[pair] = list(finished_runs(OUTPUTS, *pair))
        if repr(data) not in sizes:
            sizes[repr(data)] = _sizes(data, earlier[pair])
        found.append(_forecast(run, sizes[repr(data)], earlier[pair]))
    return found


def _sizes(data: Mapping[str, Any], earlier: Sequence[Earlier]) -> dict[str, int] | UserError:
    try:
        return {name: len(split) for name, split in splits_of(data).named.items()}
    except UserError as error:
        known = (each.sizes for each in earlier if each.config["data"] == data)
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


def splits_of(data: Mapping[str, Any]) -> Splits:
    """Returns the samples that a run would see, where that costs little and writes nothing.

    Sets of dlexp are generated or read from where they lie (images are only counted).

    Raises:
        UserError: it can't be known without a download, or without calling what a person wrote; or the data is wrong.
    """
    function: Any = target(data["_target_"])
    if not function.__module__.startswith("dlexp."):
        raise UserError(f"{function.__module__} is your own: it would have to run")
    source = getattr(sys.modules[function.__module__], "SOURCE", None)
    if source is not None and find(source, search_roots(data["root"])) is None:
        raise UserError(f"{source.name} is not on this machine yet")
    kept = {"in_memory": False} if "in_memory" in data else {}
    splits: Splits = prepared(load_data({**data, **kept}), {**data, "sampling": None})  # it draws as many
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
