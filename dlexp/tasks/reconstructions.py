"""Pictures of a model that reconstructs its inputs, by looking at a split through it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from dlexp.batch import Batch, first_of, joined
from dlexp.console.wording import number
from dlexp.metric import LOSS
from dlexp.pictures.style import shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import nn

    from dlexp.data.splits import Split

COLUMNS = 10
MOST_CODES = 2000
CHUNK = 2**22  # values that are read at once
Predict = Callable[..., Any]


class Reconstructing(Protocol):
    """What the pictures ask of a task, which is `Autoencoding`."""

    class_names: list[str] | None

    @property
    def spoils(self) -> bool: ...
    def __call__(self, model: nn.Module, batch: Batch) -> Any: ...
    def spoiled(self, inputs: Tensor) -> Tensor: ...
    def judged(self, outputs: Any, batch: Batch) -> tuple[Tensor, Batch]: ...
    def answer(self, outputs: Tensor) -> Tensor: ...
    def in_unit(self, values: Tensor) -> Tensor: ...


def figures(task: Reconstructing, split: Split, predict: Predict) -> dict[str, Figure]:
    """Returns the pictures of a split by file name. Predict takes fields as they came, and what asks the model."""
    from dlexp import pictures

    errors = _asked(split, predict, _error, torch.arange(len(split)))
    few, many = _examples(split), torch.arange(min(MOST_CODES, len(split))) * len(split) // min(MOST_CODES, len(split))
    are_images = split.inputs.ndim == 4
    found: dict[str, Figure] = {}
    if are_images:
        mean = f"mean squared error {number(float(errors.mean()), LOSS)} of {len(split):,} samples"
        found["reconstructions"] = pictures.image_rows(_rows(task, split, predict, few), f"Reconstructions, {mean}")
        worst = errors.topk(min(COLUMNS, len(errors))).indices
        heading = "Worst reconstructions, each with its mean squared error"
        notes = [number(float(error), LOSS) for error in errors[worst]]
        found["worst_reconstructions"] = pictures.image_rows(_rows(task, split, predict, worst), heading, notes)
    else:
        some = _asked(split, predict, _judged, many)
        outputs, inputs = (some[key].flatten(1) for key in ("outputs", "inputs"))
        found["reconstruction_against_input"] = pictures.prediction_against_truth(outputs, inputs)
    codes = _asked(split, predict, _encoded, many)
    if codes is None:
        return found
    labels = None if split.labels is None else split.labels[many]
    found["codes"] = pictures.codes_by_class(codes.flatten(1), labels, task.class_names)
    walks = _walks(predict, _asked(split, predict, _encoded, few)) if are_images else []
    if walks:
        names = _names(task, split, few)
        ends = [f"{one} → {other}" for one, other in zip(names[0::2], names[1::2], strict=False)]
        heading = "Walks in equal steps from one code to another, decoded"
        found["walks"] = pictures.image_rows(list(zip(ends, walks, strict=True)), heading)
    return found


def _asked(split: Split, predict: Predict, ask: Callable[..., Any], rows: Tensor) -> Any:
    """Returns what is asked of samples, on the CPU; few are read at once."""
    size = max(1, min(1000, CHUNK // max(1, math.prod(split.inputs.shape[1:]))))
    return joined([predict(split.read(part), ask) for part in torch.split(rows, size)])


def _judged(task: Reconstructing, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Returns reconstructions, inputs, and what the model was shown, all in the unit of pictures."""
    outputs, truth = task.judged(task(model, batch), batch)
    shown = task.in_unit(task.spoiled(first_of(batch)))
    return {"inputs": truth["targets"], "shown": shown, "outputs": outputs}


def _error(task: Reconstructing, model: nn.Module, batch: Batch) -> Tensor:
    """Returns the mean squared error of each sample, in the unit of pictures."""
    outputs, truth = task.judged(task(model, batch), batch)
    return (outputs - truth["targets"]).square().flatten(1).mean(dim=1)


def _encoded(task: Reconstructing, model: Any, batch: Batch) -> Tensor | None:
    """Returns the codes of clean inputs; None where the model has none."""
    if not callable(getattr(model, "encode", None)):
        return None
    codes: Any = model.encode(first_of(batch))
    return codes if isinstance(codes, Tensor) else None


def _decoded(task: Reconstructing, model: Any, batch: Batch) -> Tensor | None:
    return task.answer(model.decode(batch["codes"])) if callable(getattr(model, "decode", None)) else None


def _rows(task: Reconstructing, split: Split, predict: Predict, rows: Tensor) -> list[tuple[str, Tensor]]:
    found = _asked(split, predict, _judged, rows)
    shown = [("shown", found["shown"])] if task.spoils else []
    return [("original", found["inputs"]), *shown, ("reconstruction", found["outputs"])]


def _walks(predict: Predict, codes: Tensor) -> list[Tensor]:
    """Returns images for each walk from one example to the next, as many as columns; none where nothing decodes."""
    steps = torch.linspace(0, 1, COLUMNS).view(-1, *[1] * (codes.ndim - 1))
    pairs = zip(codes[0::2], codes[1::2], strict=False)
    images = [predict({"codes": (1 - steps) * one + steps * other}, _decoded) for one, other in pairs]
    return [each for each in images if each is not None]


def _names(task: Reconstructing, split: Split, rows: Tensor) -> list[str]:
    """Returns what samples are called: their class, else their place in the split, the first being 0."""
    if split.labels is None:
        return [str(row) for row in rows.tolist()]
    classes = split.labels[rows].tolist()
    return [str(each) if task.class_names is None else shortened(task.class_names[each], 10) for each in classes]


def _examples(split: Split) -> Tensor:
    """Returns which samples are shown: the first of each class, else such that lie evenly apart."""
    if split.labels is None:
        count = min(COLUMNS, len(split))
        return torch.arange(count) * len(split) // count
    classes = torch.unique(split.labels)[:COLUMNS]
    first = [(split.labels == each).nonzero().flatten() for each in classes]
    rounds = -(-COLUMNS // len(classes))
    found = [places[turn] for turn in range(rounds) for places in first if turn < len(places)]
    return torch.stack(found[:COLUMNS])
