"""How a model is asked: once for each image, or for several views of it whose logits are averaged."""

from collections.abc import Callable
from typing import Annotated, Any

import torch.nn.functional as F
from torch import Tensor, nn

from dlexp.batch import Batch
from dlexp.errors import UserError
from dlexp.models.auxiliary import main
from dlexp.ranges import Range
from dlexp.tasks.task import Task


class Plain:
    """The null object: each sample is seen once, as it is."""

    def __call__(self, task: Task, model: nn.Module, batch: Batch) -> Any:
        """Returns what the task makes of the batch."""
        return task(model, batch)


class Views:
    """Averages over the image, its mirror image, and with `shift` the same of two copies shifted by that many pixels.

    The copies, up and to the left and down and to the right, count together as much as the image itself
    (Jordan, arXiv 2404.00498, section 3.5).
    """

    def __init__(self, *, shift: Annotated[int, Range(ge=0)]) -> None:
        self.shift = shift

    def __call__(self, task: Task, model: nn.Module, batch: Batch) -> Tensor:
        """Returns the averaged outputs. The first field is N×C×H×W; outputs are turned back where they are pictures.

        Raises UserError for other data, too small images, and outputs that can't be turned back.
        """
        first, inputs = next(iter(batch.items()))

        def look(images: Tensor) -> Any:
            return main(task(model, {**batch, first: images}))

        if inputs.ndim != 4 or self.shift >= min(inputs.shape[2:]):
            shape = list(inputs.shape[1:])
            what = f"images shifted by {self.shift} pixels" if self.shift else "mirrored images"
            raise UserError(
                f"evaluation looks at {what}, but a sample here has the shape {shape}; evaluation=plain takes it"
            )
        same = [
            name
            for name, each in batch.items()
            if name not in (first, "targets") and each.shape[-2:] == inputs.shape[2:]
        ]
        if same:
            raise UserError(f"evaluation would mirror {first} and not {same[0]}; evaluation=plain takes both")
        outputs = _with_mirror(look, inputs)
        if self.shift and _is_picture(outputs, inputs):
            raise UserError(
                "evaluation can't average pictures over shifted images; evaluation=mirror turns them back, and"
                " evaluation=plain looks once"
            )
        if self.shift:
            wide = F.pad(inputs, [self.shift] * 4, "reflect")
            height, width, far = *inputs.shape[2:], 2 * self.shift
            ends = [wide[:, :, :height, :width], wide[:, :, far : far + height, far : far + width]]
            outputs = outputs / 2 + sum(_with_mirror(look, end) for end in ends) / 4
        return outputs


def _with_mirror(look: Callable[[Tensor], Any], images: Tensor) -> Tensor:
    # Two calls and not one of twice the batch: the batch size is already what fits.
    outputs, mirrored = look(images), look(images.flip(3))
    if not isinstance(outputs, Tensor):
        raise UserError(
            f"evaluation averages outputs over mirrored images, and this model returns a {type(outputs).__name__};"
            " evaluation=plain takes it"
        )
    mean: Tensor = (outputs + (mirrored.flip(3) if _is_picture(outputs, images) else mirrored)) / 2
    return mean


def _is_picture(outputs: Tensor, images: Tensor) -> bool:
    return outputs.ndim == 4 and outputs.shape[2:] == images.shape[2:]
