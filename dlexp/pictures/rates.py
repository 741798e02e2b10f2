"""The picture of a range test: loss against learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dlexp.pictures.style import FAINT, INK, TRAIN, VAL, legend_on_curves, new_plot, shortened, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def learning_rates(
    rates: Sequence[float],
    losses: Sequence[float],
    smooth: Sequence[float],
    name: str,
    steepest: float | None = None,
    lowest: float | None = None,
) -> Figure:
    """Returns loss against learning rate (logarithmic), a value a step; `smooth` is the curve behind the losses.

    steepest, lowest: the rates at which the curve falls fastest and is lowest, which are marked.
    """
    figure, axes = new_plot(6.4, 3.9)
    axes.plot(rates, losses, color=FAINT, linewidth=0.8, alpha=0.7, label="each step")
    axes.plot(rates, smooth, color=TRAIN, label="smoothed")
    if steepest is not None:
        where = min(range(len(rates)), key=lambda step: abs(rates[step] - steepest))
        label = f"falls fastest  {steepest:.2g}"
        axes.axvline(steepest, color=VAL, linewidth=1.2)
        axes.plot([steepest], [smooth[where]], "o", color=VAL, markersize=6, label=label)
    if lowest is not None:
        axes.axvline(lowest, color=INK, lw=1, ls=(0, (1, 2)), label=f"lowest  {lowest:.2g}")
        axes.axvline(lowest / 10, color=INK, lw=1, ls=(0, (5, 3)), label=f"a tenth of that  {lowest / 10:.2g}")
    # What diverges would flatten everything else: the picture ends a little above the beginning.
    early = sorted(losses[: max(5, len(losses) // 4)])
    bottom, top = min(*losses, *smooth), max(early[int(0.95 * (len(early) - 1))], smooth[0])
    room = 0.1 * (top - bottom) or 1.0
    axes.set_ylim(bottom - room, top + 2 * room)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set(xlabel="learning rate", ylabel="training loss")
    axes.set_title(f"Range test of the learning rate: {shortened(name, 40)}")
    axes.grid(axis="y")
    legend_on_curves(axes)
    return figure
