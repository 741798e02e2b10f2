"""Points beside a curve: one number goes in, one comes out, and what is learnt can be drawn over what was seen."""

import math
from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor

from dlexp.data.fingerprint import GENERATED, tells_content
from dlexp.data.splits import Split, Splits, drawn
from dlexp.ranges import Choice, Range

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "cubic": lambda x: x**3,
    "sine": lambda x: torch.sin(math.pi * x),
    "line": lambda x: x,
}


@tells_content(lambda: GENERATED)
def curve(
    *,
    function: Annotated[str, Choice(*FUNCTIONS)],
    num_points: Annotated[int, Range(ge=2)],
    noise: Annotated[float, Range(ge=0)],
    test_size: Annotated[float, Range(ge=0)],
    data_seed: Annotated[int, Range(ge=0)],
) -> Splits:
    """Returns x from -1 to 1 in even steps and y = function(x) + noise·u with u uniform in [0, 1), both float32 N×1.

    The noise has the mean noise/2 and the variance noise²/12, the least mean squared error that new points allow.
    The test split is at the same places with noise of its own. function: "cubic" = x³, as in A. Canziani's "Deep
    Learning" (New York University, notebook of regression); "sine" = sin(πx); "line" = x. test_size: as in `drawn`.
    """

    def points(count: int, generator: torch.Generator) -> Split:
        x = torch.linspace(-1, 1, count)[:, None]
        return Split(x, FUNCTIONS[function](x) + noise * torch.rand(x.shape, generator=generator))

    return drawn(points, num_points, data_seed, test_size=test_size)
