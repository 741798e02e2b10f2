"""All that changes while a model trains, in one object: an exact resume is one save and one load."""

import copy
import inspect
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from dlexp.machine import generators
from dlexp.machine.torch_private import saved_tensors
from dlexp.methods.method import Method, Moment, overrides
from dlexp.tasks.task import Task
from dlexp.train.average import Average
from dlexp.train.fingerprint import fingerprint
from dlexp.train.frozen import frozen_names, rest_finished, set_frozen
from dlexp.train.plain_values import plain_fields
from dlexp.watch.watcher import Watcher


@dataclass
class TrainState:
    """Model, task, optimizer, schedule, gradient scaler, averaged weights, and where the training is."""

    model: nn.Module
    task: Task  # with its criterion; parameters of theirs are trained too
    method: Method
    optimizer: Optimizer
    schedule: LRScheduler
    scaler: torch.amp.GradScaler
    average: Average
    losses: Tensor  # loss of every batch of the epoch, on the device: one read a log instead of one a step
    sums: dict[str, Tensor]  # sums of the task's metrics over the epoch, on the device
    moment: Moment = field(default_factory=Moment.beginning)  # the scalars below for a method, task or criterion
    watchers: dict[str, Watcher] = field(default_factory=dict)
    watched: dict[str, Tensor] = field(default_factory=dict)  # the last numbers that watchers logged of a step
    stopped: str | None = None  # why a watcher ended the training
    counts: Tensor | None = None  # what each of `losses` is a mean over, where that is not the rows of a batch
    progress: float = 0.0  # the share of the training that was done at the last step
    epoch: int = 0  # finished epochs
    batch: int = 0  # batches done in this epoch
    measured: int = 0  # rows that `sums` are over
    step: int = 0  # optimizer steps
    rates: list[float] = field(default_factory=list)  # that each batch of this epoch is learnt with; not saved
    position: Any = None  # where a stream of samples is within the epoch, if it tells that
    best: float | None = None  # best validation value so far, and the loss that came with it
    best_loss: float | None = None
    best_epoch: int | None = None
    bad_validations: int = 0  # validations since then
    first_batch: str = ""  # fingerprint of the epoch's first batch
    data: dict[str, Any] = field(default_factory=dict)  # what it is trained on; saved, and never taken from a saved one
    initial_weights: str | None = None  # fingerprint of those that another run gave; not saved
    frozen: set[str] = field(init=False)  # names of what rests; not what rests only because its optimizer is done

    def __post_init__(self) -> None:
        self.frozen = frozen_names(self.model)

    def freeze(self, names: Collection[str]) -> None:
        """Takes these parameters and buffers, and no others, out of the training."""
        self.frozen = set(names)
        set_frozen(self.model, names)
        rest_finished(self.optimizer)

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
        done, drawn = self.losses[: self.batch], generators.states(self.losses.device)
        epoch = {"losses": done, "num_batches": len(self.losses), "sums": self.sums}
        if self.counts is not None:
            epoch["counts"] = self.counts[: self.batch]
        if self.watchers:
            epoch["frozen"] = sorted(self.frozen)
            epoch["watched"] = self.watched
            epoch["watchers"] = {name: each.state_dict() for name, each in self.watchers.items()}
        return parts | scalars | epoch | {"generators": drawn, "data": self.data, "measures": self._measures()}

    def load_state_dict(self, saved: dict[str, Any], *, keep_settings: bool = False) -> None:
        """Continues from a saved state.

        With `keep_settings` the optimizer's and the schedule's settings stay as this object was built with them (a new
        learning rate, a new length): the optimizer takes only what it keeps, and the schedule walks to the saved step.

        Raises:
            ValueError, RuntimeError, KeyError: the state belongs to another model or optimizer.
        """
        for name in ("model", "task", "method", "scaler", "average"):
            load_state_of(getattr(self, name), saved[name])
        if keep_settings:
            _walk(self.schedule, saved["step"])
            if hasattr(self.schedule, "take_over"):  # what follows validation can't be stepped to
                self.schedule.take_over(saved["schedule"])
            load_state_of(self.optimizer, _with_settings_of(self.optimizer, saved["optimizer"]))
        else:
            load_state_of(self.optimizer, saved["optimizer"])
            load_state_of(self.schedule, saved["schedule"])
        for name in _SCALARS:
            setattr(self, name, saved[name])
        self.losses[: self.batch] = saved["losses"].to(self.losses.device)
        if self.counts is not None:
            self.counts[: self.batch] = saved["counts"].to(self.losses.device)
        self.sums = {name: total.to(self.losses.device) for name, total in saved["sums"].items()}
        if saved["measures"] != self._measures():
            if self.batch:
                raise ValueError("another metric is measured, and this state is within an epoch")
            self.forget_best()
        self.moment.move(step=self.step, epoch=self.epoch, progress=self.progress)
        self._load_watchers(saved, keep_settings)
        generators.restore(saved["generators"], self.losses.device)

    def _measures(self) -> list[str]:
        return [self.task.metric, *sorted(self.task.metrics)]

    def _load_watchers(self, saved: dict[str, Any], keep_settings: bool) -> None:
        """Continues with those watchers that were there before; with other settings the training may go on again."""
        if keep_settings:
            self.stopped = None
        if not self.watchers or "watchers" not in saved:
            return
        self.watched = {name: each.to(self.losses.device) for name, each in saved["watched"].items()}
        self.freeze(saved["frozen"])
        for name, watcher in self.watchers.items():
            if name in saved["watchers"]:
                watcher.load_state_dict(saved["watchers"][name])

    def weights(self) -> dict[str, Any]:
        """Returns what a file of weights holds: all that an evaluation looks at, and the epoch it is from."""
        return {"epoch": self.epochs_begun} | {name: part.state_dict() for name, part in self.evaluated().items()}

    def evaluated(self) -> dict[str, nn.Module]:
        """Returns what an evaluation looks at: the averaged weights, the task, and a method that has its own way."""
        looks = overrides(self.method, Method, "evaluate")
        return {"model": self.average.module, "task": self.task} | ({"method": self.method} if looks else {})

    def fingerprint(self) -> str:
        """Returns the fingerprint of the weights: those of model, task and method, parameters and buffers."""
        return fingerprint(*(each for part in (self.model, self.task, self.method) for each in saved_tensors(part)))

    @contextmanager
    def as_before_unless_finished(self) -> Iterator[None]:
        """Takes back what a block that ends early (an evaluation, its watchers) drew and counted, but no weights."""
        drawn = generators.states(self.losses.device)
        scalars, resting = {name: getattr(self, name) for name in _SCALARS}, self.frozen
        rates = [group["lr"] for group in self.optimizer.param_groups]
        evaluated = [part for name, part in self.evaluated().items() if name != "model"]
        parts = [(each, copy.deepcopy(state_of(each))) for each in (*evaluated, *self.watchers.values(), self.schedule)]
        buffers = [
            (module, {name: buffer.clone() for name, buffer in module.named_buffers()})
            for module in {self.model, self.average.module}
        ]
        try:
            yield
        except BaseException:
            generators.restore(drawn, self.losses.device)
            vars(self).update(scalars)
            for part, state in parts:
                load_state_of(part, state)
            for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
                group["lr"] = rate
            self.freeze(resting)
            for module, before in buffers:
                module.load_state_dict(before, strict=False)
            raise


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


_PARTS = ("model", "task", "method", "optimizer", "schedule", "scaler", "average")
_SCALARS = tuple(
    "epoch batch measured position step best best_loss best_epoch bad_validations first_batch stopped progress".split()
)
