"""Principal component analysis as a model: the linear autoencoder that no other of its size beats in squared error."""

import math
from typing import Annotated

import torch
from torch import Tensor, nn

from dlexp.errors import UserError
from dlexp.models.parts import WIDEST
from dlexp.ranges import Range


class PCA(nn.Module):
    """Takes samples N×shape; `encode` gives their coordinates N×code along `components` (code×values, rows of length 1
    at right angles) from `mean` (values) on, `decode` the samples of such coordinates.

    `method=principal_components` sets both in closed form; descended to by gradients it is a linear autoencoder whose
    decoder is the transposed encoder. Raises UserError where a code is longer than a sample.
    """

    def __init__(self, *, shape: list[int], code: Annotated[int, Range(ge=1, le=WIDEST)]) -> None:
        super().__init__()
        self.shape, values = shape, math.prod(shape)
        if code > values:
            raise UserError(f"model.code={code} is more than the {values} values of a sample, which are their own code")
        self.components = nn.Parameter(torch.randn(code, values) / math.sqrt(values))
        self.mean = nn.Parameter(torch.zeros(values))

    def encode(self, inputs: Tensor) -> Tensor:
        """Returns codes N×code, largest variance first."""
        return (inputs.flatten(1) - self.mean) @ self.components.T

    def decode(self, codes: Tensor) -> Tensor:
        """Returns samples N×shape."""
        return (codes @ self.components + self.mean).view(-1, *self.shape)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.decode(self.encode(inputs))
