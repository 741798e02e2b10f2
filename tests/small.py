"""Small parts of a training for the unit tests: batches of a split, a task with a criterion, a model held to it."""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from dlexp.batch import Batch
from dlexp.config.rehearsal import outputs_of
from dlexp.data.fields import Field
from dlexp.data.formats.reading import Reading
from dlexp.data.normalisation import BYTES, Normalisation
from dlexp.data.partition import prepare
from dlexp.data.splits import Split, Splits
from dlexp.methods.method import Method, Moment
from dlexp.models.layers import summarise
from dlexp.tasks.classification import Classification
from dlexp.tasks.task import Task
from dlexp.train.batches import Batches


def batches_of(split: Split, *, mean: list[float], std: list[float], **settings: Any) -> Batches:
    """Returns batches of a split whose first field is normalised."""
    fields = {}
    for name, column in split.fields.items():
        kind = "plain" if name != split.first else "image" if column.ndim == 4 else "normalised"
        fields[name] = Field(list(column.shape[1:]), column.dtype, kind)
    unit = (BYTES, torch.uint8) if split.inputs.dtype == torch.uint8 else ()
    return Batches(split, fields=fields, normalised={split.first: Normalisation(mean, std, *unit)}, **settings)


# What the data sets take that divide their samples themselves, and nobody names here.
NO_FILES = {"group_file": None, "weight_file": None}
NO_FILES_OF_IMAGES = {**NO_FILES, "group_pattern": None}


# A table that is read as it looks.
AS_IT_LOOKS: dict[str, Any] = Reading()._asdict()


def divided(splits: Splits, **changes: Any) -> Splits:
    """Returns what a run makes of a data set: a tenth of the training samples validates, if nothing else is said."""
    unchanged = {"val_size": 0.1, "split_seed": 0, "limit": None, "train_limit": None, "folds": None, "fold": None}
    unchanged |= {"sampling": None, "label_noise": None, "test_label_noise": None, "num_outputs": 2}
    unchanged |= {"labelled": None, "ignored": None, "is_supervised": True}
    return prepare(splits, **(unchanged | changes))


def pairs(batches: Batches, epoch: int = 0, start: int = 0) -> list[tuple[Tensor, Tensor]]:
    """Returns inputs and targets of an epoch's batches."""
    return [(batch["inputs"], batch["targets"]) for batch in batches.epoch(epoch, start)]


def task_with(criterion: nn.Module, num_outputs: int = 2) -> Task:
    """Returns a classification with this criterion."""
    task = Classification(class_names=None, num_outputs=num_outputs, targets="classes", ignore_index=None)
    task.criterion = criterion
    return task


def stepped(model: nn.Module, criterion: nn.Module, device: torch.device | None = None) -> Any:
    """Returns as much of a training's state as its steps look at."""
    parts = {"model": model, "task": task_with(criterion), "method": Method(), "moment": Moment.beginning()}
    return SimpleNamespace(**parts, losses=SimpleNamespace(device=device or torch.device("cpu")))


def batch_of(inputs: Tensor, targets: Tensor) -> Batch:
    """Returns a batch of two fields."""
    return {"inputs": inputs, "targets": targets}


def check_shapes(model: nn.Module, shape: list[int], num_outputs: int, name: str) -> None:
    """Holds a model to data of such samples and classes, as the rehearsal before a run does."""
    kind = "image" if len(shape) == 3 else "normalised"
    fields = {"inputs": Field(shape, torch.float32, kind), "targets": Field([], torch.int64, "plain")}
    outputs_of(model, task_with(nn.CrossEntropyLoss(), num_outputs), fields, name)


def summary_of(model: nn.Module, shape: list[int]) -> dict[str, Any]:
    """Returns the summary of a model that is shown a sample of zeros."""
    return summarise(model, lambda asked: asked(torch.zeros(1, *shape)))
