"""Averaged weights: what is evaluated and saved in place of the weights of the last step."""

from typing import Annotated, Any

from torch import nn
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
        self._average = AveragedModel(model, multi_avg_fn=_towards(decay), use_buffers=True)
        self._model = model
        self.module: nn.Module = self._average.module

    def update(self, step: int) -> None:
        """Takes in the model's weights when `step` (counted from 1) is due."""
        if step % self._every:
            return
        num_updates = step // self._every
        decay = min(self._decay, num_updates / (num_updates + 9))
        self._average.multi_avg_fn = _towards(decay)
        self._average.update_parameters(self._model)

    def state_dict(self) -> dict[str, Any]:
        """Returns the averaged weights and the number of updates."""
        return self._average.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a saved average."""
        self._average.load_state_dict(state)


def _towards(decay: float) -> Any:
    return get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]


Average = NoAverage | ExponentialAverage
