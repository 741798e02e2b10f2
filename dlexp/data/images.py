"""Image files to uint8 arrays: any format Pillow reads, one size, RGB or grey."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from dlexp.errors import UserError
from dlexp.waiting import progress

NUM_NAMED = 3


def image_endings() -> set[str]:
    """Returns the file endings of the formats this Pillow opens, lower case with the dot."""
    return {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}


def read_image(path: Path, *, size: int, channels: int) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """Returns one image as uint8 channels×size×size: shorter side scaled to `size`, then the centre.

    Turned upright as the camera noted; the first frame of an animation; transparency is dropped.
    channels: 3 (RGB) or 1 (grey). Raises whatever Pillow raises for a file it cannot read.
    """
    mode = "RGB" if channels == 3 else "L"
    with Image.open(path) as file:
        # JPEG can be decoded at a fraction of its size: twice what is needed keeps the quality.
        file.draft(mode, (2 * size, 2 * size))
        image = ImageOps.exif_transpose(file)
    image = _eight_bits(image).convert(mode)
    width, height = image.size
    scale = size / min(width, height)
    image = image.resize((max(size, round(width * scale)), max(size, round(height * scale))), Image.Resampling.BILINEAR)
    left, top = (image.width - size) // 2, (image.height - size) // 2
    pixels = np.asarray(image.crop((left, top, left + size, top + size)), dtype=np.uint8)
    return pixels.transpose(2, 0, 1) if channels == 3 else pixels[None]


def read_images(paths: Sequence[Path], *, size: int, channels: int) -> Tensor:
    """Returns uint8 N×channels×size×size, decoded by threads (Pillow releases the interpreter lock).

    Raises UserError that counts the files that cannot be read and names the first few.
    """
    images = torch.empty(len(paths), channels, size, size, dtype=torch.uint8)
    rows = images.numpy()
    failures: dict[int, str] = {}

    def fill(index: int) -> None:
        try:
            rows[index] = read_image(paths[index], size=size, channels=channels)
        except Exception as error:  # decoders meet bytes of any making and raise anything; nothing is swallowed
            failures[index] = str(error) or type(error).__name__

    with ThreadPoolExecutor(os.cpu_count()) as pool, progress("Reading images", unit="images") as report:
        for done, _ in enumerate(as_completed([pool.submit(fill, index) for index in range(len(paths))]), 1):
            report(done, len(paths))
    if failures:
        named = "; ".join(f"{paths[index]} ({failures[index]})" for index in sorted(failures)[:NUM_NAMED])
        more = "" if len(failures) <= NUM_NAMED else f" and {len(failures) - NUM_NAMED} more"
        raise UserError(
            f"{len(failures)} of {len(paths)} images cannot be read: {named}{more}. Remove or replace them."
        )
    return images


def _eight_bits(image: Image.Image) -> Image.Image:
    """Brings 16-bit and float grey images to 0..255 (Pillow would clip them) and palettes to colours."""
    if image.mode == "P":
        return image.convert("RGBA")
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, dtype=np.float32)
        largest = float(values.max())
        unit = 257.0 if image.mode.startswith("I;16") or largest > 255 else 1.0 if largest > 1 else 1 / 255
        return Image.fromarray((values / unit).clip(0, 255).astype(np.uint8))
    return image
