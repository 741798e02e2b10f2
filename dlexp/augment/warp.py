"""Affine changes of image batches: each image by its own matrix, all in one pass."""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Motion(NamedTuple):
    """How each image of a batch moves; float32 N each.

    shear_x, shear_y: tangents, about the upper left corner. shift_x, shift_y: pixels to the left and up. angle: degrees
    counter-clockwise about the centre.
    """

    shear_x: Tensor
    shear_y: Tensor
    shift_x: Tensor
    shift_y: Tensor
    angle: Tensor


def warped(images: Tensor, motion: Motion, *, interpolation: str, fill: int) -> Tensor:
    """Returns uint8 images N×C×H×W moved; `fill` comes in from outside. interpolation: "nearest" or "bilinear"."""
    height, width = images.shape[2:]
    y = (torch.arange(height, device=images.device) + 0.5).view(1, -1, 1)  # the middles of the pixels
    x = (torch.arange(width, device=images.device) + 0.5).view(1, 1, -1)
    shear_x, shear_y, shift_x, shift_y, angle = (each.view(-1, 1, 1) for each in motion)
    cosine, sine = torch.cos(angle * (math.pi / 180)), torch.sin(angle * (math.pi / 180))
    right, down = x - width / 2, y - height / 2
    from_x = cosine * right - sine * down + width / 2 + shear_x * y + shift_x
    from_y = sine * right + cosine * down + height / 2 + shear_y * x + shift_y
    # grid_sample counts from -1 at the left and upper edge to 1 at the right and lower one. Made by hand: affine_grid
    # multiplies matrices, which on CUDA may be in TF32, a tenth of a pixel off at 224 pixels.
    grid = torch.stack((from_x * (2 / width) - 1, from_y * (2 / height) - 1), dim=3)
    floats = images.to(torch.float32).sub_(fill)
    moved = functional.grid_sample(floats, grid, mode=interpolation, padding_mode="zeros", align_corners=False)
    return moved.add_(fill + 0.5).to(torch.uint8)
