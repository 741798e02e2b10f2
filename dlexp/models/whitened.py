"""A small, fast convolutional network behind a layer that whitens patches of the data (Jordan, arXiv 2404.00498)."""

from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlexp.errors import UserError
from dlexp.models.parts import image_size
from dlexp.ranges import Range

EPSILON = 5e-4  # added to the eigenvalues: the directions of least variance are mostly noise
CHUNK = 100  # images whose patches are in memory at once


class Whitened(nn.Module):
    """Whitening convolution, GELU, three groups of convolutions, the largest value of each channel, a linear head.

    From N×channels×height×width to N×num_outputs. The whitening filters come from the data and are not trained, nor
    are the weights of batch norm; the head divides by its number of inputs (sections 3.1 to 3.3 of the paper).
    """

    def __init__(
        self, *, channels: int, num_outputs: int, widths: list[int], kernel: int, convolutions: int, momentum: float
    ) -> None:
        super().__init__()
        filters = 2 * channels * kernel**2
        self.whiten = nn.Conv2d(channels, filters, kernel)
        self.whiten.weight.requires_grad_(False)
        self.activation = nn.GELU()
        sizes = zip([filters, *widths[:-1]], widths, strict=True)
        self.groups = nn.Sequential(*(Group(size, width, convolutions, momentum) for size, width in sizes))
        self.head = nn.Linear(widths[-1], num_outputs, bias=False)
        with torch.no_grad():
            self.head.weight /= self.head.weight.std()

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits."""
        x = self.groups(self.activation(self.whiten(x)))
        # Not AdaptiveMaxPool2d, which has no deterministic gradient on CUDA.
        x = F.max_pool2d(x, x.shape[2:]).flatten(1)
        return self.head(x) / x.shape[1]  # type: ignore[no-any-return]

    @torch.no_grad()
    def init_from_data(self, images: Tensor) -> None:
        """Makes the first layer's outputs uncorrelated and of equal variance: its filters are the eigenvectors of the
        patches' covariance, divided by the square roots of their eigenvalues, and the same with the other sign.

        images: N×channels×height×width, normalised.
        """
        length, size = self.whiten.weight[0].numel(), self.whiten.kernel_size[0]
        products, count = torch.zeros(length, length, dtype=torch.float64), 0
        # On the CPU in float64, so that the same data gives the same filters on every device; in parts, since patches
        # take 4 × kernel² times the memory of the images.
        for start in range(0, len(images), CHUNK):
            patches = (
                images[start : start + CHUNK].cpu().unfold(2, size, 1).unfold(3, size, 1).permute(0, 2, 3, 1, 4, 5)
            )
            flat = patches.reshape(-1, length).double()
            products += flat.T @ flat
            count += len(flat)
        values, vectors = torch.linalg.eigh(products / count)
        filters = (vectors / (values + EPSILON).sqrt()).T.float().reshape(-1, *self.whiten.weight.shape[1:])
        self.whiten.weight.copy_(torch.cat([filters, -filters]))


class Group(nn.Module):
    """Convolution, max-pooling, batch norm, GELU, then one more convolution, or two with a shortcut around them."""

    def __init__(self, channels: int, width: int, convolutions: int, momentum: float) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_convolution(channels if i == 0 else width, width) for i in range(convolutions))
        self.norms = nn.ModuleList(_norm(width, momentum) for _ in range(convolutions))
        self.pool = nn.MaxPool2d(2)
        self.activation = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        """Halves height and width."""
        x = start = self.activation(self.norms[0](self.pool(self.convs[0](x))))
        for i in range(1, len(self.convs)):
            x = self.norms[i](self.convs[i](x))
            is_residual = len(self.convs) > 2 and i == len(self.convs) - 1
            x = self.activation(x + start if is_residual else x)
        return x


def _convolution(channels: int, width: int) -> nn.Conv2d:
    """Returns a 3×3 convolution whose first filters pass their channels on as they are."""
    layer = nn.Conv2d(channels, width, 3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(layer.weight[:channels])
    return layer


def _norm(width: int, momentum: float) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(width, eps=1e-12, momentum=momentum)
    norm.weight.requires_grad_(False)
    return norm


def whitened(
    *,
    shape: list[int],
    num_outputs: Annotated[int, Range(ge=1)],
    widths: list[int],
    kernel: Annotated[int, Range(ge=1)],
    convolutions: Annotated[int, Range(ge=2, le=3)],
    momentum: Annotated[float, Range(gt=0, le=1)],
) -> Whitened:
    """Returns the network; each entry of `widths` is a group of `convolutions` that halves the image.

    kernel: side of the whitened patches. momentum: how much of a batch's statistics batch norm takes into the average.

    Raises:
        UserError: samples are no images or too small ones, or `widths` is empty or has a width below 1.
    """
    if not widths or min(widths) < 1:
        raise UserError(f"model.widths={list(widths)} must list the channels of at least one group, each ≥ 1")
    channels, _, _ = image_size(shape, "whitened", smallest=2 ** len(widths) + kernel - 1)
    return Whitened(channels=channels, num_outputs=num_outputs, widths=widths, kernel=kernel,
                    convolutions=convolutions, momentum=momentum)  # fmt: skip
