"""Several optimizers as one, each for its own part of the parameters."""

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from dlexp.errors import UserError
from dlexp.machine.torch_private import step_of


class Parts(Optimizer):
    """Steps several optimizers together; groups and state of all of them are its own, so schedules and states see one.

    A group's `until` is the part of the run in which it is trained (see `dlexp.schedules.factor`). A hook that is
    registered for all optimizers hears of this one and of each part.
    """

    def __init__(self, parts: Mapping[str, Optimizer]) -> None:
        self.names, self.parts = list(parts), list(parts.values())
        super().__init__([{"params": group["params"]} for part in self.parts for group in part.param_groups], {})
        self.param_groups = [group for part in self.parts for group in part.param_groups]
        self._share()

    def _share(self) -> None:
        """Gives every part the common state, and its share of the groups."""
        first = 0
        for part in self.parts:
            last = first + len(part.param_groups)
            part.state, part.param_groups = self.state, self.param_groups[first:last]
            first = last

    def __getstate__(self) -> dict[str, Any]:
        """What a copy takes along."""
        return super().__getstate__() | {"names": self.names, "parts": self.parts}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Takes over a copy's or a saved state."""
        super().__setstate__(state)
        self._share()

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Updates all parameters that have gradients."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        for part in self.parts:
            step_of(part)()
        return loss


def split(
    named_parameters: Sequence[tuple[str, nn.Parameter]], parts: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[nn.Parameter]]:
    """Returns the parameters of each part: those that its `params` (patterns of names) and `ndim` (axes) select.

    A parameter belongs to the first part that selects it; a part without either selects all. A part with `ndim` alone
    may stay empty: not every net has filters.

    Raises:
        UserError: patterns that match nothing, or parameters that no part selects.
    """
    chosen: dict[str, list[nn.Parameter]] = {part: [] for part in parts}
    names = [name for name, _ in named_parameters]
    for name, parameter in named_parameters:
        part = next((part for part in parts if _selects(parts[part], name, parameter)), None)
        if part is None:
            raise UserError(f"no part of the optimizer trains {name}; a last part without params takes what is left")
        chosen[part].append(parameter)
    for part, selection in parts.items():
        if selection.get("params") and not chosen[part]:
            pattern = f"optimizer.parts.{part}.params={selection['params']}"
            raise UserError(f"{pattern} matches no parameter that is left; the model has {', '.join(names[:9])}, …")
    return {part: parameters for part, parameters in chosen.items() if parameters}


def _selects(part: Mapping[str, Any], name: str, parameter: nn.Parameter) -> bool:
    patterns, ndim = part.get("params"), part.get("ndim")
    by_name = patterns is None or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    return by_name and (ndim is None or parameter.ndim == ndim)
