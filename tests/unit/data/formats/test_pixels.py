"""Transparent images laid on a colour, and formats that a package brings."""

import io
import struct
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from dlexp.data.formats import pixels
from dlexp.data.formats.images import tell_lost_levels
from dlexp.data.formats.pixels import image_endings, read_image

WHITE, BLACK, RED = (255, 255, 255), (0, 0, 0), (200, 10, 20)


def drawing(shade: int = 0) -> Image.Image:
    """Returns a drawing of one shade whose ground is transparent, of the same shade; one column is half of each."""
    image = Image.new("RGBA", (8, 8), (shade, shade, shade, 0))
    image.paste((shade, shade, shade, 255), (0, 0, 4, 8))
    image.putpixel((7, 0), (shade, shade, shade, 51))
    return image


def saved(image: Image.Image, ending: str, **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, {"tif": "tiff"}.get(ending, ending), **options)
    return file


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(depth: int, row: bytes, value: int) -> bytes:
    """Returns a grey PNG of 8×8 pixels, one of whose values is transparent."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, depth, 0, 0, 0, 0)) + chunk(b"tRNS", struct.pack(">H", value))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(8 * (b"\0" + row))) + chunk(b"IEND", b"")


def png_of_16_bits(values: NDArray[Any]) -> bytes:
    """Returns a PNG of H×W×3 colours (4: with alpha) of 16 bits, which Pillow can not write."""
    height, width, channels = values.shape
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0))
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("channels", [3, 4])
def test_levels_that_colours_of_16_bits_lose_are_told(tmp_path: Path, channels: int, caplog: Any) -> None:
    """700 and 740 both became 2, and one white pixel hid that: 50 %, without a word."""
    draw = np.random.default_rng(0)
    sets = {
        "few": [np.full((8, 8, channels), 700 + 40 * (n % 2)) for n in range(20)],
        "drawings": [65535 * draw.integers(0, 2, (8, 8, channels)) for _ in range(20)],
        "photos": [draw.integers(0, 65536, (8, 8, channels)) for _ in range(20)],
    }
    for name, images in sets.items():
        for number, values in enumerate(images):
            values[0, 0] = 65535
            (tmp_path / f"{name}{number}.png").write_bytes(png_of_16_bits(values))
        caplog.clear()
        tell_lost_levels([str(tmp_path / f"{name}{number}.png") for number in range(20)])
        told = "warning: colours of 16 bits are read as 8: of 3 levels in some of these images 2 are left"
        assert (told in caplog.text) == (name == "few") and len(caplog.records) == (name == "few")


def read(file: Any, background: Sequence[int], channels: int = 3) -> tuple[Any, bool]:
    return read_image(file, size=8, channels=channels, background=background)


@pytest.mark.parametrize("mode, ending", [("RGBA", "png"), ("RGBA", "webp"), ("RGBA", "tif"), ("LA", "png")])
def test_transparency_is_laid_on_a_colour(mode: str, ending: str) -> None:
    file = saved(drawing().convert(mode), ending, **{"lossless": True} if ending == "webp" else {})
    for background in (WHITE, BLACK, RED):
        found, was_transparent = read(file, background)
        assert was_transparent and (found[:, :, :4] == 0).all()
        assert (found[:, 1:, 4:] == np.array(background)[:, None, None]).all()
        assert np.abs(found[:, 0, 7] - 0.8 * np.array(background)).max() <= 1
    found, _ = read(file, WHITE, channels=1)
    assert found.shape == (1, 8, 8) and (found[0, 1:] == [0] * 4 + [255] * 4).all()


def test_one_colour_may_be_transparent(tmp_path: Path) -> None:
    two = Image.fromarray(np.tile(np.array([[0, 1]], dtype=np.uint8).repeat(4, 1), (8, 1)))
    two = two.convert("P")
    two.putpalette([0, 0, 0, 0, 0, 0])  # both are black
    for ending in ("png", "gif"):
        found, was_transparent = read(saved(two, ending, transparency=1), WHITE)
        assert was_transparent and (found[0] == [0] * 4 + [255] * 4).all(), ending
    colours = Image.new("RGB", (8, 8), BLACK)
    colours.paste((1, 2, 3), (4, 0, 8, 8))
    found, was_transparent = read(saved(colours, "png", transparency=(1, 2, 3)), WHITE)
    assert was_transparent and (found[1] == [0] * 4 + [255] * 4).all()


@pytest.mark.parametrize(
    "depth, row, value, shade",
    [(1, b"\x0f", 1, 0), (2, b"\x00\xff", 3, 0), (4, b"\x11\x11\xff\xff", 15, 17), (8, b"\x07" * 4 + b"\x09" * 4, 9, 7),
     (16, b"\x02\x02" * 4 + b"\x07\x08" * 4, 0x0708, 0x0202)],
)  # fmt: skip
def test_one_grey_may_be_transparent(depth: int, row: bytes, value: int, shade: int) -> None:
    found, was_transparent = read(io.BytesIO(png(depth, row, value)), WHITE, channels=1)
    white = 0xFFFF if depth == 16 else 255
    assert was_transparent and (found[0] == [shade] * 4 + [white] * 4).all()
    assert (read(io.BytesIO(png(depth, row, value)), BLACK)[0][2] == [shade] * 4 + [0] * 4).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "RGB"])
def test_what_is_opaque_is_not_touched(mode: str) -> None:
    random = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    colours = Image.fromarray(random).quantize(16) if mode in ("P", "PA") else Image.fromarray(random)
    image = colours.convert(mode)
    file = saved(image, "tif" if mode == "PA" else "png")
    found, was_transparent = read(file, RED)
    assert not was_transparent and (found == np.asarray(image.convert("RGB")).transpose(2, 0, 1)).all()


def test_a_package_that_brings_a_format_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As pillow-heif does, of which this module has the name."""
    (tmp_path / "pillow_heif.py").write_text(
        "from PIL import Image, PpmImagePlugin\n"
        "def register_heif_opener():\n"
        "    Image.register_open('FAKE', PpmImagePlugin.PpmImageFile, lambda start: start[:1] == b'P')\n"
        "    Image.register_extension('FAKE', '.heic')\n",
        encoding="utf-8",
    )
    for name in ("EXTENSION", "OPEN", "ID"):
        monkeypatch.setattr(Image, name, type(getattr(Image, name))(getattr(Image, name)))
    monkeypatch.delitem(sys.modules, "pillow_heif", raising=False)
    pixels.register_plugins.cache_clear()
    before = image_endings()
    monkeypatch.syspath_prepend(str(tmp_path))
    pixels.register_plugins.cache_clear()
    assert image_endings() - before == {".heic"} - before and ".heic" in image_endings()
    pixels.register_plugins.cache_clear()
