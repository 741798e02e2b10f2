"""Which class is each pixel of: intersection over union, pixel accuracy, a few images beside truth and answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import torch

from dlexp.batch import Batch
from dlexp.metric import Metric
from dlexp.metrics.classes import Accuracy, IoU
from dlexp.metrics.measure import Measure
from dlexp.ranges import Choice, Range
from dlexp.tasks.classes import Classes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dlexp.data.splits import Split

MOST_IMAGES = 8


class Segmentation(Classes):
    """One class a pixel: outputs are logits N×classes×H×W, targets masks N×H×W (int64). See `Classes`."""

    metric = "iou"
    own: Mapping[str, Measure] = {"iou": IoU(), "pixel_accuracy": Accuracy()}
    metrics: Mapping[str, Metric] = {name: each.facts for name, each in own.items()}
    keeps_outputs = False  # those of a split of images may be larger than the memory

    def __init__(
        self,
        *,
        class_names: list[str] | None,
        num_outputs: Annotated[int, Range(ge=2)],
        targets: Annotated[str, Choice("mask")],
        ignore_index: int | str | None,
    ) -> None:
        super().__init__(class_names=class_names, num_outputs=num_outputs, targets=targets, ignore_index=ignore_index)

    def misfit(self, outputs: Any, batch: Batch) -> str | None:
        """Returns what is wrong with outputs that are no classes of pixels."""
        if batch["targets"].ndim != 3:
            return "what has no masks N×H×W to compare with: the data's targets are no masks"
        return super().misfit(outputs, batch)

    def figures(self, outputs: None, split: Split, predict: Callable[[Batch], Any]) -> dict[str, Figure]:
        """Returns a picture of the first images, each beside its truth and the answer."""
        from dlexp import pictures

        fields = split.read(torch.arange(min(len(split), MOST_IMAGES)))
        answers, batch = self.judged(predict(fields), fields)
        if fields[split.first].ndim != 4:
            return {}
        masks = batch["targets"], answers.argmax(dim=1)
        images = self.shown(split.first, fields[split.first])
        return {"segmentation": pictures.segmentation(images, *masks, self.class_names)}
