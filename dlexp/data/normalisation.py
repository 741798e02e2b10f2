"""Mean 0 and standard deviation 1 for each channel or feature, by the figures of the training data."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Normalisation:
    """mean, std: one number per channel or feature; in [0, 1] for images of bytes, which are divided by 255."""

    mean: list[float]
    std: list[float]
    _factors: dict[Any, tuple[Tensor, Tensor]] = field(default_factory=dict, repr=False, compare=False)

    def __call__(self, inputs: Tensor) -> Tensor:
        """Returns float32, N×channels×… as it came (with one mean for all: N×…). Images may be bytes, or in [0, 1].

        What is float64 is subtracted there: far from 0 float32 would keep no digit of how it differs.
        """
        scale, shift = self.scale_and_shift(inputs)
        if inputs.dtype == torch.uint8:
            return inputs.to(torch.float32).mul_(scale).add_(shift)
        # Floats may be a view of the data itself: never in place.
        return (inputs.to(scale.dtype) * scale + shift).to(torch.float32)

    def undone(self, inputs: Tensor) -> Tensor:
        """Returns normalised inputs as they were, images in [0, 1]; of float64 in float64."""
        scale, shift = self.scale_and_shift(inputs)
        return (inputs - shift) / scale

    def scale_and_shift(self, inputs: Any) -> tuple[Tensor, Tensor]:
        """Returns the factors for such inputs (type, axes, device), made once: a host waits for them to arrive."""
        kind = torch.float64 if inputs.dtype == torch.float64 else torch.float32
        key = inputs.dtype == torch.uint8, kind, inputs.ndim, inputs.device
        if key not in self._factors:
            unit, shape = 255.0 if key[0] else 1.0, self._shape(inputs)
            scale = [1 / (unit * value) for value in self.std]
            shift = [-centre / value for centre, value in zip(self.mean, self.std, strict=True)]
            self._factors[key] = (
                torch.tensor(scale, dtype=kind, device=inputs.device).view(shape),
                torch.tensor(shift, dtype=kind, device=inputs.device).view(shape),
            )
        return self._factors[key]

    def _shape(self, inputs: Tensor) -> list[int]:
        return [1, len(self.mean), *[1] * (inputs.ndim - 2)][: inputs.ndim]
