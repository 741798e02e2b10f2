"""What stands in, before a run, for what a method and a watcher are given in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dlexp.batch import Batch
from dlexp.config.trained import read_trained
from dlexp.data.fields import NORMALISED, Field
from dlexp.data.normalisation import BYTES, Normalisation
from dlexp.methods.method import Start
from dlexp.tasks.task import Task

TOTAL_STEPS = 100


def start_of(model: nn.Module, task: Task, fields: Mapping[str, Field], views: Any) -> Start:
    """Returns what a method is set up with before there is data. views: `view` of the config."""

    def load(folder: str) -> nn.Module:
        return read_trained(Path(folder).expanduser()).for_data_of({}, views)

    return Start(model, task, load, not_normalised(fields), TOTAL_STEPS)


def not_normalised(fields: Mapping[str, Field]) -> dict[str, Normalisation]:
    """Returns how fields are normalised as long as nothing is known of the data: not at all."""
    return {
        key: Normalisation([0.0] * field.sizes[0], [1.0] * field.sizes[0], *_unit(field))
        for key, field in fields.items()
        if field.kind in NORMALISED
    }


def _unit(field: Field) -> tuple[tuple[float, float] | None, torch.dtype]:
    return (BYTES, torch.uint8) if field.dtype == torch.uint8 else (None, torch.float32)


@dataclass
class LoopStandIn:
    """Stands in for the loop of a method that makes its own steps."""

    model: nn.Module
    task: nn.Module

    def gradients(self, loss: Tensor) -> None:
        loss.backward()  # type: ignore[no-untyped-call]

    def clear(self) -> None:
        self.model.zero_grad()

    def update(self, part: str | None = None) -> None:
        self.clear()


@dataclass
class ViewStandIn:
    """Stands in for what a watcher sees."""

    model: nn.Module
    step: int
    batch: Batch
    folder: Path
    epoch: int = 1

    def __post_init__(self) -> None:
        self.averaged = self.model
        for parameter in self.model.parameters():
            parameter.grad = torch.ones_like(parameter)

    def batches(self, split: str, count: int | None = None) -> list[Batch]:
        return [self.batch]

    def loss(self, batch: Batch, model: nn.Module | None = None) -> Tensor:
        return torch.zeros(())

    def log(self, name: str, value: Any) -> None: ...

    def figure(self, name: str, figure: Any) -> None: ...

    def freeze(self, patterns: Any, frozen: bool = True) -> None: ...
