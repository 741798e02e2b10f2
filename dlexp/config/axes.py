"""The values that a sweep's overrides name, as Hydra's grammar has them: `a,b`, `choice(…)`, `range(…)`, `glob(*)`."""

from collections.abc import Sequence
from pathlib import Path
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
    parser = OverridesParser.create(config_loader=_Options(folders))  # type: ignore[arg-type]
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


class _Options:
    """What `glob(*)` chooses from: the options of a group, a person's own among them."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._groups = registry.groups(folders)

    def get_group_options(self, group: str, **_: Any) -> list[str]:
        return self._groups.get(group, [])
