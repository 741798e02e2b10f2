"""All that changes while a model trains, in one object: an exact resume is one save and one load."""

import copy
import inspect
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from numpy import random as numpy_random
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from dlexp.tasks.task import Task
from dlexp.train.average import Average
from dlexp.train.fingerprint import fingerprint
from dlexp.train.plain_values import plain_fields


@dataclass
class TrainState:
    """Model, task, optimizer, schedule, gradient scaler, averaged weights, and where the training is."""

    model: nn.Module
    task: Task  # with its criterion; parameters of theirs are trained too
    optimizer: Optimizer
    schedule: LRScheduler
    scaler: torch.amp.GradScaler
    average: Average
    losses: Tensor  # loss of every batch of the epoch, on the device: one read a log instead of one a step
    sums: dict[str, Tensor]  # sums of the task's metrics over the epoch, on the device
    epoch: int = 0  # finished epochs
    batch: int = 0  # batches done in this epoch
    step: int = 0  # optimizer steps
    best: float | None = None  # best validation value so far, and the loss that came with it
    best_loss: float | None = None
    best_epoch: int | None = None
    bad_validations: int = 0  # validations since then
    first_batch: str = ""  # fingerprint of the epoch's first batch
    data: dict[str, Any] = field(default_factory=dict)  # what it is trained on; saved, and never taken from a saved one
    initial_weights: str | None = None  # fingerprint of those that another run gave; not saved

    @property
    def lr(self) -> float:
        """Learning rate of the first parameter group."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def epochs_begun(self) -> int:
        """Finished epochs, and the one that is under way."""
        return self.epoch + (self.batch > 0)

    def improves(self, value: float, loss: float, higher_is_better: bool) -> bool:
        """Takes in the running epoch's validation value and loss; returns whether they are the best so far.

        Of equal values the one with the smaller loss is better: a few hundred samples often tie.
        """
        if self.best is None or self.best_loss is None:
            better = True
        elif value == self.best:
            better = loss < self.best_loss
        else:
            better = (value > self.best) is higher_is_better
        if better:
            self.best, self.best_loss, self.best_epoch, self.bad_validations = value, loss, self.epoch + 1, 0
        else:
            self.bad_validations += 1
        return better

    def forget_best(self) -> None:
        """Lets the best epoch be chosen anew."""
        self.best = self.best_loss = self.best_epoch = None

    def state_dict(self) -> dict[str, Any]:
        """Returns everything as tensors and primitives, with the default generators of torch, Python and NumPy.

        The tensors are the training's own: copy them before it goes on.
        """
        parts = {name: state_of(getattr(self, name)) for name in _PARTS}
        scalars = {name: getattr(self, name) for name in _SCALARS}
        done, generators = self.losses[: self.batch], self._generators()
        epoch = {"losses": done, "num_batches": len(self.losses), "sums": self.sums}
        return parts | scalars | epoch | {"generators": generators, "data": self.data}

    def load_state_dict(self, saved: dict[str, Any], *, keep_settings: bool = False) -> None:
        """Continues from a saved state.

        With `keep_settings` the optimizer's and the schedule's settings stay as this object was built with them (a new
        learning rate, a new length): the optimizer takes only what it keeps, and the schedule walks to the saved step.

        Raises:
            ValueError, RuntimeError, KeyError: the state belongs to another model or optimizer.
        """
        for name in ("model", "task", "scaler", "average"):
            load_state_of(getattr(self, name), saved[name])
        if keep_settings:
            _walk(self.schedule, saved["step"])
            load_state_of(self.optimizer, _with_settings_of(self.optimizer, saved["optimizer"]))
        else:
            load_state_of(self.optimizer, saved["optimizer"])
            load_state_of(self.schedule, saved["schedule"])
        for name in _SCALARS:
            setattr(self, name, saved[name])
        self.losses[: self.batch] = saved["losses"].to(self.losses.device)
        self.sums = {name: total.to(self.losses.device) for name, total in saved["sums"].items()}
        self._set_generators(saved["generators"])

    def weights(self) -> dict[str, Any]:
        """Returns what a file of weights holds: those that are evaluated, the task's, the epoch they are from."""
        parts = {"model": self.average.module.state_dict(), "task": self.task.state_dict()}
        return {"epoch": self.epochs_begun, **parts}

    def fingerprint(self) -> str:
        """Returns the fingerprint of the weights: the model's and the task's parameters and buffers."""
        values = [*self.model.state_dict().values(), *self.task.state_dict().values()]
        return fingerprint(*(value for value in values if isinstance(value, Tensor)))

    @contextmanager
    def as_before_unless_finished(self) -> Iterator[None]:
        """Takes back what a block that is ended early (an evaluation) has drawn from the generators and counted.

        The evaluation is then done again, from its beginning. Weights are not looked after: it changes none.
        """
        generators, task = self._generators(), copy.deepcopy(self.task.state_dict())
        buffers = [
            (module, {name: buffer.clone() for name, buffer in module.named_buffers()})
            for module in {self.model, self.average.module}
        ]
        try:
            yield
        except BaseException:
            self._set_generators(generators)
            self.task.load_state_dict(task)
            for module, before in buffers:
                module.load_state_dict(before, strict=False)
            raise

    def _generators(self) -> dict[str, Any]:
        device, numpys = self.losses.device, cast(tuple[Any, ...], numpy_random.get_state())
        found = {
            "cpu": torch.get_rng_state(),
            "python": random.getstate(),
            "numpy": (numpys[0], numpys[1].tolist(), *numpys[2:]),
        }
        if device.type != "cpu":
            found[device.type] = torch.get_device_module(device).get_rng_state(device)
        return found

    def _set_generators(self, saved: dict[str, Any]) -> None:
        torch.set_rng_state(saved["cpu"].cpu())
        random.setstate(saved["python"])
        numpy_random.set_state(saved["numpy"])
        device = self.losses.device
        if device.type != "cpu" and device.type in saved:
            torch.get_device_module(device).set_rng_state(saved[device.type].cpu(), device)


