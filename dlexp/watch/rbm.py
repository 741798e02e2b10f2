"""What is to see of a restricted Boltzmann machine: filters, samples, and whether it begins to overfit."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dlexp.batch import Batch, first_of
from dlexp.errors import UserError
from dlexp.watch.watcher import View, Watcher

log = logging.getLogger(__name__)

CHAINS = 10
STEPS = (1, 10, 100, 1000)
FILTERS = 64


class LooksAtRBM(Watcher):
    """Logs after each validation the mean free energy of the validation samples, and by how much that of as many
    training samples, spread over all, is lower, `free_energy_gap`: it grows where the machine overfits (Hinton 2010,
    section 6).

    At the end it tells both of the chosen weights, and draws, of images, the weights of hidden units, and what Gibbs
    sampling makes of validation samples.
    """

    def hold_to(self, model: nn.Module, metrics: Collection[str]) -> None:
        """Raises UserError for another model."""
        if not hasattr(model, "free_energy") or not hasattr(model, "chain"):
            raise UserError(f"watch=rbm looks at model=rbm, and this is {type(model).__name__}; leave it out")

    @torch.no_grad()
    def epoch(self, view: View, metrics: Mapping[str, float]) -> None:
        """Logs the free energies."""
        self._log(view, metrics)

    def _log(self, view: View, metrics: Mapping[str, float]) -> tuple[float, float] | None:
        """Logs and returns the mean free energy of the validation samples and the gap; None where there are none."""
        if not any(key.startswith("val/") for key in metrics):
            return None
        machine: Any = view.averaged.eval()
        val, count = _free_energy(machine, view.batches("val"))
        gap = val - _free_energy(machine, view.batches("train", count))[0]
        view.log("free_energy", val)
        view.log("free_energy_gap", gap)
        return val, gap

    @torch.no_grad()
    def end(self, view: View, metrics: Mapping[str, float]) -> None:
        """Tells the gap and draws the pictures."""
        from dlexp.pictures import image_grid, image_rows

        if found := self._log(view, metrics):
            val, gap = found
            told = f"free energy of the validation samples {val:.4g}, of as many training samples {val - gap:.4g}"
            log.info(f"{told}: a gap of {gap:+.3g}, which grows where the machine overfits")
        machine: Any = view.averaged.eval()
        if len(machine.shape) != 3:
            return
        images, step = filters(machine), 0
        told = f"Weights of {len(images)} of {machine.sizes[-1]} hidden units of layer {machine.depth}, white above 0"
        view.figure("filters", image_grid(images, heading=told))
        split = "validation" if found else "training"
        samples = next(iter(view.batches("val" if found else "train")))
        visible = machine.below(first_of(samples)[:CHAINS])
        rows = [("start", _shown(machine, visible))]
        for after in STEPS:
            visible, step = machine.chain(visible, after - step), after
            rows.append((f"{after} step{'s' * (after > 1)}", _shown(machine, visible)))
        told = f"Gibbs sampling from {split} samples on"
        if machine.depth > 1:
            told += f", in layer {machine.depth}: each row is what the layers below decode from it"
        view.figure("samples", image_rows(rows, told))


def filters(machine: Any) -> Tensor:
    """Returns the weights of hidden units of the top layer as images N×C×H×W between 0 and 1, grey being 0.

    Those of a layer above the first are sums of the filters below, weighed (Lee et al. 2008, NIPS 20, section 5).
    """
    weights = machine.layer(1).weight
    for number in range(2, machine.depth + 1):
        weights = machine.layer(number).weight @ weights
    weights = weights[:FILTERS]
    largest = weights.abs().amax(dim=1, keepdim=True).clamp(min=1e-12)
    images: Tensor = (0.5 + weights / (2 * largest)).reshape(-1, *machine.shape).cpu()
    return images


def _free_energy(machine: Any, batches: Iterator[Batch]) -> tuple[float, int]:
    """Returns the mean free energy of samples, and how many they are."""
    total, seen = 0.0, 0
    for batch in batches:
        energies = machine.free_energy(machine.below(first_of(batch)))
        total, seen = total + float(energies.double().sum()), seen + len(energies)
    return total / seen, seen


def _shown(machine: Any, visible: Tensor) -> Tensor:
    images: Tensor = machine.decoded_from(visible, machine.depth - 1).sigmoid().cpu()
    return images
