"""The space of a search: for each key an interval of numbers or values to choose from, and how a point of it reads."""

import math
import re
from collections.abc import Mapping, Sequence

from dlexp.ranges import Interval

# By key as it is typed: numbers, or the values to choose from as they are typed.
Space = Mapping[str, Interval | tuple[str, ...]]
# What a search tries: a value for each key of the space, as it is typed.
Proposal = dict[str, str]

# A logarithmic interval shows two digits of a number where it spans at least this factor.
DECADE = 10


def point(space: Space, units: Sequence[float]) -> Proposal:
    """Returns the point of a space at these coordinates, each in [0, 1)."""
    return {key: value_at(part, unit) for (key, part), unit in zip(space.items(), units, strict=True)}


def value_at(part: Interval | tuple[str, ...], unit: float) -> str:
    """Returns what lies at a coordinate in [0, 1), as it is typed."""
    if not isinstance(part, Interval):
        return part[int(unit * len(part))]
    low, high = part.low, part.high
    if part.is_whole:  # each whole number has as much room as its neighbours
        low, high = low - 0.5, high + 0.5
    if part.is_log:
        value = math.exp(math.log(low) + unit * (math.log(high) - math.log(low)))
    else:
        value = low + unit * (high - low)
    return shown(part, value)


def shown(part: Interval, value: float) -> str:
    """Returns a number of an interval with two or three digits, as it can be typed again; it stays between the ends."""
    if part.is_whole:
        return str(round(min(max(value, part.low), part.high)))
    if part.is_log and part.high / part.low >= DECADE:
        value = float(f"{value:.1e}")
    else:
        value = round(value, 2 - math.floor(math.log10(part.high - part.low)))
    return typed(min(max(value, part.low), part.high))


def typed(value: float) -> str:
    """Returns a number as people type it: 0.0054, 5.4e-5, 1."""
    return re.sub(r"e([-+])0*", lambda sign: "e" + sign[1].strip("+"), repr(float(value))).removesuffix(".0")


def size(space: Space) -> int | None:
    """Returns how many points a space has; None where an interval of it is not of whole numbers."""
    count = 1
    for part in space.values():
        if isinstance(part, Interval):
            if not part.is_whole:
                return None
            count *= int(part.high) - int(part.low) + 1
        else:
            count *= len(part)
    return count


def edges(space: Space, tried: Sequence[Proposal], chosen: Proposal) -> dict[str, str]:
    """Returns `lower` or `upper` for each number of which nothing beyond the chosen value was tried: nobody knows then
    whether a better one lies there.
    """
    found = {}
    for key, part in space.items():
        if isinstance(part, Interval):
            values = [float(each[key]) for each in tried]
            value = float(chosen[key])
            if value in (min(values), max(values)) and min(values) < max(values):
                found[key] = "upper" if value == max(values) else "lower"
    return found


def in_words(part: Interval | tuple[str, ...]) -> str:
    """Returns a part of a space as it is typed: `tag(log,interval(0.0001,1))`, `sgd,adam`."""
    if not isinstance(part, Interval):
        return ",".join(part)
    ends = (str(int(end)) if part.is_whole else typed(end) for end in (part.low, part.high))
    text = f"interval({','.join(ends)})"
    text = f"int({text})" if part.is_whole else text
    return f"tag(log,{text})" if part.is_log else text