def state_of(part: Any) -> dict[str, Any]:
    """Returns a part's `state_dict`, without those settings of an optimizer or schedule that no file can hold.

    They (an enum, a function) come from the config, so they stay as the part was built with them.
    """
    saved: dict[str, Any] = part.state_dict()
    if isinstance(part, LRScheduler):
        return plain_fields(saved)
    if isinstance(part, Optimizer):
        return saved | {"param_groups": [plain_fields(group) for group in saved["param_groups"]]}
    return saved


def load_state_of(part: Any, saved: dict[str, Any]) -> None:
    """Loads what `state_of` returned into a part that was built alike.

    Raises:
        ValueError, RuntimeError, KeyError: it is another part's.
    """
    if isinstance(part, Optimizer):
        own = part.state_dict()["param_groups"]
        groups = [{**built, **group} for built, group in zip(own, saved["param_groups"], strict=True)]
        saved = saved | {"param_groups": groups}
    part.load_state_dict(saved)


def _with_settings_of(optimizer: Optimizer, saved: dict[str, Any]) -> dict[str, Any]:
    """Returns a saved state with the settings of `optimizer`: what its constructor takes, not what it counts there."""
    settings = {"lr", "initial_lr", "until"}
    for part in getattr(optimizer, "parts", [optimizer]):
        constructors = [vars(kind).get("__init__") for kind in type(part).__mro__]
        for constructor in filter(inspect.isfunction, constructors):
            settings |= inspect.signature(constructor).parameters.keys()
    built = optimizer.state_dict()["param_groups"]
    groups = [
        {**group, **{key: value for key, value in own.items() if key in settings}}
        for own, group in zip(built, saved["param_groups"], strict=True)
    ]
    return saved | {"param_groups": groups}


def _walk(schedule: LRScheduler, steps: int) -> None:
    """Steps a fresh schedule as often as the saved run had: the one way that works for every kind of schedule."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
        for _ in range(steps):
            schedule.step()


_PARTS = ("model", "task", "optimizer", "schedule", "scaler", "average")
_SCALARS = ("epoch", "batch", "step", "best", "best_loss", "best_epoch", "bad_validations", "first_batch")


def trained_parameters(model: nn.Module, task: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Returns what the optimizer trains, by name: of the model, and of a task or its criterion that has parameters."""
    own = [(name if name.startswith("criterion.") else f"task.{name}", each) for name, each in task.named_parameters()]
    named = [*model.named_parameters(), *own]
    return [(name, parameter) for name, parameter in named if parameter.requires_grad]
