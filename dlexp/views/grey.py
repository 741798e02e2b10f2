"""Grey images."""

import torch
from torch import Tensor

from dlexp.views.view import brightness, hold_to_images


class Grey:
    """Makes coloured images grey; grey ones stay as they are."""

    def __call__(self, samples: Tensor, generator: torch.Generator) -> Tensor:
        """N×1×H×W or N×3×H×W → N×1×H×W. Raises UserError for what is no image."""
        hold_to_images(samples)
        return brightness(samples)
