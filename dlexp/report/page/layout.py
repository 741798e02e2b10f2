"""An answer as one file of HTML: it opens from an e-mail, asks for nothing, and says everything without JavaScript.

What depends on how fast a machine was stands in elements of class `time`; the rest is the same for the same folders.
"""

from collections.abc import Sequence
from pathlib import Path

from dlexp.console.wording import unit
from dlexp.pictures.drawing import markup
from dlexp.pictures.looks import DARK, FONTS, LIGHT, colours, style_sheet, variables
from dlexp.pictures.scales import plain
from dlexp.report.answer import Answer
from dlexp.report.figures.album import pictures
from dlexp.report.figures.picture import Picture
from dlexp.report.page.again import again
from dlexp.report.page.arms import arms, cross_table
from dlexp.report.page.markup import Markup, document, joined, prose, tag
from dlexp.report.page.plan import not_said, planned, tuning
from dlexp.report.page.words import words_explained

HERE = Path(__file__).parent
AXES = ("epochs", "steps", "seconds")


def page(answer: Answer) -> str:
    """Returns the page of an answer."""
    drawn = pictures(answer)
    kind = answer.plan.picture.partition(":")[0] if answer.plan and answer.plan.picture else ""
    learned = _learned(answer, drawn)
    parts = [
        _head(answer),
        learned if kind == "curves" else None,
        *(_figure(drawn[name]) for name in _first(kind) if name in drawn),
        words_explained(answer),
        arms(answer),
        cross_table(answer),
        None if kind == "curves" else learned,
        planned(answer),
        tuning(answer, [_figure(drawn[name]) for name in ("tuning", "tuning_curve") if name in drawn]),
        not_said(answer),
        again(answer),
    ]
    body = joined(Markup(f"\n{part}") for part in parts if part)
    return document(answer.title, _style(), (HERE / "page.js").read_text(encoding="utf-8"), body)


def _style() -> str:
    dark = f"@media screen and (prefers-color-scheme:dark){{:root{{{variables(DARK)}}}}}"
    font = f"body{{font-family:{FONTS}}}"
    sheet = (HERE / "page.css").read_text(encoding="utf-8")
    return "\n".join([f":root{{{variables(LIGHT)}}}", dark, colours(), font, sheet, style_sheet()])


def _first(kind: str) -> list[str]:
    """Returns which pictures stand below the answer: what the question asked for, what shows a setting, the arms."""
    return list(dict.fromkeys([kind, "lines", "map", "differences"]))


def _head(answer: Answer) -> Markup:
    verdict, *more = answer.sentences
    # Of two arms all numbers stand in the answer; of more they would push the picture off the first screen.
    numbers, rest = (more[:1], more[1:]) if len(answer.arms) <= 2 else ([], more)
    return joined(
        [
            tag("h1", answer.title),
            tag("p", tag("code", answer.command), class_="typed") if answer.command else None,
            tag("p", tag("b", prose(verdict)), " " if numbers else None, *map(prose, numbers), class_="answer"),
            tag("p", prose(" ".join(rest)), class_="also") if rest else None,
            tag("p", prose(" ".join([*answer.method, *_scope_in_short(answer)])), class_="method"),
        ]
    )


def _scope_in_short(answer: Answer) -> list[str]:
    shared = ", ".join(f"{key}={value}" for key, value in answer.constant.items())
    return [f"Scope: {shared}; what these runs do not say stands below."] if shared else []


def _figure(picture: Picture) -> Markup:
    drawn = [Markup(markup(drawing)) for drawing in picture.drawings]
    inner = tag("div", *drawn, class_="panels") if len(drawn) > 1 else joined(drawn)
    return tag(
        "figure",
        inner,
        tag("figcaption", picture.caption, class_="cap"),
        class_=None if len(drawn) > 1 else "single",
    )


def _learned(answer: Answer, drawn: dict[str, Picture]) -> Markup | None:
    """Returns curves against epochs, steps and seconds, which radio buttons switch without JavaScript."""
    axes = [axis for axis in AXES if f"curves_{axis}" in drawn]
    reached = _reached(answer)
    if not axes and reached is None:
        return None
    switches, panels = [], []
    for axis in axes:
        chosen = "checked" if axis == axes[0] else None
        switches += [
            tag("input", type="radio", name="x", id=f"x-{axis}", checked=chosen),
            tag("label", axis, for_=f"x-{axis}"),
        ]
        shapes = (Markup(markup(drawing)) for drawing in drawn[f"curves_{axis}"].drawings)
        kind = f"panels v v-{axis}" + (" time" if axis == "seconds" else "")
        panels.append(tag("div", *shapes, class_=kind))
    figure = None
    if axes:
        chooser = tag("span", class_="choose")
        caption = tag("figcaption", prose(drawn[f"curves_{axes[0]}"].caption), class_="cap")
        figure = tag("figure", tag("div", *switches, chooser, *panels, class_="curves"), caption)
    return joined([tag("h2", "How they learned" if len(answer.arms) > 1 else "How it learned"), reached, figure])


def _reached(answer: Answer) -> Markup | None:
    told = [
        joined([prose(counted), tag("span", spent, class_="time") if spent else None])
        for counted, spent in _reached_words(answer)
    ]
    if not told:
        return None
    between = [part for number, each in enumerate(told) for part in ("; " if number else None, each)]
    return tag("p", f"Validation first reached {answer.reach:g}{unit(answer.facts)}: ", *between, ".")


def _reached_words(answer: Answer) -> list[tuple[str, str]]:
    """Returns for each arm when its runs first reached the value of --reach: in epochs and steps, and in seconds."""
    if answer.reach is None:
        return []
    told = []
    for arm in answer.arms:
        there = [each for each in arm.reached if each is not None]
        if not arm.reached:
            told.append((f"{arm.name}: validates nothing", ""))
            continue
        if not there:
            told.append((f"{arm.name}: no run did", ""))
            continue
        epochs, steps, seconds = (_range([each[key] for each in there]) for key in ("epochs", "steps", "seconds"))
        never = len(arm.reached) - len(there)
        missing = f" ({never} of {len(arm.reached)} runs never did)" if never else ""
        told.append((f"{arm.name} in epoch {epochs}, step {steps}{missing}", f" ({seconds} s)"))
    return told


def _range(values: Sequence[float]) -> str:
    low, high = (plain(float(f"{end:.3g}")) for end in (min(values), max(values)))
    return low if low == high else f"{low}–{high}"
