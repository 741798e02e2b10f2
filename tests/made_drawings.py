"""Arms and curves to draw, and what was drawn of them."""

import math
import random
from collections.abc import Sequence

from dlexp.pictures.arm_curves import Curve
from dlexp.pictures.differences import Gap, Row, differences
from dlexp.pictures.drawing import Drawing, Mark, Who

ADAM, SGD = Who("adam", 0, 1), Who("sgd", 1, 0)


def marks(drawing: Drawing, look: str, name: str | None = None) -> list[Mark]:
    return [
        mark for mark in drawing.marks if mark.look == look and (name is None or (mark.arm and mark.arm.name == name))
    ]


def arm(who: Who, values: Sequence[float], half: float | None = 0.2, **more: object) -> Row:
    mean = sum(values) / len(values) if values else None
    ends = (None, None) if half is None or mean is None else (mean - half, mean + half)
    runs = [(f"{who.name}, seed {seed}", value) for seed, value in enumerate(values)]
    return Row(who, runs, mean, *ends, said="said", **more)  # type: ignore[arg-type]


def drawn(arms: Sequence[Row], gaps: Sequence[Gap] = (), **more: object) -> list[Drawing]:
    facts: dict[str, object] = {"axis": "accuracy, %", "gap_axis": "difference", "shift": None}
    return differences(arms, gaps, **(facts | more))  # type: ignore[arg-type]


def curve(who: Who, end: float, points: int = 10, seeds: int = 3, scatter: float = 0.5) -> Curve:
    chance = random.Random(who.name)
    base = [(float(x), end - (end - 10) * math.exp(-x / 2)) for x in range(1, points + 1)]
    runs = [(f"seed {seed}", [(x, y + chance.gauss(0, scatter)) for x, y in base]) for seed in range(seeds)]
    return Curve(who, runs, [(x, y, y - scatter, y + scatter) for x, y in base])
