"""Fonts for texts in any script: which help out where the usual one has no glyph, and what to install else."""

from __future__ import annotations

import functools
import logging
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

USUAL = "DejaVu Sans"  # comes with matplotlib
# Of files that have the same characters, one whose name holds an earlier word of these is taken.
PREFERRED = "NotoSansCJK NotoSansSC SourceHanSans wqy PingFang Hiragino msyh simhei malgun YuGoth NotoSans Sans".split()
# What has characters from a number on: Han, kana and Hangul, later Han, emoji without colours, and the other scripts.
PACKAGES = {
    range(0x2E80, 0xD7B0): "Noto Sans CJK (fonts-noto-cjk on Debian and Ubuntu)",
    range(0x20000, 0x40000): "Noto Sans CJK (fonts-noto-cjk on Debian and Ubuntu)",
    range(0x1F000, 0x20000): "Symbola (fonts-symbola on Debian and Ubuntu)",
    range(0x20000): "Noto Sans (fonts-noto-core on Debian and Ubuntu)",
}
_told: set[str] = set()


def help_out(figure: Figure) -> None:
    """Adds to a figure's texts the fonts that have what the usual one lacks; says what to install where none has it."""
    from matplotlib.text import Text
    from matplotlib.ticker import FixedFormatter

    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        formatter = axis.get_major_formatter()
        if isinstance(formatter, FixedFormatter) and not "".join(formatter.seq).isascii():
            axis.get_ticklabels()  # else they have their texts only once they are drawn
    texts: list[Any] = [text for text in figure.findobj(Text) if not text.get_text().isascii()]
    lacking = {character for text in texts for character in text.get_text() if not _has(_usual(), character)}
    if not lacking:
        return
    families = _families("".join(sorted(lacking)))
    for text in texts:
        text.set_fontfamily([*text.get_fontfamily(), *families])


@contextmanager
def without_noise() -> Iterator[None]:
    """Keeps what matplotlib says of fonts to itself, such as that one that helps out has no bold letters."""
    logger = logging.getLogger("matplotlib.font_manager")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


@functools.cache
def _usual() -> str:
    from matplotlib import font_manager

    return str(font_manager.findfont(USUAL))


def _has(path: str, character: str) -> bool:
    from matplotlib import font_manager

    if unicodedata.category(character)[0] in "CZ":  # has no look of its own
        return True
    return bool(font_manager.get_font(path).get_char_index(ord(character)))


@functools.cache
def _families(characters: str) -> list[str]:
    """Returns the names of as few fonts as have these characters; says which ones none has."""
    found, left = [], set(characters)
    for path in _files():
        had: set[str] = set()
        with suppress(Exception):  # a file that is damaged, or no font that matplotlib can draw
            had = {each for each in left if _has(path, each)}
            if had and (name := _name(path)) is not None:
                found.append(name)
                left -= had
        if not left:
            break
    if new := sorted(left - _told):
        _told.update(new)
        packages = [next((what for those, what in PACKAGES.items() if ord(each) in those), "one") for each in new]
        install = " and ".join(dict.fromkeys(packages))
        shown = "".join(new[:20]) + "…" * (len(new) > 20)
        log.warning(f"warning: no font here has {shown}, so pictures show boxes; install {install}")
    return found


def _files() -> Sequence[str]:
    """Returns the files of all fonts that are installed now, the likeliest first; matplotlib's list may be older."""
    from matplotlib import font_manager

    def rank(path: str) -> tuple[int, bool, str]:
        name = Path(path).stem
        place = next((place for place, word in enumerate(PREFERRED) if word.lower() in name.lower()), len(PREFERRED))
        return place, "regular" not in name.lower(), path

    return sorted(set(font_manager.findSystemFonts()), key=rank)


def _name(path: str) -> str | None:
    """Returns the name by which matplotlib knows a font from now on; None of one of bitmaps, which it can't scale."""
    from matplotlib import font_manager

    if not font_manager.get_font(path).scalable:
        return None
    known = {font.fname: font.name for font in font_manager.fontManager.ttflist}
    if path not in known:
        font_manager.fontManager.addfont(path)
        known = {font.fname: font.name for font in font_manager.fontManager.ttflist}
    return known.get(path)
