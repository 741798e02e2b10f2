"""A convolutional autoencoder: images through a few numbers and back."""

from typing import Annotated

from torch import Tensor, nn

from dlexp.errors import UserError
from dlexp.models.parts import ACTIVATIONS, WIDEST, Activation, image_size, sequence
from dlexp.ranges import Range, Sizes


class ConvAutoencoder(nn.Module):
    """Takes images N×C×H×W of any size and returns as many; `encode` makes their codes N×code, `decode` images.

    widths: channels of 3×3 convolutions of stride 2, each of which halves the image (rounded up); the decoder has
    transposed ones in reverse. batch_norm: before each activation. dropout: after each, of whole channels (Tompson et
    al., arXiv 1411.4280, section 3.2). Codes and outputs are linear. Raises UserError where samples are no images.
    """

    def __init__(
        self,
        *,
        shape: list[int],
        code: Annotated[int, Range(ge=1, le=WIDEST)],
        widths: Annotated[list[int], Sizes()],
        activation: Activation,
        batch_norm: bool,
        dropout: Annotated[float, Range(ge=0, lt=1)],
    ) -> None:
        super().__init__()
        if not widths or max(widths) > WIDEST:
            raise UserError(f"model.widths={widths} must list the channels of at least one size, each ≤ {WIDEST:,}")
        channels, *size = image_size(shape, "conv_autoencoder")
        down: dict[str, nn.Module] = {}
        up: dict[str, nn.Module] = {}
        for number, width in enumerate(widths, start=1):
            down[f"conv{number}"] = nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=not batch_norm)
            down |= _between(number, width, activation, batch_norm, dropout)
            # A side of 7 or of 8 pixels becomes one of 4: on the way back the padding says which it was.
            padding = (1 - size[0] % 2, 1 - size[1] % 2)
            bias = number == 1 or not batch_norm  # the first one makes the images
            back = nn.ConvTranspose2d(width, channels, 3, 2, padding=1, output_padding=padding, bias=bias)
            up = {**_between(number, width, activation, batch_norm, dropout), f"conv{number}": back, **up}
            channels, size = width, [-(-side // 2) for side in size]
        values = channels * size[0] * size[1]
        self.encode = sequence({**down, "flatten": nn.Flatten(), "output": nn.Linear(values, code)})
        linear = nn.Linear(code, values, bias=not batch_norm)
        self.decode = sequence({"linear": linear, "unflatten": nn.Unflatten(1, (channels, *size)), **up})

    def forward(self, images: Tensor) -> Tensor:
        outputs: Tensor = self.decode(self.encode(images))
        return outputs


def _between(number: int, maps: int, activation: str, batch_norm: bool, dropout: float) -> dict[str, nn.Module]:
    """Returns what stands between two convolutions, of which the first has so many maps."""
    layers: dict[str, nn.Module] = {f"norm{number}": nn.BatchNorm2d(maps)} if batch_norm else {}
    layers[f"activation{number}"] = ACTIVATIONS[activation]()
    return {**layers, f"dropout{number}": nn.Dropout2d(dropout)} if dropout else layers
