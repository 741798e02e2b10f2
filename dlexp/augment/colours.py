"""Changes of colours on uint8 batches N×C×H×W, each image by its own number; the results are Pillow's, up to rounding.

Nothing here waits for the device.
"""

import torch
from torch import Tensor
from torch.nn import functional

from dlexp.augment.rearrange import shape_of_images
from dlexp.errors import UserError


def brightness(images: Tensor, factors: Tensor) -> Tensor:
    """Blends with black. factors: N; 0 gives black, 1 the image, more a brighter one (ImageEnhance.Brightness)."""
    return _blended(images, torch.zeros((), device=images.device), factors)


def saturation(images: Tensor, factors: Tensor) -> Tensor:
    """Blends with the grey image. factors: N; 0 gives grey, 1 the image (ImageEnhance.Color)."""
    return _blended(images, _grey(images), factors)


def contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Blends with the mean of the grey image. factors: N; 0 gives that mean, 1 the image (ImageEnhance.Contrast)."""
    num_pixels = images.shape[2] * images.shape[3]
    total = _grey(images).sum(dim=(1, 2, 3), keepdim=True)
    return _blended(images, (2 * total + num_pixels) // (2 * num_pixels), factors)


def sharpness(images: Tensor, factors: Tensor) -> Tensor:
    """Blends with the image smoothed. factors: N; 0 gives the smooth one, 1 the image (ImageEnhance.Sharpness).

    Each pixel inside becomes the mean of its 3×3 neighbourhood in which it counts five times; the edge stays.
    """
    if min(images.shape[2:]) < 3:
        return images
    smooth = images.to(torch.float32)
    inner = smooth[:, :, 1:-1, 1:-1]
    # Thirteenths are never near a half, so rounding is the same on every device.
    smooth[:, :, 1:-1, 1:-1] = torch.round((9 * functional.avg_pool2d(smooth, 3, stride=1) + 4 * inner) / 13)
    return _blended(images, smooth, factors)


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keeps that many of the highest bits of each value. bits: N, from 0 to 8."""
    masks = 256 - 2 ** (8 - bits.to(torch.int64))
    return images & masks.to(torch.uint8).view(-1, 1, 1, 1)


def solarize(images: Tensor, thresholds: Tensor) -> Tensor:
    """Inverts the values from a threshold on. thresholds: N; 0 inverts all, 256 none."""
    thresholds = thresholds.ceil().to(torch.int16).view(-1, 1, 1, 1)
    return torch.where(images.to(torch.int16) >= thresholds, 255 - images, images)


def autocontrast(images: Tensor) -> Tensor:
    """Stretches each channel of each image so that it reaches from 0 to 255; one of a single value stays."""
    low, high = (bound.to(torch.int32) for bound in (images.amin((2, 3), True), images.amax((2, 3), True)))
    stretched = (images - low) * 255 // (high - low).clamp_min(1)
    return torch.where(high > low, stretched.to(torch.uint8), images)


def equalize(images: Tensor) -> Tensor:
    """Maps the values of each channel of each image so that they are spread evenly; one of a single value stays."""
    num_images, channels, height, width = images.shape
    values = images.reshape(num_images, channels, -1).to(torch.int64)
    counts = torch.zeros(num_images, channels, 256, dtype=torch.int64, device=images.device)
    counts.scatter_add_(2, values, torch.ones_like(values))
    # Pillow's steps: as many as fit into 255 without the pixels of the highest value, whole ones.
    steps = (height * width - counts.gather(2, values.amax(2, keepdim=True))) // 255
    spread = (counts.cumsum(2) - counts + steps // 2) // steps.clamp_min(1)
    table = torch.where(steps > 0, spread.clamp_max(255), torch.arange(256, device=images.device))
    return table.gather(2, values).to(torch.uint8).view_as(images)


def want_bytes(images: Tensor, name: str) -> None:
    """Raises UserError with the operation's name if this is no batch of images of bytes."""
    shape_of_images(images.shape, name)
    if images.dtype != torch.uint8:
        dtype = str(images.dtype).removeprefix("torch.")
        raise UserError(
            f"augment: '{name}' changes images of bytes (uint8), but these are {dtype}; leave it out with this data."
        )


def _grey(images: Tensor) -> Tensor:
    """Returns int32 N×1×H×W: the luma of three channels as Pillow weighs them, the mean of any other number."""
    whole = images.to(torch.int32)
    if images.shape[1] != 3:
        return whole.sum(1, keepdim=True, dtype=torch.int32) // images.shape[1]
    red, green, blue = whole[:, :1], whole[:, 1:2], whole[:, 2:]
    return torch.bitwise_right_shift(19595 * red + 38470 * green + 7471 * blue + 32768, 16)


def _blended(images: Tensor, other: Tensor, factors: Tensor) -> Tensor:
    """Goes from `other` to the images and, with factors above 1, beyond; cuts fractions off, as Pillow does."""
    blend = other + factors.to(torch.float32).view(-1, 1, 1, 1) * (images - other)
    return blend.clamp_(0, 255).to(torch.uint8)
