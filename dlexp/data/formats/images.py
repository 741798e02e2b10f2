"""Image files to one tensor in memory."""

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import torch
from torch import Tensor

from dlexp.console.long_step import progress
from dlexp.data.formats.pixels import UnlikeError, are_deep, levels_of_colours, read_alike, reason_of
from dlexp.errors import UserError
from dlexp.ranges import Colour

log = logging.getLogger(__name__)

NUM_NAMED = 3
# What has no more levels than these has lost some.
FEW_LEVELS = 16


def read_images(
    paths: Sequence[str] | Sequence[Path], *, size: int, channels: int, background: Sequence[int]
) -> Tensor:
    """Returns N×channels×size×size, decoded by threads (Pillow releases the interpreter lock).

    uint8, or float32 where values have more than 8 bits.

    background: red, green and blue of what transparent images are laid on; that there were some is said. Raises
    UserError that counts the files that cannot be read and names the first few.
    """
    deep = are_deep(paths)
    images = torch.empty(len(paths), channels, size, size, dtype=torch.float32 if deep else torch.uint8)
    rows = images.numpy()
    failures: dict[int, str] = {}
    transparent, unlike = set[int](), set[int]()

    def fill(index: int) -> None:
        try:
            rows[index], was_transparent = read_alike(
                paths[index], size=size, channels=channels, background=background, deep=deep
            )
            if was_transparent:
                transparent.add(index)
        except UnlikeError:
            unlike.add(index)
        except Exception as error:  # nothing is swallowed: all failures are counted below
            failures[index] = reason_of(error)

    with ThreadPoolExecutor(os.cpu_count()) as pool, progress("Reading images", unit="images") as report:
        for done, _ in enumerate(as_completed([pool.submit(fill, index) for index in range(len(paths))]), 1):
            report(done, len(paths))
    if failures:
        listed = named([(str(paths[index]), failures[index]) for index in sorted(failures)])
        raise UserError(f"{len(failures)} of {len(paths)} images cannot be read: {listed}. Remove or replace them.")
    if unlike:
        odd = sorted(unlike if 2 * len(unlike) <= len(paths) else set(range(len(paths))) - unlike)
        bits, others = ("8 bits", "more") if deep == (2 * len(unlike) <= len(paths)) else ("more than 8 bits", "8")
        first = ", ".join(str(paths[index]) for index in odd[:NUM_NAMED]) + ", …" * (len(odd) > NUM_NAMED)
        raise UserError(
            f"{len(odd)} of {len(paths)} images have values of {bits}, and the other images of {others}: {first}. One"
            " unit is needed for all: convert or remove them."
        )
    tell_transparent(len(transparent), len(paths), background)
    return images


def tell_transparent(count: int, num_images: int, background: Sequence[int], read: str = "") -> None:
    """Says how many images were laid on the background, if any. read: which images were counted, if not all."""
    if count:
        colour = next((name for name, each in Colour.NAMED.items() if each == tuple(background)), str(list(background)))
        log.info(f"{count} of {num_images} images{read} are transparent in places: laid on {colour} (data.background)")


def tell_lost_levels(paths: Sequence[str]) -> None:
    """Warns where so few levels are left of colours of 16 bits that what differed may have become the same."""
    there, left = levels_of_colours(paths)
    if left < there and left <= FEW_LEVELS:
        log.warning(
            f"warning: colours of 16 bits are read as 8: of {there} levels in some of these images {left} are left;"
            " grey of 16 bits is read as it is, else save 8 bits from the lowest value of all images to the highest"
        )


def named(failures: Sequence[tuple[str, str]]) -> str:
    """Returns the first few files that can't be read, each with its reason, and how many more there are."""
    first = "; ".join(f"{path} ({reason})" for path, reason in failures[:NUM_NAMED])
    return first if len(failures) <= NUM_NAMED else f"{first} and {len(failures) - NUM_NAMED} more"
