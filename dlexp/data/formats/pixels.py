"""One image file to one array: any format Pillow reads, one size, RGB or grey. No torch here.

Every way of reading images comes through here, so that pixels don't depend on it; the processes that read while a
model trains load this and nothing heavier.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

# How the modes of grey images begin whose values have more than 8 bits: whole numbers and floats.
DEEP = ("I", "F")
# Packages that teach Pillow another format: the module, the function to call (None: importing it does), its endings.
PLUGINS = {
    "pillow-heif": ("pillow_heif", "register_heif_opener", (".heic", ".heif", ".hif")),
    "pillow-avif-plugin": ("pillow_avif", None, (".avif",)),
    "pillow-jxl-plugin": ("pillow_jxl", None, (".jxl",)),
}
PACKAGES = {ending: package for package, (_, _, endings) in PLUGINS.items() for ending in endings}
FEW_IMAGES = 16  # of 16 bits whose levels are counted
WITH_ALPHA = {"LA", "PA", "RGBA"}


@cache
def register_plugins() -> None:
    """Lets Pillow read the formats for which a package is installed."""
    for module, function, _ in PLUGINS.values():
        with suppress(ImportError, OSError):  # not installed, or a library of the system that it needs is not
            plugin = import_module(module)
            if function is not None:
                getattr(plugin, function)()


def image_endings() -> set[str]:
    """Returns the file endings of the formats this Pillow opens, lower case with the dot."""
    register_plugins()
    return {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}


def read_image(path: str | Path, *, size: int, channels: int, background: Sequence[int]) -> tuple[NDArray[Any], bool]:
    """Returns one image as channels×size×size (shorter side scaled to `size`, then the centre), and whether any of it
    was transparent.

    uint8, or its own values as float32 where they have more than 8 bits. Turned upright as the camera noted; the first
    frame of an animation; what is transparent is laid on `background` (red, green, blue). channels: 3 (RGB) or 1
    (grey). Raises whatever Pillow raises for a file it cannot read, and ValueError for values that are no numbers.
    """
    mode = "RGB" if channels == 3 else "L"
    # Each step is left out where it would only copy: 0.70 → 0.58 ms for a JPEG that has the size already.
    with Image.open(path) as image:
        # JPEG can be decoded at a fraction of its size: twice what is needed keeps the quality.
        image.draft(mode, (2 * size, 2 * size))
        _scale_transparent_value(image)
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        opaque, was_transparent = _opaque(image, background)
        if opaque.mode.startswith(DEEP):
            return np.broadcast_to(_values(opaque, size), (channels, size, size)), was_transparent
        upright = opaque.convert("RGBA") if opaque.mode == "P" else opaque
        upright = upright if upright.mode == mode else upright.convert(mode)
        pixels = np.asarray(_square(upright, size), dtype=np.uint8)
    return pixels.transpose(2, 0, 1) if channels == 3 else pixels[None], was_transparent


def are_deep(paths: Iterable[str | Path]) -> bool:
    """Returns whether images have values of more than 8 bits, by the first file that can be opened."""
    for path in paths:
        try:
            with Image.open(path) as image:
                return image.mode.startswith(DEEP)
        except Exception:  # reading it tells why
            continue
    return False


def levels_of_colours(paths: Sequence[str | Path]) -> tuple[int, int]:
    """Returns how many levels some PNGs of 16-bit colours have, and how many are left of them once read: Pillow reads
    the upper 8 bits. (0, 0) where one of them has other values.
    """
    levels = set[int]()
    for path in {paths[place * len(paths) // FEW_IMAGES]: None for place in range(FEW_IMAGES)}:
        try:
            both = []
            for order in ("B", "L"):  # the upper byte, and the one that is left out
                with Image.open(path) as image:
                    tile: Any = getattr(image, "tile", None)
                    if image.format != "PNG" or not tile or tile[0][3] not in ("RGB;16B", "RGBA;16B"):
                        return 0, 0
                    tile[0] = tile[0]._replace(args=f"{image.mode};16{order}")
                    both.append(np.asarray(image)[..., :3].astype(np.int64))
        except Exception:  # reading it tells why
            continue
        levels.update(np.unique(256 * both[0] + both[1]).tolist())
    return len(levels), len({level // 256 for level in levels})


class UnlikeError(ValueError):
    """An image's values have another number of bits than those of the set."""


def read_alike(
    path: str | Path, *, size: int, channels: int, background: Sequence[int], deep: bool
) -> tuple[NDArray[Any], bool]:
    """Returns what `read_image` does, of one image of a set that has values of more than 8 bits, or not.

    Raises UnlikeError, too, where this one is of the other kind: nobody knows what its values are in the set's unit.
    """
    pixels, was_transparent = read_image(path, size=size, channels=channels, background=background)
    if (pixels.dtype != np.uint8) != deep:
        bits = ("8 bits", "more than 8") if deep else ("more than 8 bits", "8")
        raise UnlikeError(
            f"its values have {bits[0]}, and those of the first image {bits[1]}: one unit is needed for all"
        )
    return pixels, was_transparent


def reason_of(error: Exception) -> str:
    """Returns why a file can't be read, in one line: decoders meet bytes of any making and raise anything."""
    return " ".join(str(error).split()) or type(error).__name__


def _scale_transparent_value(image: Image.Image) -> None:
    """Brings the transparent grey of a PNG of 2 or 4 bits to 8 bits, as Pillow does its pixels and not this value."""
    tile = getattr(image, "tile", None)
    if tile and "transparency" in image.info:
        image.info["transparency"] *= {"L;2": 85, "L;4": 17}.get(str(tile[0][3]), 1)


def _opaque(image: Image.Image, background: Sequence[int]) -> tuple[Image.Image, bool]:
    """Returns an image laid on a colour, and whether any of it is transparent; if not, it is the very same."""
    palette = image.palette if image.mode == "P" else None
    if (image.mode if palette is None else palette.mode) not in WITH_ALPHA and "transparency" not in image.info:
        return image, False
    if image.mode.startswith("I"):  # grey of 16 bits, one value of which is transparent
        values, ground = np.asarray(image), Image.new("RGB", image.size, tuple(background)).convert("L")
        is_clear = values == image.info["transparency"]
        laid = np.where(is_clear, np.asarray(ground, values.dtype) * 257, values)
        return Image.fromarray(laid), bool(is_clear.any())
    colours = image.convert("RGBA")
    alpha = colours.getchannel("A")
    if alpha.getextrema()[0] == 255:
        return image, False
    ground = Image.new("RGB", image.size, tuple(background))
    ground.paste(colours, mask=alpha)
    return ground, True


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
