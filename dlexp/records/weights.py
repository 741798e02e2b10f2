"""The weights in a run folder: which file is which, and what stays of a run that has finished."""

import filecmp
import logging
import os
from contextlib import suppress
from pathlib import Path

from dlexp.errors import UserError
from dlexp.records.folder import BEST, LAST, STATES, WEIGHTS, saved_states

log = logging.getLogger(__name__)


def chosen(folder: Path) -> Path:
    """Returns the file of a run's best weights, else of its last ones.

    Raises UserError when there are neither.
    """
    for path in (folder / BEST, folder / LAST):
        if path.exists():
            return path
    raise UserError(f"there are no weights in {folder}: a run with checkpoint.keep=metrics keeps none")


def leave(folder: Path, keep: str, *, has_best: bool) -> None:
    """Removes what a finished run is not to keep; its last weights become one file with the best, if they are the same.

    `keep` is resume: everything stays; best: neither the states nor, if the run `has_best` ones, the last weights;
    metrics: neither states nor weights.
    """
    unwanted = [] if keep == "resume" else saved_states(folder)
    if keep == "metrics":
        unwanted += (folder / WEIGHTS).glob("*.pt")
    elif keep == "best":
        unwanted.append(folder / (LAST if has_best else BEST))
    try:
        for path in unwanted:
            path.unlink(missing_ok=True)
    except OSError as error:
        log.warning(f"warning: {path} could not be removed ({error.strerror or error})")
    for place in (folder / STATES, folder / WEIGHTS):
        with suppress(OSError):  # it is not empty
            place.rmdir()
    with suppress(OSError):  # one of them is gone, or the file system has no links
        _share(folder / BEST, folder / LAST)


def _share(path: Path, other: Path) -> None:
    """Makes `other` a second name of the file `path`, where both hold the same bytes.

    Files are only ever replaced whole, so neither changes with the other; in a copied folder they are two again.
    """
    if path.samefile(other) or not filecmp.cmp(path, other, shallow=False):
        return
    temporary = other.with_name(f".{other.name}.tmp")
    temporary.unlink(missing_ok=True)
    os.link(path, temporary)
    os.replace(temporary, other)
