"""What a sweep may try, from its words in Hydra's grammar: values of a key, or an interval of numbers."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep
from hydra.errors import HydraException

from dlexp.config import mistakes, registry
from dlexp.config.build import target
from dlexp.config.hinted import hints_of, value_problem
from dlexp.config.problems import COMMON
from dlexp.config.schema import CheckpointSettings, Settings
from dlexp.config.stored import value_of
from dlexp.errors import UserError
from dlexp.ranges import Interval

GRAMMAR = "tag(log,interval(LOW,HIGH)), interval(LOW,HIGH) or int(interval(LOW,HIGH))"


@dataclass(frozen=True)
class Axis:
    """What one word names: `key=value` for each of its values, or the interval of a search; then `words` is empty."""

    word: str
    key: str  # as typed, `+` before it too
    words: list[str]
    interval: Interval | None = None


def axes(overrides: Sequence[str], folders: Sequence[Path]) -> list[list[str]]:
    """Returns for each override of a grid all its values (`a,b`, `choice(…)`, `range(…)`, `glob(*)`), one in each.

    Raises:
        UserError: lists every override that can't be read, or that names an interval, of which a grid has no values.
    """
    found, problems = _read(overrides, folders)
    intervals = [
        f"{axis.word} names a range of numbers, and a grid needs values: {axis.key}=a,b,c; or add search=qmc"
        " trials=16, which tries numbers of it"
        for axis in found
        if axis.interval is not None
    ]
    if intervals or problems:
        raise UserError(*intervals, *problems)
    return [axis.words for axis in found]


def axes_of(overrides: Sequence[str], folders: Sequence[Path]) -> list[Axis]:
    """Returns what each override names, intervals as they stand there (see `held_to`).

    Raises:
        UserError: lists every override that can't be read, that names no value, or an interval without numbers.
    """
    found, problems = _read(overrides, folders)
    if problems:
        raise UserError(*problems)
    return found


def _read(overrides: Sequence[str], folders: Sequence[Path]) -> tuple[list[Axis], list[str]]:
    groups = registry.groups(folders)  # of which glob(*) chooses, a person's own among them
    options: Any = SimpleNamespace(get_group_options=lambda group, **_: groups.get(group, []))
    parser = OverridesParser.create(config_loader=options)
    found: list[Axis] = []
    problems: list[str] = []
    for word in overrides:
        try:
            (override,) = parser.parse_overrides([word])
            key = override.input_line.partition("=")[0] if override.input_line else override.get_key_element()
            value = override.value()
            if not override.is_sweep_override():
                found.append(Axis(word, key, [word]))
            elif isinstance(value, IntervalSweep):
                found.append(Axis(word, key, [], _interval(value, word)))
            elif any(isinstance(each, IntervalSweep) for each in getattr(value, "list", ())):
                problems.append(f"{word} mixes a range of numbers with values; take the one or the others")
            else:
                truths = {each.lower(): each for each in re.findall(r"\b(?:true|false)\b", word, re.IGNORECASE)}
                values = map(str, override.sweep_string_iterator())  # True and False for whatever was typed
                words = [f"{key}={truths.get(value.lower(), value)}" for value in values]
                problems += [] if words else [f"{word} names no value to try"]
                found.append(Axis(word, key, words))
        except UserError as error:
            problems += error.problems
        except HydraException as error:
            unread = f"{word} can't be read; a range of numbers is {word.partition('=')[0]}={GRAMMAR}"
            problems.append(unread if "interval(" in word else mistakes.sentence(error))
    return found, problems


def _interval(found: IntervalSweep, word: str) -> Interval:
    """Returns the numbers of an interval. Raises UserError where there are none."""
    low, high, tags = found.start, found.end, set(found.tags)
    assert low is not None and high is not None
    if tags - {"log"}:
        raise UserError(f"{word}: of tags only log is known, {word.partition('=')[0]}={GRAMMAR}")
    if not (math.isfinite(low) and math.isfinite(high)):
        raise UserError(f"{word} has no end; both must be finite numbers")
    if low >= high:
        raise UserError(f"{word} holds no numbers: the lower end comes first, and must be below the upper one")
    if tags and low <= 0:
        raise UserError(f"{word} begins at {low:g}, which has no logarithm: with log both ends must be above 0")
    return Interval(low, high, is_log=bool(tags), is_whole=isinstance(low, int) and isinstance(high, int))


def held_to(interval: Interval, key: str, config: Mapping[str, Any]) -> Interval:
    """Returns an interval as a setting of a composed config takes it: of whole numbers where it takes no others.

    Raises:
        UserError: no whole number lies in it.
    """
    if not interval.is_whole and not is_whole(key, config):
        return interval
    low, high = math.ceil(interval.low), math.floor(interval.high)
    if low >= high:
        raise UserError(
            f"{key} takes whole numbers, and from {interval.low:g} to {interval.high:g} there are not two of them"
        )
    return replace(interval, low=low, high=high, is_whole=True)


def is_whole(key: str, config: Mapping[str, Any]) -> bool:
    """Returns whether a setting takes whole numbers alone, as the schema or the signature of its function says."""
    return of_whole(hint_of(key, config))


def of_whole(hint: Any) -> bool:
    """Returns whether a type hint takes whole numbers alone."""
    return hint is not None and "a whole number" in (value_problem(0.5, hint) or "")


def hint_of(key: str, config: Mapping[str, Any]) -> Any:
    """Returns the type that the schema or the signature of its function gives a setting; None where there is none."""
    *parents, name = key.lstrip("+").split(".")
    node = value_of(config, parents)
    schemas: list[Any] = [{(): Settings, ("checkpoint",): CheckpointSettings}.get(tuple(parents))]
    schemas += [COMMON.get(parents[0])] if len(parents) == 1 else []
    if isinstance(node, dict) and "_target_" in node:
        try:
            schemas.append(target(node["_target_"]))
        except UserError:  # the check tells
            return None
    hints = {each: hint for schema in schemas if schema is not None for each, hint in hints_of(schema).items()}
    return hints.get(name)
