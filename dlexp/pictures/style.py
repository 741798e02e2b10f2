"""The look all pictures share: colours that colour-blind people tell apart, one font size, little ink."""

from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from dlexp.pictures.fonts import USUAL, help_out, without_noise
from dlexp.pictures.wrapping import wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")
R = TypeVar("R")

# The eight colours of Okabe and Ito 2008 ("Color Universal Design"), yellow and black replaced by darker ones
# of ours that stay visible as points on a light plane.
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#6A51A3", "#8C6D31"]
# Two more of ours where ten classes have a colour each: CIEDE2000 is 20 and more between any two of the ten.
TWO_MORE = ["#9F0050", "#222222"]
TRAIN, VAL, WRONG, INK, FAINT = "#0072B2", "#D55E00", "#C0392B", "#222222", "#8A8F98"
TITLE_SIZE, NOTE_SIZE = 11, 8.5
DPI = 160
SETTINGS: Any = {
    "font.family": USUAL,
    "font.size": 9.5,
    "text.color": INK,
    "text.parse_math": False,  # a class may be called $5
    "axes.titlesize": TITLE_SIZE,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 9,
    "axes.labelcolor": "#4A4F57",
    "axes.edgecolor": "#B4B9C1",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": False,
    "grid.color": "#E6E8EC",
    "grid.linewidth": 0.8,
    "xtick.color": "#B4B9C1",
    "ytick.color": "#B4B9C1",
    "xtick.labelcolor": "#4A4F57",
    "ytick.labelcolor": "#4A4F57",
    "legend.frameon": False,
    "lines.linewidth": 1.9,
    "lines.solid_capstyle": "round",
    "figure.constrained_layout.h_pad": 0.09,
    "figure.constrained_layout.w_pad": 0.09,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Draws under the shared settings, whatever the person's own matplotlib settings are."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        import matplotlib

        with matplotlib.rc_context(), without_noise():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(SETTINGS)
            return draw(*args, **kwargs)

    return drawn


def new_figure(width: float, height: float) -> Figure:
    """Returns an empty figure of that many inches, with room made for labels by itself."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def new_plot(width: float, height: float) -> tuple[Figure, Axes]:
    """Returns such a figure, and the one pair of axes in it."""
    figure = new_figure(width, height)
    return figure, figure.subplots()


@styled
def noted(figure: Figure, note: str) -> Figure:
    """Returns the figure with a few words below it, on the right, in place of those it had there."""
    note = wrapped(note, 0.98 * figure.get_figwidth(), NOTE_SIZE)
    figure.supxlabel(note, x=0.99, ha="right", fontsize=NOTE_SIZE, color=FAINT)
    return figure


@styled
def render(figure: Figure) -> tuple[bytes, int, int]:
    """Returns the figure as PNG with its width and height in pixels."""
    file = io.BytesIO()
    help_out(figure)
    with warnings.catch_warnings():
        # No installed font has the glyph: a box stands for it, which was said.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from", category=UserWarning)
        figure.savefig(file, format="png", metadata={"Software": None})
    png = file.getvalue()
    return png, *size_of(png)


def size_of(png: bytes) -> tuple[int, int]:
    """Returns width and height of a PNG: its first two numbers after the signature and the name of the header."""
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def class_colours(num_classes: int) -> list[Any]:
    """Returns a colour for each class: the palette of ten, and beyond it evenly spaced hues of two brightnesses."""
    palette = [*COLOURS, *TWO_MORE]
    if num_classes <= len(palette):
        return palette[:num_classes]
    import colorsys

    return [colorsys.hsv_to_rgb(index / num_classes, 0.75, 0.85 if index % 2 else 0.6) for index in range(num_classes)]


def shortened(name: str, length: int) -> str:
    """Returns the name, cut with an ellipsis where it is longer than `length` characters."""
    return name if len(name) <= length else name[: length - 1].rstrip() + "…"


def in_per_cent(axis: Any) -> None:
    """Labels an axis of shares between 0 and 1 in per cent."""
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1.0, symbol=" %", decimals=None))


def legend_on_curves(axes: Axes) -> None:
    """Explains the curves where they leave most room; what it covers shines through."""
    legend = axes.legend(loc="best", fontsize=8.5, handlelength=1.6)
    legend.set_frame_on(True)
    legend.get_frame().set(facecolor="white", edgecolor="none", alpha=0.85)
    axes.tick_params(length=3, color=FAINT)


def bare(axes: Axes) -> None:
    """Takes away ticks and frame, for pictures of pictures."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
