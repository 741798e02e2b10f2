"""What a number or a word may be, written in the signature: `width: Annotated[int, Range(ge=1)]`."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Range:
    """Bounds of a number; a bound that is None does not bind."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None

    def problem(self, value: Any) -> str | None:
        """Returns what is wrong with `value` ("must be ≥ 1"), or None."""
        fits = (
            (self.ge is None or value >= self.ge)
            and (self.gt is None or value > self.gt)
            and (self.le is None or value <= self.le)
            and (self.lt is None or value < self.lt)
        )
        return None if fits else f"must be {self}"

    def __str__(self) -> str:
        bounds = (("≥", self.ge), (">", self.gt), ("≤", self.le), ("<", self.lt))
        return " and ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)


class Choice:
    """The words a parameter may take."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def problem(self, value: Any) -> str | None:
        """Returns what is wrong with `value`, or None."""
        return None if value in self.words else f"must be one of {self}"

    def __str__(self) -> str:
        return ", ".join(self.words)


class One:
    """The number 1, where null is the other choice."""

    def problem(self, value: Any) -> str | None:
        """Returns what is wrong with `value`, or None."""
        return None if value == 1 else "must be 1 or null"


class Sizes:
    """A list of at least one size, each at least 1, or null where it differs."""

    def problem(self, value: Any) -> str | None:
        """Returns what is wrong with `value`, or None."""
        fits = value and all(size is None or size >= 1 for size in value)
        return None if fits else "must be a list of sizes ≥ 1, such as [3,32,32]"


class Centres:
    """At least two points, all of as many numbers."""

    def problem(self, value: Any) -> str | None:
        """Returns what is wrong with `value`, or None."""
        if len(value) > 1 and len({len(each) for each in value}) == 1 and value[0]:
            return None
        return "must list a point for each of at least two classes, all of as many numbers, such as [[-2,-2],[2,2]]"


class Ends:
    """A lowest and a highest number."""

    def problem(self, value: Any) -> str | None:
        """Returns what is wrong with `value`, or None."""
        return None if len(value) == 2 and value[0] < value[1] else "must be two numbers, such as [0,4095]"


class Colour:
    """A colour by name, or as [red,green,blue] from 0 to 255."""

    NAMED = {"white": (255, 255, 255), "grey": (128, 128, 128), "black": (0, 0, 0)}

    def problem(self, value: Any) -> str | None:
        """Returns what is wrong with `value`, or None."""
        if isinstance(value, str):
            fits = value in self.NAMED
        else:
            fits = len(value) == 3 and all(0 <= each <= 255 for each in value)
        return None if fits else f"must be {', '.join(self.NAMED)} or [red,green,blue] with values from 0 to 255"


@dataclass(frozen=True)
class Interval:
    """Numbers from `low` to `high`, both among them, for a search: even in their logarithm, or whole."""

    low: float
    high: float
    is_log: bool = False
    is_whole: bool = False


class Incidental:
    """Marks a setting that changes no result: where things lie, how much is shown or saved, what runs at once."""


class Later:
    """Marks a setting that came when there were runs already: null is as if it weren't there, so that theirs stay."""


class OfSweeps:
    """Marks a setting that says how a sweep goes: a single run has nothing to do with it."""
