"""Silent units: how many outputs of ReLU layers are 0."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from dlexp.batch import num_rows
from dlexp.console.wording import percent
from dlexp.errors import UserError
from dlexp.watch.watcher import View, Watcher

log = logging.getLogger(__name__)

LAYERS = (nn.ReLU, nn.ReLU6)
ALL, DEAD = "all", "dead_"


class SilentUnits(Watcher):
    """Logs after each validation, and at the end of the chosen weights, which share of the outputs of each ReLU layer
    is 0 (`NAME`, and `all` together), and which share of its units is 0 on every sample (`dead_NAME`, `dead_all`).

    Of validation samples, without validation of those of training. Of images a unit is a map, at whatever place; else
    it is each output. Raises UserError for a model without such layers.
    """

    def __init__(self) -> None:
        self.split = "val"

    def hold_to(self, model: nn.Module, metrics: Collection[str]) -> None:
        if not _layers(model):
            raise UserError(
                "watch=silent counts what layers of ReLU (torch.nn.ReLU) leave at 0, and this model has none; leave it"
                " out, or choose model.activation=relu"
            )
        self.split = "val" if any(key.startswith("val/") for key in metrics) else "train"

    def epoch(self, view: View, metrics: Mapping[str, float]) -> None:
        """Logs the shares."""
        if any(key.startswith(f"{self.split}/") for key in metrics):
            self._log(view)

    def end(self, view: View, metrics: Mapping[str, float]) -> None:
        """Logs those of the chosen weights, and tells them."""
        if not (shares := self._log(view)):
            return  # nothing asked the layers
        samples = {"val": "validation", "train": "training"}[self.split]
        log.info(
            f"of the outputs of ReLU {percent(shares[ALL])} are 0, and {percent(shares[DEAD + ALL])} of the units on"
            f" all {samples} samples"
        )

    def _log(self, view: View) -> dict[str, float]:
        shares = silent_shares(view, self.split)
        for name, share in shares.items():
            view.log(name, share)
        return shares


def silent_shares(view: View, split: str) -> dict[str, float]:
    """Returns the shares of a split's samples, by the names they are logged by."""
    seen: list[tuple[str, Tensor]] = []  # what the layers left at 0 of one batch, in the order in which they were asked
    model = view.averaged.eval()  # what validates and is chosen: the average, where there is one
    hooks = [
        layer.register_forward_hook(lambda *called, name=name: seen.append((name, called[-1] == 0)))
        for name, layer in _layers(model).items()
    ]
    sums: dict[tuple[int, str], Tensor] = {}  # of each unit; a layer that is asked twice has twice its units
    rows, places = 0, dict[tuple[int, str], int]()
    try:
        for batch in view.batches(split):
            seen.clear()
            view.loss(batch, model)
            rows += num_rows(batch)
            for turn, (name, is_zero) in enumerate(seen):
                units = is_zero.flatten(2) if is_zero.ndim == 4 else is_zero.flatten(1)[..., None]
                places[turn, name] = units.shape[-1]
                sums[turn, name] = sums.get((turn, name), 0) + units.float().mean(dim=2).sum(dim=0).cpu().double()
    finally:
        for hook in hooks:
            hook.remove()
    return _shares({key: each / rows for key, each in sums.items()}, places)


def _shares(units: Mapping[tuple[int, str], Tensor], places: Mapping[tuple[int, str], int]) -> dict[str, float]:
    """Returns the shares by name. units: of each unit the share of its outputs that are 0; places: outputs a unit."""
    found: dict[str, float] = {}
    for name in [*dict.fromkeys(name for _, name in units), ALL] if units else []:
        own = [key for key in units if name in (key[1], ALL)]
        num_outputs = sum(places[key] * len(units[key]) for key in own)
        found[name] = sum(places[key] * float(units[key].sum()) for key in own) / num_outputs
        found[DEAD + name] = float((torch.cat([units[key] for key in own]) == 1).double().mean())
    return found


def _layers(model: nn.Module) -> dict[str, nn.Module]:
    return {name: each for name, each in model.named_modules() if isinstance(each, LAYERS)}
