"""Pictures without their noise: the target is a picture, too.

cd docs/examples/denoising
python -m dlexp --config-dir conf allow=denoising data=discs model=unet optimizer=adam
"""

import torch

from dlexp.data.splits import Split, Splits, drawn_twice


def discs(*, count: int, size: int, noise: float, data_seed: int) -> Splits:
    """Returns pictures of one disc each with normal noise, and the same without."""

    def draw(generator: torch.Generator) -> Split:
        x, y, radius = (0.2 + 0.6 * torch.rand(3, count, 1, 1, 1, generator=generator)) * size
        grid = torch.arange(size)
        clean = ((grid - x) ** 2 + (grid[:, None] - y) ** 2 < (radius / 2) ** 2).float()
        return Split(clean + noise * torch.randn(clean.shape, generator=generator), clean)

    return drawn_twice(draw, data_seed)
