"""`dry_run=true`: what would be trained, and what it would take; nothing is trained, fetched or written for it."""

import itertools
import logging
from collections.abc import Callable, Mapping, Sequence

from dlexp.config.composed import Composed
from dlexp.console.training_progress import estimate
from dlexp.errors import UserError, listed
from dlexp.experiment.identity import Identity
from dlexp.sweep.forecast import Forecast, forecasts
from dlexp.sweep.launchers.launcher import Launcher, is_here
from dlexp.sweep.ledger import Cell, cells_in, find_ledger
from dlexp.sweep.table import in_columns

log = logging.getLogger(__name__)

NOT_LEFT = ("done", "pending", "running")


def tell(
    varied: Sequence[Mapping[str, str]],
    runs: Sequence[Composed],
    identities: Sequence[Identity] = (),
    launcher: Launcher | None = None,
    is_done: Callable[[Cell], bool] = lambda cell: cell.is_done,
    num_more: int = 0,
) -> None:
    """Shows a table of jobs that were composed and checked; a single run has neither identity nor launcher.

    launcher: None where it can't start jobs here. is_done: whether a cell is not to be trained any more. num_more: jobs
    besides, which nobody knows yet and which take about as long each.

    Raises:
        UserError: lists what is wrong with the data of jobs, with those that it concerns.
    """
    states = _states(runs[0], identities, launcher, is_done) if identities else ["to do"] * len(runs)
    expected = forecasts(runs)
    _refuse(varied, expected)
    heads = [*varied[0], "parameters", "steps", "time", "disk", "status"]
    rows = [[*keys.values(), *_cells(each), state] for keys, each, state in zip(varied, expected, states, strict=True)]
    log.info(in_columns([heads, *rows]))
    left = [each for each, state in zip(expected, states, strict=True) if state not in NOT_LEFT]
    log.info(_sum([*left, *itertools.islice(itertools.cycle(expected), num_more)], num_more))
    for doubt in dict.fromkeys(each.doubt for each in expected if each.doubt is not None):
        log.info(f"steps are unknown where {doubt}")
    if any(each.seconds is None and each.steps is not None for each in expected):
        place = " on this machine" if is_here(runs[0].config) else ""
        log.info(f"times are unknown where no finished run under outputs/ had such a model, data and batch size{place}")
    log.info("dry run: nothing was trained, fetched or written")


def _refuse(varied: Sequence[Mapping[str, str]], expected: Sequence[Forecast]) -> None:
    """Raises UserError for jobs whose data is wrong, as they will themselves once they read it."""
    problems: dict[str, list[str]] = {}
    for keys, each in zip(varied, expected, strict=True):
        if each.is_refused and each.doubt is not None:
            problems.setdefault(each.doubt, []).append(" ".join(f"{key}={value}" for key, value in keys.items()))
    where = {told: "" if len(jobs) == len(expected) else f" (in {listed(jobs, 3)})" for told, jobs in problems.items()}
    if problems:
        raise UserError(*(told + where[told] for told in problems))


def _states(
    first: Composed, identities: Sequence[Identity], launcher: Launcher | None, is_done: Callable[[Cell], bool]
) -> list[str]:
    """Returns for each job whether it is done, under way, begun or to do, as ledger and launcher have it."""
    folder = find_ledger(first.sweep_place, identities, anew=first.config["rerun"])
    if folder is None:
        return ["to do"] * len(identities)
    _, cells = cells_in(folder, dict.fromkeys(identities, "job"))
    states = {own: _state(cell, is_done(cell)) for own, cell in cells.items()}
    try:
        underway = launcher.underway([cell.folder for cell in cells.values()]) if launcher else [None] * len(cells)
        states |= {own: state for own, state in zip(cells, underway, strict=True) if state and states[own] != "done"}
    except UserError as error:
        log.warning(f"warning: {error}")
    return [states[own] for own in identities]


def _state(cell: Cell, is_done: bool) -> str:
    """Returns how far a cell is; of data that tells nothing before it is loaded it is not known whether it changed."""
    if cell.entry is not None:
        return "done" if is_done else "begun"
    return f"to do: {next(iter(cell.outdated.values()))}" if cell.outdated else "to do"


def _cells(forecast: Forecast) -> list[str]:
    steps = "?" if forecast.steps is None else f"{'≤ ' * forecast.ends_early}{forecast.steps:,}"
    time = "?" if forecast.seconds is None else estimate(forecast.seconds, 1)
    return [f"{forecast.parameters:,}", steps, time, _in_words(forecast.bytes)]


def _sum(left: Sequence[Forecast], num_more: int) -> str:
    """Returns what the jobs that are left take together, those among them that nobody knows yet."""
    if not left:
        return "nothing is left to do"
    known = [each.seconds for each in left if each.seconds is not None]
    unknown = f", besides {len(left) - len(known)} of unknown length" if known and len(known) < len(left) else ""
    time = f"{estimate(sum(known), 1)} one after the other{unknown}, starts not counted, " if known else ""
    jobs = (
        f"{len(left)} job{'s' * (len(left) != 1)} to do{f', {num_more} of them not proposed yet' if num_more else ''}"
    )
    return f"{jobs}: {time}{_in_words(sum(each.bytes for each in left))} of weights and states"


def _in_words(num_bytes: int) -> str:
    unit, name = next(((u, n) for u, n in ((1e9, "GB"), (1e6, "MB")) if num_bytes >= u), (1e3, "kB"))
    return f"{num_bytes / unit:.1f} {name}"
