"""How a model is asked: once for each image, or for several views of it whose logits are averaged."""

from typing import Annotated

import torch.nn.functional as F
from torch import Tensor, nn

from dlexp.errors import UserError
from dlexp.ranges import Range


class Plain:
    """The null object: each sample is seen once, as it is."""

    def __call__(self, model: nn.Module, inputs: Tensor) -> Tensor:
        """Returns the model's outputs."""
        outputs: Tensor = model(inputs)
        return outputs


class Views:
    """Averages over the image, its mirror image, and with `shift` the same of two copies shifted by that many pixels.

    The copies, up and to the left and down and to the right, count together as much as the image itself
    (Jordan, arXiv 2404.00498, section 3.5).
    """

    def __init__(self, *, shift: Annotated[int, Range(ge=0)]) -> None:
        self.shift = shift

    def __call__(self, model: nn.Module, inputs: Tensor) -> Tensor:
        """Returns the averaged outputs. inputs: N×C×H×W. Raises UserError for other data, and too small images."""
        if inputs.ndim != 4 or self.shift >= min(inputs.shape[2:]):
            shape = list(inputs.shape[1:])
            what = f"images shifted by {self.shift} pixels" if self.shift else "mirrored images"
            raise UserError(
                f"evaluation looks at {what}, but a sample here has the shape {shape}; evaluation=plain takes it"
            )
        outputs = _with_mirror(model, inputs)
        if self.shift:
            wide = F.pad(inputs, [self.shift] * 4, "reflect")
            height, width, far = *inputs.shape[2:], 2 * self.shift
            ends = [wide[:, :, :height, :width], wide[:, :, far : far + height, far : far + width]]
            outputs = outputs / 2 + sum(_with_mirror(model, end) for end in ends) / 4
        return outputs


def _with_mirror(model: nn.Module, images: Tensor) -> Tensor:
    # Two calls and not one of twice the batch: the batch size is already what fits.
    outputs: Tensor = (model(images) + model(images.flip(3))) / 2
    return outputs
