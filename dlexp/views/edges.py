"""Edges (Canny, "A computational approach to edge detection", IEEE PAMI 8(6), 1986)."""

from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from dlexp.ranges import Range
from dlexp.views.view import brightness, hold_to_images

REACH = 4.0  # standard deviations after which the Gaussian is cut off


class Edges:
    """Draws white lines, a pixel wide, where the brightness changes.

    Smoothed by a Gaussian of `sigma` pixels (what lies beyond the edge of the image counts nothing), Sobel's gradients,
    only what is highest along its gradient kept, between pixels by interpolation, and of that what reaches `low` and
    hangs together with something that reaches `high`. The outermost pixels are never an edge. Both thresholds are of
    Sobel's gradients, not divided by anything: a sharp border of black and white has 4.
    """

    has_black_and_white: ClassVar[bool] = True

    def __init__(
        self,
        *,
        sigma: Annotated[float, Range(gt=0)],
        low: Annotated[float, Range(gt=0)],
        high: Annotated[float, Range(gt=0)],
    ) -> None:
        if low > high:
            raise ValueError(f"low={low} must not be above high={high}")
        self.sigma, self.low, self.high = sigma, low, high

    def __call__(self, samples: Tensor, generator: torch.Generator) -> Tensor:
        """N×1×H×W or N×3×H×W → N×1×H×W of 0 and 1. Raises UserError for what is no image."""
        hold_to_images(samples)
        down, right = _sobel(self._smoothed(brightness(samples)))
        strength = torch.hypot(down, right)
        thin = _is_ridge(strength, down, right) & (strength >= self.low)
        inside = torch.zeros_like(thin)
        inside[:, :, 1:-1, 1:-1] = True
        return _connected(thin & inside & (strength >= self.high), thin & inside).to(samples.dtype)

    def _smoothed(self, images: Tensor) -> Tensor:
        radius = int(REACH * self.sigma + 0.5)
        places = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
        kernel = torch.exp(-0.5 * (places / self.sigma) ** 2)
        kernel = kernel / kernel.sum()

        def over_both_sides(values: Tensor) -> Tensor:
            columns = F.conv2d(values, kernel.view(1, 1, -1, 1), padding=(radius, 0))
            return F.conv2d(columns, kernel.view(1, 1, 1, -1), padding=(0, radius))

        return over_both_sides(images) / over_both_sides(torch.ones_like(images[:1]))


def _sobel(images: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the gradients downwards and to the right."""
    slope = images.new_tensor([-1.0, 0.0, 1.0])[:, None] * images.new_tensor([1.0, 2.0, 1.0])
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    return F.conv2d(padded, slope.view(1, 1, 3, 3)), F.conv2d(padded, slope.T.reshape(1, 1, 3, 3))


def _is_ridge(strength: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Returns where no gradient one step further along, or back, is stronger; between two pixels it is interpolated."""
    height, width = strength.shape[2:]
    padded = F.pad(strength, (1, 1, 1, 1)).flatten(2)
    rows = torch.arange(1, height + 1, device=strength.device)[:, None]
    columns = torch.arange(1, width + 1, device=strength.device)
    is_steep = down.abs() >= right.abs()
    longer, shorter = torch.where(is_steep, down, right).abs(), torch.where(is_steep, right, down).abs()
    share = torch.where(longer > 0, shorter / longer, 0)
    step_down, step_right = down.sign().long(), right.sign().long()

    def neighbour(row_step: Tensor, column_step: Tensor) -> Tensor:
        place = (rows + row_step) * (width + 2) + columns + column_step
        return padded.gather(2, place.flatten(2)).view_as(strength)

    found = torch.ones_like(is_steep)
    for sign in (1, -1):
        straight = neighbour(sign * step_down * is_steep, sign * step_right * ~is_steep)
        oblique = neighbour(sign * step_down, sign * step_right)
        found &= oblique * share + straight * (1 - share) <= strength
    return found


def _connected(strong: Tensor, weak: Tensor) -> Tensor:
    """Returns what of `weak` hangs together with `strong`, also over corners."""
    while True:
        grown = (F.max_pool2d(strong.float(), 3, stride=1, padding=1) > 0) & weak
        if torch.equal(grown, strong):
            return grown
        strong = grown
