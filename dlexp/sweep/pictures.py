"""The pictures of a sweep's arms, in its report's folder and once in TensorBoard: none that has nothing to say."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from dlexp.errors import UserError
from dlexp.pictures.drawing import Drawing
from dlexp.records.folder import EVENTS

REPORT = "report"  # in a sweep's folder
GROUP = "sweep"  # of tags in TensorBoard
# Of curves those over epochs will do here: a sweep's end waits for each picture, and the report draws the others too.
AGAIN = ("curves_steps", "curves_seconds")


def draw_arms(folder: Path) -> None:
    """Draws what the finished runs of a sweep say together; where nothing can be said nothing is drawn."""
    from dlexp.report.figures import pictures
    from dlexp.report.making import make_answer

    try:
        found = {name: each for name, each in pictures(make_answer([folder])).items() if name not in AGAIN}
    except UserError:  # its metrics can't be compared; the report says why
        return
    draw(folder, {name: picture.drawings for name, picture in found.items()})


def draw(folder: Path, found: Mapping[str, Sequence[Drawing]]) -> None:
    """Draws pictures by name, each of drawings side by side, in place of those of an earlier end of the sweep."""
    if not found:
        return
    from dlexp.pictures.canvas import as_figure
    from dlexp.pictures.style import render
    from dlexp.records.event_file import EventFile

    place = folder / REPORT
    place.mkdir(exist_ok=True)
    earlier = list(place.glob(f"{EVENTS}*"))
    events = EventFile(place)
    for name, drawings in found.items():
        png, width, height = render(as_figure(drawings))
        (place / f"{name}.png").write_bytes(png)
        events.image(f"{GROUP}/{name}", png, width, height, step=0)
    events.close()
    for path in earlier:
        with suppress(OSError):  # on Windows TensorBoard may have it open
            path.unlink()
