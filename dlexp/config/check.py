"""Everything that can be wrong before training, all of it in one go."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from dlexp.config.made_from import MadeFrom, without_what_follows
from dlexp.config.problems import config_problems
from dlexp.errors import UserError


def check(config: Mapping[str, Any], *, is_here: bool = True, made_from: MadeFrom = MappingProxyType({})) -> None:
    """Raises one UserError that lists every problem of a composed config; returns when it can run.

    First what the config alone shows, then (when that is right) the device, and the model's layers at the data's shape.
    `is_here`: it will run on this machine; else nobody knows the device and the free memory yet.
    `made_from`: what settings are made from, so that a mistake is told where it was typed.
    """
    problems = without_what_follows(config_problems(config), made_from)
    if not problems:
        from dlexp.config.rehearsal import rehearse  # torch is needed only from here on

        problems = rehearse(config, is_here)
    if problems:
        raise UserError(*problems)
