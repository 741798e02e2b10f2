"""How the shapes of a report look: colours in light and in dark, widths, sizes; as a style sheet and for matplotlib."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# The reference in ink, then blue, vermilion, plum and green; grey with its label from there on. The smallest distance
# among the first four is ΔE 17 in the worst of three simulations of colour blindness (Machado 2009), a sixth brings 1.
LIGHT = {
    "bg": "#fff", "ink": "#1b1b1b", "soft": "#5a5a5a", "rule": "#d4d4d4", "grid": "#ebebeb", "wash": "#ececea",
    "warn": "#9a3412", "c0": "#1b1b1b", "c1": "#0067a8", "c2": "#b34700", "c3": "#8f3f78", "c4": "#00705a",
    "c5": "#5a5a5a",
}  # fmt: skip
DARK = {
    "bg": "#15171a", "ink": "#e8e6e3", "soft": "#a9a9a5", "rule": "#43464b", "grid": "#2a2d31", "wash": "#2b2f35",
    "warn": "#ffa780", "c0": "#f2f0ec", "c1": "#62b5f0", "c2": "#f59a5b", "c3": "#e39cc9", "c4": "#45cba4",
    "c5": "#a9a9a5",
}  # fmt: skip
GREY = 5  # the colour of all arms behind the last one
FONTS = (
    '"Helvetica Neue",Helvetica,Arial,"Liberation Sans","PingFang SC","Microsoft YaHei","Noto Sans CJK SC",'
    '"WenQuanYi Micro Hei",sans-serif'
)


@dataclass(frozen=True)
class Look:
    """What a class of shapes looks like.

    colour: a name of `LIGHT`, or "arm". width: of a stroke. size: of letters, or a dot's radius. halo: letters keep
    clear of what they stand on.
    """

    colour: str
    width: float = 0.0
    filled: bool = False
    opacity: float = 1.0
    dashes: tuple[float, float] | None = None
    size: float = 0.0
    bold: bool = False
    halo: bool = False
    letters: bool = False


LOOKS = {
    "axis": Look("soft", width=1),
    "bar": Look("soft", width=1.2),
    "grid": Look("grid", width=1),
    "zero": Look("soft", width=1, dashes=(2, 4)),
    "margin": Look("wash", filled=True),
    "band": Look("arm", filled=True, opacity=0.16),
    "seed": Look("arm", width=0.8, opacity=0.45),
    "trial": Look("arm", width=1, opacity=0.6),
    "line": Look("arm", width=2.2),
    "over": Look("ink", width=1.6),
    "lead": Look("arm", width=0.8, opacity=0.6),
    "ci": Look("arm", width=1.6),
    "mean": Look("arm", width=3),
    "dot": Look("arm", filled=True, opacity=0.75, size=4.2),
    "ring": Look("arm", width=1.6, size=7.5),
    "tri": Look("arm", filled=True),
    "cross": Look("arm", width=2),
    "cell": Look("c1", filled=True),
    "name": Look("arm", size=14, bold=True, halo=True, letters=True),
    "plain": Look("ink", size=14, halo=True, letters=True),
    "soft": Look("soft", size=13, halo=True, letters=True),
    "warn": Look("warn", size=13, halo=True, letters=True),
    "figure": Look("ink", size=13, letters=True),
    "tick": Look("soft", size=13, letters=True),
}


def style_sheet(alone: bool = False) -> str:
    """Returns the rules of all looks; `alone` for a file without a page around it: with its own colours and font."""
    rules = []
    if alone:
        rules = [f":root{{{variables(LIGHT)}}}", f"svg{{font-family:{FONTS}}}", ".paper{fill:#fff}", colours()]
    for name, look in LOOKS.items():
        colour = "var(--c,var(--ink))" if look.colour == "arm" else f"var(--{look.colour})"
        if look.letters:
            said = f"fill:{colour};font-size:{look.size:g}px" + ";font-weight:600" * look.bold
            if look.halo:
                said += ";paint-order:stroke;stroke:var(--bg);stroke-width:4px;stroke-linejoin:round"
        elif look.filled:
            said = f"fill:{colour}" + f";fill-opacity:{look.opacity:g}" * (look.opacity < 1)
        else:
            said = f"fill:none;stroke:{colour};stroke-width:{look.width:g};stroke-linejoin:round"
            said += f";stroke-opacity:{look.opacity:g}" * (look.opacity < 1)
            if look.dashes:
                said += ";stroke-dasharray:{:g} {:g}".format(*look.dashes)
        rules.append(f"svg .{name}{{{said}}}")
    return "\n".join(rules)


def variables(colours: Mapping[str, str]) -> str:
    """Returns the colours as variables of a style sheet."""
    return ";".join(f"--{name}:{colour}" for name, colour in colours.items())


def colours() -> str:
    """Returns the rules that give whatever is of an arm its colour."""
    return "".join(f".c{number}{{--c:var(--c{number})}}" for number in range(GREY + 1))
