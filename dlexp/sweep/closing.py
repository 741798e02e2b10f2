"""What a sweep's runs say together: their report beside them, its pictures once in TensorBoard."""

import logging
from contextlib import closing, suppress
from pathlib import Path

from dlexp.errors import UserError
from dlexp.records.folder import EVENTS

log = logging.getLogger(__name__)

GROUP = "sweep"  # of tags in TensorBoard
# Of curves those over epochs will do there.
AGAIN = ("curves_steps", "curves_seconds")


def write_report(folder: Path) -> Path | None:
    """Writes the report of a sweep and returns its page; None where there is nothing to draw, or no place for it."""
    from dlexp.report.figures.album import pictures
    from dlexp.report.making import make_answer
    from dlexp.report.writing import place_of, write

    try:
        answer = make_answer([folder])
        if not pictures(answer):
            return None
        place = place_of([folder], None)
        written = write(answer, place)
    except UserError as error:  # its runs can't be compared, other files stand there, or the disk is full
        log.info(f"no report is drawn: {error}")
        return None
    show([path for path in written if path.suffix == ".png" and path.stem not in AGAIN], place, GROUP)
    return next(path for path in written if path.suffix == ".html")


def show(pictures: list[Path], place: Path, group: str) -> None:
    """Shows pictures of a folder in TensorBoard, in place of those of an earlier end of the sweep.

    group: what stands before their names. Where they can't be written it says so: the runs are there.
    """
    try:
        _show(pictures, place, group)
    except OSError as error:
        log.info(f"TensorBoard shows none of the pictures: {place} can't be written ({error.strerror or error})")


def _show(pictures: list[Path], place: Path, group: str) -> None:
    from dlexp.pictures.style import size_of
    from dlexp.records.event_file import EventFile

    earlier = list(place.glob(f"{EVENTS}*"))
    with closing(EventFile(place)) as events:
        for path in pictures:
            png = path.read_bytes()
            events.image(f"{group}/{path.stem}", png, *size_of(png), step=0)
    for path in earlier:
        with suppress(OSError):  # on Windows TensorBoard may have it open
            path.unlink()
