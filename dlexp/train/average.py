"""Averaged weights: what is evaluated and saved in place of the weights of the last step."""

import itertools
from collections.abc import Iterator
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from dlexp.ranges import Range


class NoAverage:
    """The null object: the model itself is evaluated."""

    def __init__(self, model: nn.Module) -> None:
        self.module = model

    def update(self, step: int) -> None:
        """Does nothing."""

    def state_dict(self) -> dict[str, Any]:
        """Returns an empty state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Has nothing to load."""


class ExponentialAverage:
    """An exponential moving average of parameters and buffers, updated every few optimizer steps.

    Polyak and Juditsky 1992 average all iterates; the exponential form forgets the early ones. The decay of the
    first updates is smaller, so that the initial weights do not linger.
    """

    def __init__(
        self, model: nn.Module, *, decay: Annotated[float, Range(ge=0, lt=1)], every: Annotated[int, Range(ge=1)]
    ) -> None:
        self._decay, self._every = decay, every
        self._average = AveragedModel(model, use_buffers=True)
        self._model = model
        self.module: nn.Module = self._average.module

    def update(self, step: int) -> None:
        """Takes in the model's weights when `step` (counted from 1) is due."""
        if step % self._every:
            return
        num_updates = step // self._every
        # The counter lies on the CPU. `update_parameters` would copy it to the device, for which the host waits there.
        is_first = bool(self._average.n_averaged == 0)
        decay = 0.0 if is_first else min(self._decay, num_updates / (num_updates + 9))
        by_dtype: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
        for averaged, current in zip(_tensors(self.module), _tensors(self._model), strict=True):
            ours, theirs = by_dtype.setdefault(averaged.dtype, ([], []))
            ours.append(averaged.detach())
            theirs.append(current.detach())
        average: Any = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        for ours, theirs in by_dtype.values():
            average(ours, theirs, self._average.n_averaged)
        self._average.n_averaged += 1

    def state_dict(self) -> dict[str, Any]:
        """Returns the averaged weights and the number of updates."""
        return self._average.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a saved average."""
        self._average.load_state_dict(state)


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    return itertools.chain(model.parameters(), model.buffers())


Average = NoAverage | ExponentialAverage
