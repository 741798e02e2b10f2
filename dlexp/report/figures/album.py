"""Which pictures an answer has, with their captions: none that has nothing to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlexp.pictures.drawing import as_svg
from dlexp.report.answer import Answer
from dlexp.report.figures.differences import difference_picture
from dlexp.report.figures.learning import curve_pictures
from dlexp.report.figures.picture import Picture
from dlexp.report.figures.settings import setting_pictures, tuning_pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figures(answer: Answer) -> dict[str, Figure]:
    """Returns an answer's pictures by the name of their file, for files of pixels."""
    from dlexp.pictures.canvas import as_figure

    return {name: as_figure(picture.drawings) for name, picture in pictures(answer).items()}


def vector_figures(answer: Answer) -> dict[str, str]:
    """Returns the same pictures as SVG."""
    return {name: as_svg(picture.drawings) for name, picture in pictures(answer).items()}


def pictures(answer: Answer) -> dict[str, Picture]:
    """Returns the pictures by name, that of the answer first."""
    curves = {f"curves_{name}": picture for name, picture in curve_pictures(answer).items()}
    found = {"differences": difference_picture(answer), **setting_pictures(answer), **curves, **tuning_pictures(answer)}
    return {name: picture for name, picture in found.items() if picture is not None}
