"""One image file to one array: any format Pillow reads, one size, RGB or grey. No torch here.

Every way of reading images comes through here, so that pixels don't depend on it; the processes that read while a
model trains load this and nothing heavier.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

# How the modes of grey images begin whose values have more than 8 bits: whole numbers and floats.
DEEP = ("I", "F")


def image_endings() -> set[str]:
    """Returns the file endings of the formats this Pillow opens, lower case with the dot."""
    return {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}


def read_image(path: str | Path, *, size: int, channels: int) -> NDArray[Any]:
    """Returns one image as channels×size×size: shorter side scaled to `size`, then the centre.

    uint8, or its own values as float32 where they have more than 8 bits. Turned upright as the camera noted; the first
    frame of an animation; transparency is dropped. channels: 3 (RGB) or 1 (grey). Raises whatever Pillow raises for a
    file it cannot read, and ValueError for values that are no numbers.
    """
    mode = "RGB" if channels == 3 else "L"
    # Each step is left out where it would only copy: 0.70 → 0.58 ms for a JPEG that has the size already.
    with Image.open(path) as image:
        # JPEG can be decoded at a fraction of its size: twice what is needed keeps the quality.
        image.draft(mode, (2 * size, 2 * size))
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode.startswith(DEEP):
            return np.broadcast_to(_values(image, size), (channels, size, size))
        upright = image.convert("RGBA") if image.mode == "P" else image
        upright = upright if upright.mode == mode else upright.convert(mode)
        pixels = np.asarray(_square(upright, size), dtype=np.uint8)
    return pixels.transpose(2, 0, 1) if channels == 3 else pixels[None]


def are_deep(paths: Iterable[str | Path]) -> bool:
    """Returns whether images have values of more than 8 bits, by the first file that can be opened."""
    for path in paths:
        try:
            with Image.open(path) as image:
                return image.mode.startswith(DEEP)
        except Exception:  # reading it tells why
            continue
    return False


def read_alike(path: str | Path, *, size: int, channels: int, deep: bool) -> NDArray[Any]:
    """Returns one image of a set that has values of more than 8 bits, or not; see `read_image`.

    Raises ValueError, too, where this one is of the other kind: nobody knows what its values are in the set's unit.
    """
    pixels = read_image(path, size=size, channels=channels)
    if (pixels.dtype != np.uint8) != deep:
        bits = ("8 bits", "more than 8") if deep else ("more than 8 bits", "8")
        raise ValueError(
            f"its values have {bits[0]}, and those of the first image {bits[1]}: one unit is needed for all"
        )
    return pixels


def reason_of(error: Exception) -> str:
    """Returns why a file can't be read, in one line: decoders meet bytes of any making and raise anything."""
    return " ".join(str(error).split()) or type(error).__name__


def _square(image: Image.Image, size: int) -> Image.Image:
    if image.size == (size, size):
        return image
    width, height = image.size
    scale = size / min(width, height)
    image = image.resize((max(size, round(width * scale)), max(size, round(height * scale))), Image.Resampling.BILINEAR)
    left, top = (image.width - size) // 2, (image.height - size) // 2
    return image.crop((left, top, left + size, top + size))


def _values(image: Image.Image, size: int) -> NDArray[np.float32]:
    """Returns grey values of more than 8 bits as they are, which Pillow would clip."""
    values = np.asarray(image, dtype=np.float32)
    others = int(values.size - np.isfinite(values).sum())
    if others:
        raise ValueError(f"{others} of its {values.size} values are NaN or infinite")
    return np.asarray(_square(Image.fromarray(values), size))
