"""Pictures of a model that reconstructs its inputs, by looking at a split through it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dlexp.batch import Batch
from dlexp.console.wording import number
from dlexp.metric import LOSS
from dlexp.pictures.style import shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import nn

    from dlexp.data.splits import Split
    from dlexp.tasks.autoencoding import Autoencoding

COLUMNS = 10
MOST_CODES = 2000
CHUNK = 2**22  # values that are read at once
Predict = Callable[..., Any]


def figures(task: Autoencoding, split: Split, predict: Predict) -> dict[str, Figure]:
    """Returns the pictures of a split by file name. Predict takes fields as they came, and what asks the model."""
    from dlexp import pictures

    errors, shown = _errors(split, predict), _examples(split)
    found: dict[str, Figure] = {}
    mean = f"mean squared error {number(float(errors.mean()), LOSS)} of {len(split):,} samples"
    if split.inputs.ndim == 4:
        worst = errors.topk(min(COLUMNS, len(errors))).indices
        notes = [number(float(error), LOSS) for error in errors[worst]]
        rows, heading = _rows(task, split, predict, shown), f"Reconstructions, {mean}"
        found["reconstructions"] = pictures.image_rows(rows, heading)
        rows, heading = _rows(task, split, predict, worst), "Worst reconstructions, each with its mean squared error"
        found["worst_reconstructions"] = pictures.image_rows(rows, heading, notes)
    else:
        some = predict(split.read(_spread(split)), _judged)
        outputs, truths = (some[key].flatten(1) for key in ("outputs", "truths"))
        found["reconstruction_against_input"] = pictures.prediction_against_truth(outputs, truths)
    codes = predict(split.read(_spread(split)), _encoded)
    if codes is None:
        return found
    labels = None if split.labels is None else split.labels[_spread(split)]
    found["codes"] = pictures.codes(codes.flatten(1), labels, task.class_names)
    if split.inputs.ndim == 4 and len(shown) > 1:
        if images := _walks(predict, predict(split.read(shown), _encoded)):
            names = _names(task, split, shown)
            names = [f"{one} → {other}" for one, other in zip(names[0::2], names[1::2], strict=False)]
            walks = list(zip(names, images, strict=True))
            found["walks"] = pictures.image_rows(walks, "Walks in equal steps from one code to another, decoded")
    return found


def _judged(task: Autoencoding, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Returns reconstructions, inputs, and what the model was shown, all in the unit of pictures."""
    outputs, truth = task.judged(task(model, batch), batch)
    shown = task.in_unit(task.spoiled(next(iter(batch.values()))))
    return {"inputs": shown, "truths": truth["targets"], "outputs": outputs}


def _encoded(task: Autoencoding, model: Any, batch: Batch) -> Tensor | None:
    """Returns the codes of clean inputs; None where the model has none."""
    if not callable(getattr(model, "encode", None)):
        return None
    codes: Any = model.encode(next(field for name, field in batch.items() if name != "targets"))
    return codes if isinstance(codes, Tensor) else None


def _decoded(task: Autoencoding, model: Any, batch: Batch) -> Tensor | None:
    return task.answer(model.decode(batch["codes"])) if callable(getattr(model, "decode", None)) else None


def _errors(split: Split, predict: Predict) -> Tensor:
    """Returns the mean squared error of each sample, in the unit of pictures."""

    def ask(task: Autoencoding, model: nn.Module, batch: Batch) -> Tensor:
        found = _judged(task, model, batch)
        return (found["outputs"] - found["truths"]).square().flatten(1).mean(dim=1)

    size = max(1, min(1000, CHUNK // max(1, split.inputs[:1].numel())))
    return torch.cat([predict(split.read(rows), ask) for rows in torch.split(torch.arange(len(split)), size)])


def _rows(task: Autoencoding, split: Split, predict: Predict, rows: Tensor) -> list[tuple[str, Tensor]]:
    found = predict(split.read(rows), _judged)
    shown = [("shown", found["inputs"])] if task.spoils else []
    return [("original", found["truths"]), *shown, ("reconstruction", found["outputs"])]


def _walks(predict: Predict, codes: Tensor) -> list[Tensor]:
    """Returns images for each walk from one example to the next, as many as columns; none where nothing decodes."""
    steps = torch.linspace(0, 1, COLUMNS).view(-1, *[1] * (codes.ndim - 1))
    pairs = zip(codes[0::2], codes[1::2], strict=False)
    images = [predict({"codes": (1 - steps) * one + steps * other}, _decoded) for one, other in pairs]
    return [each for each in images if each is not None]


def _names(task: Autoencoding, split: Split, rows: Tensor) -> list[str]:
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


def _spread(split: Split) -> Tensor:
    count = min(MOST_CODES, len(split))
    return torch.arange(count) * len(split) // count
