"""Everything that can be wrong before training, all of it in one go."""

from collections.abc import Mapping
from typing import Any

from dlexp.config.problems import config_problems
from dlexp.errors import UserError


def check(config: Mapping[str, Any], *, is_here: bool = True) -> None:
    """Raises one UserError that lists every problem of a composed config; returns when it can run.

    First what the config alone shows, then (when that is right) the device, and the model's layers at the data's shape.
    `is_here`: it will run on this machine; else nobody knows the device and the free memory yet.
    """
    problems = config_problems(config)
    if not problems:
        from dlexp.config.rehearsal import rehearse  # torch is needed only from here on

        problems = rehearse(config, is_here)
    if problems:
        raise UserError(*problems)
