"""Names of arms where a picture has little room for them."""

import os
from collections.abc import Sequence

from dlexp.pictures.drawing import text_width


def fitted_name(name: str, width: float) -> str:
    """Returns a name, without its middle where it is wider: ends tell names apart."""
    front, back = name[: len(name) // 2], name[len(name) // 2 :]
    while text_width(f"{front}…{back}") > width and front + back and text_width(name) > width:
        front, back = (front[:-1], back) if len(front) >= len(back) else (front, back[1:])
    return name if front + back == name else f"{front.rstrip()}…{back.lstrip()}"


def short_names(names: Sequence[str], width: float) -> list[str]:
    """Returns names that are at most so wide: where one is wider, without the words that all begin with, then without
    all that every name has, as long as these tell them apart, then without their middles.
    """
    if len(names) > 1 and any(text_width(name) > width for name in names):
        shared = os.path.commonprefix(list(names))
        shared = shared[: shared.rfind(" ") + 1]
        if any(name[len(shared) :][:1].isdigit() for name in names):  # of `lr 0.1` the number alone says nothing
            shared = shared[: shared.rstrip().rfind(" ") + 1]
        names = [name[len(shared) :] for name in names]
    if any(text_width(name) > width for name in names):
        everywhere = set.intersection(*(set(name.split()) for name in names))
        shorter = [" ".join(word for word in name.split() if word not in everywhere) for name in names]
        are_names = not any(name[:1].isdigit() or not name for name in shorter)
        names = shorter if are_names and len({*shorter}) == len({*names}) else names
    return [fitted_name(name, width) for name in names]
