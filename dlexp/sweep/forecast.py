"""What a run would take, before any of it is there: parameters, optimizer steps, bytes in its folder, and the time.

The time is a guess from earlier runs under outputs/.
"""

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dlexp.config.build import build, build_optimizer, build_task, load_data, prepared, target
from dlexp.config.composed import Composed
from dlexp.config.stored import stored_run
from dlexp.data.fetch.files import find, search_roots
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
PACE = ("model", "augment", "batch_size", "accumulate", "precision", "compile", "deterministic", "device")


@dataclass(frozen=True)
class Forecast:
    """What a run would take; None: nobody knows before it runs. doubt: why its steps are not known."""

    parameters: int
    steps: int | None
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
    def num_train(self) -> int | None:
        """Its training samples, without those of validation; None where that is not recorded."""
        count = recorded(self.folder / DATA, "sizes", "train")
        return count if isinstance(count, int) else None

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
    samples: dict[str, int | UserError] = {}
    earlier: dict[tuple[str, str], list[Earlier]] = {}
    found = []
    for run in runs:
        divided, pair = repr(_divided_by(run.config)), (run.choices["model"], run.choices["data"])
        if pair not in earlier:
            earlier[pair] = list(finished_runs(OUTPUTS, *pair))
        if divided not in samples:
            samples[divided] = _num_samples(run.config, earlier[pair])
        found.append(_forecast(run, samples[divided], earlier[pair]))
    return found


def _divided_by(config: Mapping[str, Any]) -> tuple[Any, ...]:
    """Returns what says how many samples train: the data, and what the task makes of classes that nobody knows."""
    return config["data"], config["task"]["targets"], config["task"].get("ignore_index")


def _num_samples(config: Mapping[str, Any], earlier: Sequence[Earlier]) -> int | UserError:
    try:
        return num_training_samples(config)
    except UserError as error:
        known = (each.num_train for each in earlier if _divided_by(each.config) == _divided_by(config))
        return next((count for count in known if count), error)


def _forecast(run: Composed, samples: int | UserError, earlier: Sequence[Earlier]) -> Forecast:
    config = run.config
    with torch.device("meta"):
        model: nn.Module = build(config["model"])
    freeze(model, config["freeze"])
    steps = seconds = None
    if isinstance(samples, int):
        steps, epochs = num_steps(config, samples)
        seconds = _seconds(run, steps, -(-epochs // config["val_every"]), earlier)
    return Forecast(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        steps=steps,
        ends_early=config["patience"] is not None or config["overfit_batches"] is not None,
        seconds=seconds,
        bytes=num_bytes(config, model, seconds),
        doubt=str(samples) if isinstance(samples, UserError) else None,
    )


def _seconds(run: Composed, steps: int, num_validations: int, earlier: Sequence[Earlier]) -> float | None:
    """Returns the time at the pace of the longest earlier run of this kind; jobs of a cluster may have run anywhere."""
    alike = [each for each in earlier if each.has_pace_of(run.config)]
    if is_here(run.config):
        device = select_device(run.config["device"])
        here = environment.cpu_name(), torch.cuda.get_device_name(device) if device.type == "cuda" else None
        alike = [each for each in alike if each.machine == here]
    alike.sort(key=lambda each: each.num_steps, reverse=True)
    return next((found for each in alike if (found := each.seconds(steps, num_validations)) is not None), None)


def num_training_samples(config: Mapping[str, Any]) -> int:
    """Returns how many samples a training would see an epoch, where that costs little and writes nothing.

    Sets of dlexp are generated or read from where they lie (images are only counted).

    Raises:
        UserError: it can't be known without a download, or without calling what a person wrote; or the data is wrong.
    """
    data = config["data"]
    function: Any = target(data["_target_"])
    if not function.__module__.startswith("dlexp."):
        raise UserError(f"{function.__module__} is your own: it would have to run")
    source = getattr(sys.modules[function.__module__], "SOURCE", None)
    if source is not None and find(source, search_roots(data["root"])) is None:
        raise UserError(f"{source.name} is not on this machine yet")
    kept = {"in_memory": False} if "in_memory" in data else {}
    loaded = load_data({**data, **kept})
    return len(prepared(loaded, {**data, "sampling": None}, build_task(config)).train)  # it draws as many


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
