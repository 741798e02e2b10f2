"""U-Net: an answer for each pixel from an encoder and a decoder that are joined at every size (Ronneberger 2015)."""

from typing import Annotated

import torch
from torch import Tensor, nn

from dlexp.errors import UserError
from dlexp.models.parts import MOST_LAYERS, POOLS, WIDEST, Activation, Pool, activation_of, image_size, sequence
from dlexp.ranges import Range, Sizes


class UNet(nn.Module):
    """Takes images N×C×H×W and returns N×num_outputs×H×W (arXiv 1505.04597, padded).

    widths: channels at each size of the image, which halves from one to the next. convolutions: 3×3, at each size on
    either way, with `batch_norm` behind each (the paper has none). pool: what halves the image. dropout: where it is
    smallest (section 3.1). First weights are torch's own: with smaller ones in the last layer all its features came to
    tell what is rare from the rest, and no more. Raises UserError where samples are no images, or a side can't be
    halved that often.
    """

    def __init__(
        self,
        *,
        shape: list[int],
        num_outputs: Annotated[int, Range(ge=1)],
        widths: Annotated[list[int], Sizes()],
        convolutions: Annotated[int, Range(ge=1, le=MOST_LAYERS)],
        activation: Activation,
        pool: Pool,
        batch_norm: bool,
        dropout: Annotated[float, Range(ge=0, lt=1)],
    ) -> None:
        super().__init__()
        if not widths or max(widths) > WIDEST:
            raise UserError(f"model.widths={widths} must list the channels of at least one size, each ≤ {WIDEST:,}")
        channels, height, width = image_size(shape, "unet")
        stride = 2 ** (len(widths) - 1)
        if height % stride or width % stride:
            raise UserError(
                f"model unet with {len(widths)} widths halves images {len(widths) - 1} times, so their sides must be"
                f" multiples of {stride}, and data has shape {shape}; give fewer model.widths, or other images"
            )
        wide = [channels, *widths]
        self.down = nn.ModuleList(
            _stage(wide[each], wide[each + 1], convolutions, activation, batch_norm) for each in range(len(widths))
        )
        self.pool = POOLS[pool](2)
        self.dropout = nn.Dropout(dropout)
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.up = nn.ModuleList(nn.ConvTranspose2d(below, beside, 2, stride=2) for below, beside in pairs)
        self.joined = nn.ModuleList(
            _stage(2 * beside, beside, convolutions, activation, batch_norm) for _, beside in pairs
        )
        self.output = nn.Conv2d(widths[0], num_outputs, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        found = [self.down[0](inputs)]
        for stage in self.down[1:]:
            found.append(stage(self.pool(found[-1])))
        hidden = self.dropout(found.pop())
        for up, joined in zip(self.up, self.joined, strict=True):
            hidden = joined(torch.cat([found.pop(), up(hidden)], dim=1))
        outputs: Tensor = self.output(hidden)
        return outputs


def _stage(channels: int, width: int, convolutions: int, activation: str, batch_norm: bool) -> nn.Sequential:
    layers: dict[str, nn.Module] = {}
    for number in range(1, convolutions + 1):
        layers[f"conv{number}"] = nn.Conv2d(channels, width, 3, padding=1, bias=not batch_norm)
        if batch_norm:
            layers[f"norm{number}"] = nn.BatchNorm2d(width)
        layers[f"activation{number}"] = activation_of(activation)
        channels = width
    return sequence(layers)
