"""The values that a sweep's overrides name, as Hydra's grammar has them: `a,b`, `choice(…)`, `range(…)`, `glob(*)`."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from dlexp.config import mistakes, registry
from dlexp.errors import UserError


def axes(overrides: Sequence[str], folders: Sequence[Path]) -> list[list[str]]:
    """Returns for each override all its values, as overrides of one value each.

    Raises:
        UserError: lists every override that can't be read, or that asks for random values, which a grid has none of.
    """
    found: list[list[str]] = []
    problems: list[str] = []
    groups = registry.groups(folders)  # of which glob(*) chooses, a person's own among them
    options: Any = SimpleNamespace(get_group_options=lambda group, **_: groups.get(group, []))
    parser = OverridesParser.create(config_loader=options)
    for word in overrides:
        try:
            (override,) = parser.parse_overrides([word])
            key = override.input_line.partition("=")[0] if override.input_line else override.get_key_element()
            if not override.is_sweep_override():
                found.append([word])
            elif override.is_discrete_sweep():
                found.append([f"{key}={value}" for value in override.sweep_string_iterator()])
                problems += [] if found[-1] else [f"{word} names no value to try"]
            else:
                problems.append(f"{word} names a range of numbers, and a grid needs values: {key}=a,b,c")
        except HydraException as error:
            problems.append(mistakes.sentence(error))
    if problems:
        raise UserError(*problems)
    return found
