"""Mean 0 and standard deviation 1 for each channel or feature, by the figures of the training data, in its unit."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from dlexp.errors import UserError

BYTES, FRACTIONS = (0.0, 255.0), (0.0, 1.0)
# Means that many standard deviations from 0 are subtracted before anything else is done: scaled first, what is left of
# float32's 24 bits would be rounded away.
FAR = 1000
# … and that many take more bits than float32 has to tell one value from the next.
BEYOND_FLOAT32 = 2**24 * 1e-3


@dataclass(frozen=True)
class Normalisation:
    """mean, std: one number per channel or feature, of values in the unit. range: the unit, the values of the data that
    count as 0 and 1; None: values count as they are. dtype: that of the data.

    What is asked about comes in the data's own values. Where those are bytes, floats are fractions in [0, 1], and where
    they are fractions, bytes are as everywhere.
    """

    mean: list[float]
    std: list[float]
    range: tuple[float, float] | None = None
    dtype: torch.dtype = torch.float32
    _factors: dict[Any, tuple[Tensor, Tensor]] = field(default_factory=dict, repr=False, compare=False)

    def __call__(self, inputs: Tensor) -> Tensor:
        """Returns float32, N×channels×… as it came; with one mean and deviation for all N×…."""
        if self._is_wide(inputs.dtype):
            centre, spread = self.scale_and_shift(inputs)
            return ((inputs.to(centre.dtype) - centre) / spread).to(torch.float32)
        scale, shift = self.scale_and_shift(inputs)
        if inputs.dtype == torch.uint8:
            return inputs.to(torch.float32).mul_(scale).add_(shift)
        # Floats may be a view of the data itself: never in place.
        return inputs.to(torch.float32) * scale + shift

    def undone(self, inputs: Tensor) -> Tensor:
        """Returns normalised inputs in the data's own values, bytes as fractions in [0, 1]."""
        wide = inputs if inputs.dtype == torch.float64 else inputs.to(self.dtype)
        if self._is_wide(wide.dtype):
            centre, spread = self.scale_and_shift(wide)
            return inputs.to(centre.dtype) * spread + centre
        scale, shift = self.scale_and_shift(inputs)
        return (inputs - shift) / scale

    def shown(self, inputs: Tensor) -> Tensor:
        """Returns what is not normalised as a picture shows it: in [0, 1] where there is a unit; bytes stay bytes."""
        if inputs.dtype == torch.uint8 and self.range == BYTES:
            return inputs
        low, width = self.unit_of(inputs.dtype)
        return (inputs.to(torch.float32) - low) / width

    def as_json(self) -> dict[str, Any]:
        """Returns what `data.json` says of it."""
        unit = None if self.range is None else list(self.range)
        return {"mean": self.mean, "std": self.std, "range": unit, "dtype": _word(self.dtype)}

    @property
    def takes_fractions(self) -> bool:
        """Whether floats are in [0, 1]."""
        return self.range is not None and (self.dtype == torch.uint8 or self.range == FRACTIONS)

    @property
    def in_own_values(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation of the data's own values."""
        low, width = self.unit_of(self.dtype)
        return [low + width * centre for centre in self.mean], [width * spread for spread in self.std]

    def hold(self, inputs: Tensor, name: str) -> None:
        """Raises UserError where values a person asks about are in another unit than the data were.

        Half a unit more is taken, as noise and bright pixels have it. It waits for the device.
        """
        is_narrow = inputs.is_floating_point() and inputs.dtype != torch.float64
        if self.dtype == torch.float64 and is_narrow and self._distance > BEYOND_FLOAT32:
            raise UserError(
                f"{name} are {_word(inputs.dtype)}, and the values that the model was trained on lie so close together,"
                " far from 0, that only float64 tells them apart: give float64"
            )
        if self.range is None or not inputs.numel():
            return
        low, high = self.range
        told = f"the model was trained on values from {low:g} to {high:g}"
        if inputs.dtype == torch.uint8:
            if not (self.takes_fractions or 0 <= low and 2 < high <= BYTES[1]):
                raise UserError(f"{name} are bytes (uint8), and {told}: give those")
            return
        least, most = (float(value) for value in inputs.aminmax())
        if self.takes_fractions:
            both = "bytes (uint8) or floats in [0, 1]"
            if not inputs.is_floating_point():
                raise UserError(f"{name} are {_word(inputs.dtype)}, and the model takes {both}")
            if not -0.5 <= least <= most <= 1.5:
                raise UserError(f"{name} are floats from {least:g} to {most:g}, and the model takes {both}")
        elif high - low > 2 and 0 <= least and 0 < most <= 1:
            bytes_too = " or bytes (uint8)" if self.range == BYTES else ""
            raise UserError(f"{name} lie within [0, 1], and {told}: give those{bytes_too}")

    def scale_and_shift(self, inputs: Any) -> tuple[Tensor, Tensor]:
        """Returns the factors for such inputs (type, axes, device), made once: a host waits for them to arrive.

        Of what is subtracted first: mean and standard deviation of the data's own values, in double precision.
        """
        key = inputs.dtype, inputs.ndim, inputs.device
        if key not in self._factors:
            if self._is_wide(inputs.dtype):
                # MPS has no float64.
                dtype = torch.float32 if inputs.device.type == "mps" else torch.float64
                pair = self.in_own_values
            else:
                low, width = self.unit_of(inputs.dtype)
                dtype = torch.float32
                pair = (
                    [1 / (width * value) for value in self.std],
                    [-(low / width + centre) / value for centre, value in zip(self.mean, self.std, strict=True)],
                )
            shape = [1, len(self.mean), *[1] * (inputs.ndim - 2)][: inputs.ndim]
            first, second = (torch.tensor(each, dtype=dtype, device=inputs.device).view(shape) for each in pair)
            self._factors[key] = first, second
        return self._factors[key]

    def _is_wide(self, dtype: torch.dtype) -> bool:
        """Returns whether the mean is subtracted first, in double precision."""
        if dtype == torch.uint8 or self.dtype == torch.uint8:
            return False
        return dtype == torch.float64 or not dtype.is_floating_point or self._distance > FAR

    @cached_property
    def _distance(self) -> float:
        """The largest distance of a mean from 0, in standard deviations."""
        return max(abs(centre) / spread for centre, spread in zip(*self.in_own_values, strict=True))

    def unit_of(self, dtype: torch.dtype) -> tuple[float, float]:
        """Returns what counts as 0 in inputs of a type, and how much more as 1."""
        if self.range is None or (self.dtype == torch.uint8 and dtype.is_floating_point):
            return 0.0, 1.0
        if self.range == FRACTIONS and dtype == torch.uint8 != self.dtype:
            return BYTES
        return self.range[0], self.range[1] - self.range[0]


def _word(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
