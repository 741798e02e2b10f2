"""What a sweep says before its jobs start: how many are left, which go on, and what is known of those that are done."""

import logging
from collections.abc import Collection, Mapping
from pathlib import Path

from dlexp.config.build import allowed_modules
from dlexp.config.cell import code_version
from dlexp.errors import listed
from dlexp.experiment.identity import Identity
from dlexp.machine.lock_file import is_held
from dlexp.records.folder import LOCK
from dlexp.sweep.ledger import Cell

log = logging.getLogger(__name__)


def in_short(num_jobs: int, num_left: int, folder: Path) -> str:
    """Returns how many jobs there are, how many of them are done, and where."""
    done = f", {num_jobs - num_left} of them done already" if num_left < num_jobs else ""
    return f"{num_jobs} job{'s' * (num_jobs != 1)}{done} → {folder}"


def tell_plan(cells: Mapping[Identity, Cell], todo: Collection[Identity]) -> None:
    """Says which folders go on, which results come from other code, and of which nobody knows.

    cells: those that are not under way. todo: what is left to do.
    """
    finished = {own: each for own, each in cells.items() if own not in todo}
    left = [each for own, each in cells.items() if own in todo]
    begun = [each.folder.name for each in left if each.entry and not is_held(each.folder / LOCK)]
    if begun:
        log.info(f"going on with {', '.join(begun)}")
    changes: dict[str, list[str]] = {}
    for each in left:
        for name, change in each.outdated.items():
            changes.setdefault(change, []).append(name)
    for change, names in changes.items():
        log.warning(f"warning: {change} since {', '.join(names)} ran: trained again beside it; what is there stays")
    code = code_version(allowed_modules())
    older = [each.folder.name for each in finished.values() if each.entry and each.entry.get("code") != code]
    if older:
        log.warning(
            f"warning: other code than today's trained {', '.join(older)}; rerun=true trains all of them again,"
            " in a new folder"
        )
    unknown = [each.folder.name for own, each in finished.items() if own.data is None]
    if unknown:
        log.warning(
            f"warning: the data can't be read here, so nobody knows whether it changed since {listed(unknown)} ran"
        )
