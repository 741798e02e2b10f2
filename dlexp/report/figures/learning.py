"""How arms learned: their curves against epochs, steps and seconds, and when they reached a value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dlexp.metric import LOSS, Metric
from dlexp.pictures.arm_curves import MOST_ARMS, Curve, Window, arm_curves, thinned, window, worth_drawing
from dlexp.pictures.drawing import Drawing, Who
from dlexp.pictures.looks import GREY
from dlexp.pictures.scales import plain
from dlexp.report.answer import Answer, Arm
from dlexp.report.figures.picture import Picture, first_arms, who
from dlexp.report.reading.numbers import number_in, seconds_in
from dlexp.report.reading.runs import Run
from dlexp.report.shown import shown_metric
from dlexp.report.verdicts import interval_of

MOST_SEEDS = 20  # thin lines of an arm
# What x can be, and what stands below the axis.
AXES = {"epochs": "epochs", "steps": "optimizer steps", "seconds": "seconds of training and validation"}


class Moment(NamedTuple):
    """A run after an epoch. epoch, step: counted from 1; seconds: of training and validation until then."""

    epoch: float
    step: float
    seconds: float | None
    value: float


def moments(run: Run, key: str, scale: float) -> list[Moment]:
    """Returns the values of a metric after each epoch that has one."""
    found, seconds = [], 0.0
    for row in run.epochs:
        seconds += seconds_in(row)
        value = number_in(row, key)
        if value is not None:
            found.append(Moment(row["epoch"], row["step"], seconds, scale * value))
    return found


def curve_pictures(answer: Answer) -> dict[str, Picture]:
    """Returns curves of the metric that chose the epoch and of the loss, by what they are against; {} where none says
    anything: of single epochs, or where all arms have the same curve."""
    arms = [arm for arm in first_arms(answer, MOST_ARMS) if arm.runs]
    drawn: dict[str, list[Drawing]] = {axis: [] for axis in AXES}
    cuts: list[str] = []
    every = 1
    for key, metric in _metrics(answer).items():
        scale = 100.0 if metric.unit == "%" else 1.0
        by_arm = [(who(answer)[arm.name], arm, [(run, moments(run, key, scale)) for run in _runs(arm)]) for arm in arms]
        curves = {axis: [_curve(*each, axis) for each in by_arm] for axis in AXES}
        curves = {axis: [curve for curve in each if curve.mean] for axis, each in curves.items()}
        if not worth_drawing(curves["epochs"]):
            continue
        every = max(every, thinned(curves["epochs"]))
        words = shown_metric(key, metric)
        seen = window(curves["epochs"], share=metric.unit == "%")
        for axis, below in AXES.items():
            if axis != "seconds" or _times_are_known(curves[axis]):
                drawn[axis].append(
                    arm_curves(curves[axis], seen, axis=words.axis, below=below, whole=axis != "seconds")
                )
        cuts += _cut(seen, words.name, " %" if metric.unit == "%" else "")
    caption = " ".join([_caption(answer, arms, every), *cuts])
    return {axis: Picture(drawings, caption) for axis, drawings in drawn.items() if drawings}


def _metrics(answer: Answer) -> dict[str, Metric]:
    """Returns what has curves: the compared metric in validation, else in training, and the loss beside it."""
    runs = [run for arm in answer.arms for run in arm.runs]
    rows = [run.epochs[-1] for run in runs if run.epochs][:MOST_ARMS]
    name = answer.metric.partition("/")[2]
    found: dict[str, Metric] = {}
    for wanted, metric in ((name, answer.facts), ("loss", LOSS)):
        keys = (f"{split}/{wanted}" for split in ("val", "train"))
        if key := next((key for key in keys if any(key in row for row in rows)), None):
            found.setdefault(key, metric)
    return found


def _runs(arm: Arm) -> list[Run]:
    ended = [run for run in arm.runs if run.is_ended]
    return ended[:: -(-len(ended) // MOST_SEEDS) or 1]


def _curve(look: Who, arm: Arm, runs: Sequence[tuple[Run, list[Moment]]], axis: str) -> Curve:
    """Returns an arm's lines. The mean is of the finished runs, at the epochs that all of them have."""
    finished = {id(run) for run in arm.finished}
    place = list(AXES).index(axis)
    seeds = [
        (f"{arm.name}, seed {run.seed}", [(moment[place] or 0.0, moment.value) for moment in found])
        for run, found in runs
        if found
    ]
    whole = [{moment.epoch: moment for moment in found} for run, found in runs if id(run) in finished and found]
    whole = whole or [{moment.epoch: moment for moment in found} for _, found in runs if found]
    shared = sorted(set.intersection(*(set(each) for each in whole))) if whole else []
    mean = []
    for epoch in shared:
        at = [each[epoch] for each in whole]
        interval = interval_of([moment.value for moment in at])
        x = sum(moment[place] or 0.0 for moment in at) / len(at)
        mean.append((x, interval.mean or 0.0, interval.low, interval.high))
    return Curve(look, seeds, mean)


def _times_are_known(curves: Sequence[Curve]) -> bool:
    return all(curve.mean[-1][0] > 0 for curve in curves)


def _cut(seen: Window, name: str, unit: str) -> Iterator[str]:
    sides = [("below", seen.low, seen.below), ("above", seen.high, seen.above)]
    told = [f"{side} {plain(float(f'{end:.3g}'))}{unit}" for side, end, cut in sides if cut]
    if told:
        yield f"Lines of {name} leave the picture {' and '.join(told)}, so that one sees where the arms differ."


def _caption(answer: Answer, arms: Sequence[Arm], every: int) -> str:
    several = any(len(arm.finished) > 1 for arm in arms)
    told = ["A line is one run."]
    if several:
        shade = "Thick line and shade: mean and 95 % interval after each epoch, not corrected"
        told = ["Thin lines: single runs.", f"{shade}, to look at rather than to test."]
    if every > 1:
        told.append(f"Of {every} epochs one is drawn, and the last.")
    if len(arms) > GREY + 1 and any(who(answer)[arm.name].colour == GREY for arm in arms):
        told.append("Of arms in grey the means alone.")
    if len(arms) < len(answer.arms):
        told.append(f"Drawn are {len(arms)} of {len(answer.arms)} arms, the best ones and the reference.")
    if any(len([run for run in arm.runs if run.is_ended]) > MOST_SEEDS for arm in arms):
        told.append(f"Of each arm at most {MOST_SEEDS} runs are drawn, and the mean is of these.")
    if any(not arm.is_whole for arm in arms):
        told.append("Means are of the finished runs alone; lines of the others end where they failed.")
    return " ".join(told)
