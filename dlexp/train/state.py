"""All that changes while a model trains, in one object: an exact resume is one save and one load."""

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

    @property
    def lr(self) -> float:
        """Learning rate of the first parameter group."""
        return float(self.optimizer.param_groups[0]["lr"])

    def improves(self, value: float, loss: float, higher_is_better: bool) -> bool:
        """Takes in a validation value and loss after an epoch; returns whether they are the best so far.

        Of equal values the one with the smaller loss is better: a few hundred samples often tie.
        """
        if self.best is None or self.best_loss is None:
            better = True
        elif value == self.best:
            better = loss < self.best_loss
        else:
            better = (value > self.best) is higher_is_better
        if better:
            self.best, self.best_loss, self.best_epoch, self.bad_validations = value, loss, self.epoch, 0
        else:
            self.bad_validations += 1
        return better

    def state_dict(self) -> dict[str, Any]:
        """Returns everything as tensors and primitives, with the default generators (dropout draws from them)."""
        parts = {name: getattr(self, name).state_dict() for name in _PARTS}
        scalars = {name: getattr(self, name) for name in _SCALARS}
        generators = {"cpu": torch.get_rng_state()}
        if self.losses.is_cuda:
            generators["cuda"] = torch.cuda.get_rng_state(self.losses.device)
        return parts | scalars | {"losses": self.losses, "sums": self.sums, "generators": generators}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a saved state."""
        for name in _PARTS:
            getattr(self, name).load_state_dict(state[name])
        for name in _SCALARS:
            setattr(self, name, state[name])
        self.losses.copy_(state["losses"])
        self.sums = {name: total.to(self.losses.device) for name, total in state["sums"].items()}
        torch.set_rng_state(state["generators"]["cpu"].cpu())
        if "cuda" in state["generators"]:
            torch.cuda.set_rng_state(state["generators"]["cuda"].cpu(), self.losses.device)


_PARTS = ("model", "optimizer", "schedule", "scaler", "average")
_SCALARS = ("epoch", "batch", "step", "best", "best_loss", "best_epoch", "bad_validations")
