"""All that changes while a model trains, in one object: an exact resume is one save and one load."""

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from dlexp.train.average import Average


@dataclass
class TrainState:
    """Model, optimizer, schedule, gradient scaler, averaged weights, and where the training is."""

    model: nn.Module
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

    def state_dict(self) -> dict[str, Any]:
        """Returns everything as tensors and primitives, with the default generators (dropout draws from them).

        The tensors are the training's own: copy them before it goes on.
        """
        parts = {name: getattr(self, name).state_dict() for name in _PARTS}
        scalars = {name: getattr(self, name) for name in _SCALARS}
        generators = {"cpu": torch.get_rng_state()}
        if self.losses.is_cuda:
            generators["cuda"] = torch.cuda.get_rng_state(self.losses.device)
        done = self.losses[: self.batch]
        rest = {"losses": done, "num_batches": len(self.losses), "sums": self.sums, "generators": generators}
        return parts | scalars | rest

    def load_state_dict(self, saved: dict[str, Any], *, keep_settings: bool = False) -> None:
        """Continues from a saved state.

        With `keep_settings` the optimizer's and the schedule's settings stay as this object was built with them (a new
        learning rate, a new length): the optimizer takes only its moments, and the schedule walks to the saved step.

        Raises:
            ValueError, RuntimeError, KeyError: the state belongs to another model or optimizer.
        """
        self.model.load_state_dict(saved["model"])
        self.scaler.load_state_dict(saved["scaler"])
        self.average.load_state_dict(saved["average"])
        if keep_settings:
            _walk(self.schedule, saved["step"])
            state = {"state": saved["optimizer"]["state"], "param_groups": self.optimizer.state_dict()["param_groups"]}
            self.optimizer.load_state_dict(state)
        else:
            self.optimizer.load_state_dict(saved["optimizer"])
            self.schedule.load_state_dict(saved["schedule"])
        for name in _SCALARS:
            setattr(self, name, saved[name])
        self.losses[: self.batch] = saved["losses"].to(self.losses.device)
        self.sums = {name: total.to(self.losses.device).reshape(()) for name, total in saved["sums"].items()}
        torch.set_rng_state(saved["generators"]["cpu"].cpu())
        if "cuda" in saved["generators"] and self.losses.is_cuda:
            torch.cuda.set_rng_state(saved["generators"]["cuda"].cpu(), self.losses.device)


def _walk(schedule: LRScheduler, steps: int) -> None:
    """Steps a fresh schedule as often as the saved run had: the one way that works for every kind of schedule."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
        for _ in range(steps):
            schedule.step()


_PARTS = ("model", "optimizer", "schedule", "scaler", "average")
_SCALARS = ("epoch", "batch", "step", "best", "best_loss", "best_epoch", "bad_validations", "first_batch")
