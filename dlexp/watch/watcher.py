"""Who looks on while a model trains: the protocol between a watcher and the run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor, nn

from dlexp.batch import Batch

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# What an epoch's record says besides its metrics.
ALWAYS = ("epoch", "step", "lr", "time/train", "time/val", "time/samples_per_second")


class View(Protocol):
    """What a watcher sees of a run, and what it may do there.

    model: as it trains. averaged: what is evaluated (the same without ema). epoch, step: finished ones. folder: the
    run's, for files of its own. feature_names: of the first input, None where it has none. is_normalised: whether that
    is what a model sees of it.
    """

    @property
    def model(self) -> nn.Module: ...

    @property
    def averaged(self) -> nn.Module: ...

    @property
    def epoch(self) -> int: ...

    @property
    def step(self) -> int: ...

    @property
    def folder(self) -> Path: ...

    @property
    def feature_names(self) -> Sequence[str] | None: ...

    @property
    def is_normalised(self) -> bool: ...

    def batches(self, split: str, count: int | None = None) -> Iterator[Batch]:
        """Yields "train", "val" or (in `end` alone) "test" in order, not augmented, normalised, on the device.

        count: at most so many samples, evenly spaced since files lie sorted by class (of a stream all); None: all.
        """

    def loss(self, batch: Batch, model: nn.Module | None = None) -> Tensor:
        """Returns the task's loss of a batch by `model` (None: the one that trains), in the mode that it is in, without
        gradients.
        """

    def coefficients(self, model: nn.Module) -> dict[str, Any] | None:
        """Returns `{"w": [...], "b": ...}` of a model that is one line, in the data's own units, as the run's end tells
        them; None for all others.
        """

    def log(self, name: str, value: Tensor | float) -> None:
        """Records a number as `watch/NAME/name`: a tensor is read when the losses are, so that nothing waits for it."""

    def figure(self, name: str, figure: Figure) -> None:
        """Writes `plots/name.png` and shows it in TensorBoard."""

    def freeze(self, patterns: Sequence[str], frozen: bool = True) -> None:
        """Takes parameters whose names match a pattern out of the training, or back into it. Kept in the state."""


class Watcher:
    """Looks on. A class that inherits from this one overrides what it wants to be called for.

    What it keeps from one call to the next it returns from `state_dict`: tensors, numbers, texts, lists and dicts. With
    `only_looks: true` in its YAML it changes no result: the generators and modes are put back after each call, and it
    does not belong to what makes two runs the same experiment.
    """

    def hold_to(self, model: nn.Module, metrics: Collection[str]) -> None:
        """Called before the training, with the names of all that an epoch will measure.

        Raises:
            UserError: it waits for what will never be; nothing of the run is left then.
        """

    def before_update(self, view: View) -> None:
        """Called before each update of the weights, the gradients (not scaled, not clipped) in `grad`."""

    def epoch(self, view: View, metrics: Mapping[str, float]) -> str | None:
        """Called after each epoch and its validation; returns why the training should end, else None."""
        return None

    def end(self, view: View, metrics: Mapping[str, float]) -> None:
        """Called once, at the end, with the chosen weights in `view.averaged`."""

    def state_dict(self) -> dict[str, Any]:
        """Returns what a saved state holds of it."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from what `state_dict` returned."""
