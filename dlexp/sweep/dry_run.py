"""`dry_run=true`: what would be trained, how long it would take and what it would keep; nothing is done for it.

Nothing is trained, fetched or written. The time is a guess from earlier runs under outputs/ (see `earlier`).
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from dlexp.config.composed import Composed
from dlexp.console.training_progress import estimate
from dlexp.errors import UserError
from dlexp.experiment.identity import Identity
from dlexp.machine.device import select_device
from dlexp.records.naming import OUTPUTS
from dlexp.sweep import size
from dlexp.sweep.earlier import Earlier, finished_runs, this_machine
from dlexp.sweep.launchers.launcher import Launcher, is_here
from dlexp.sweep.ledger import Cell, cells_in, find_ledger
from dlexp.sweep.table import in_columns

log = logging.getLogger(__name__)

NOT_LEFT = ("done", "pending", "running")


@dataclass(frozen=True)
class Forecast:
    """What a run would take; None: nobody knows before it runs. doubt: why its steps are not known."""

    parameters: int
    steps: int | None
    ends_early: bool  # patience, or what is learnt by heart, may end it before all steps
    seconds: float | None
    bytes: int
    doubt: str | None


def tell(
    varied: Sequence[Mapping[str, str]],
    runs: Sequence[Composed],
    identities: Sequence[Identity] = (),
    launcher: Launcher | None = None,
) -> None:
    """Shows a table of jobs that were composed and checked; a single run has neither identity nor launcher.

    launcher: None where it can't start jobs here.
    """
    states = _states(runs[0], identities, launcher) if identities else ["to do"] * len(runs)
    forecasts = _forecasts(runs)
    heads = [*varied[0], "parameters", "steps", "time", "disk", "status"]
    rows = [[*keys.values(), *_cells(each), state] for keys, each, state in zip(varied, forecasts, states, strict=True)]
    log.info(in_columns([heads, *rows]))
    log.info(_sum([each for each, state in zip(forecasts, states, strict=True) if state not in NOT_LEFT]))
    for doubt in dict.fromkeys(each.doubt for each in forecasts if each.doubt is not None):
        log.info(f"steps are unknown where {doubt}")
    if any(each.seconds is None and each.steps is not None for each in forecasts):
        place = " on this machine" if is_here(runs[0].config) else ""
        log.info(f"times are unknown where no finished run under outputs/ had such a model, data and batch size{place}")
    log.info("dry run: nothing was trained, fetched or written")


def _states(first: Composed, identities: Sequence[Identity], launcher: Launcher | None) -> list[str]:
    """Returns for each job whether it is done, under way, begun or to do, as ledger and launcher have it."""
    folder = find_ledger(first.sweep_place, identities, anew=first.config["rerun"])
    if folder is None:
        return ["to do"] * len(identities)
    _, cells = cells_in(folder, dict.fromkeys(identities, "job"))
    states = {own: _state(cell) for own, cell in cells.items()}
    try:
        underway = launcher.underway([cell.folder for cell in cells.values()]) if launcher else [None] * len(cells)
        states |= {own: state for own, state in zip(cells, underway, strict=True) if state and states[own] != "done"}
    except UserError as error:
        log.warning(f"warning: {error}")
    return [states[own] for own in identities]


def _state(cell: Cell) -> str:
    """Returns how far a cell is; of data that tells nothing before it is loaded it is not known whether it changed."""
    if cell.entry is not None:
        return "done" if cell.is_done else "begun"
    return f"to do: {next(iter(cell.outdated.values()))}" if cell.outdated else "to do"


def _forecasts(runs: Sequence[Composed]) -> list[Forecast]:
    """Returns what each run would take; data and earlier runs that several of them share are looked at once."""
    samples: dict[str, int | UserError] = {}
    earlier: dict[tuple[str, str], list[Earlier]] = {}
    found = []
    for run in runs:
        data, pair = run.config["data"], (run.choices["model"], run.choices["data"])
        if pair not in earlier:
            earlier[pair] = list(finished_runs(OUTPUTS, *pair))
        if repr(data) not in samples:
            samples[repr(data)] = _num_samples(data, earlier[pair])
        found.append(_forecast(run, samples[repr(data)], earlier[pair]))
    return found


def _num_samples(data: Mapping[str, Any], earlier: Sequence[Earlier]) -> int | UserError:
    try:
        return size.num_training_samples(data)
    except UserError as error:
        known = (each.num_train for each in earlier if each.config["data"] == data)
        return next((count for count in known if count), error)


def _forecast(run: Composed, samples: int | UserError, earlier: Sequence[Earlier]) -> Forecast:
    config, model = run.config, size.skeleton(run.config)
    steps = seconds = None
    if isinstance(samples, int):
        steps, epochs = size.num_steps(config, samples)
        seconds = _seconds(run, steps, -(-epochs // config["val_every"]), earlier)
    return Forecast(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        steps=steps,
        ends_early=config["patience"] is not None or config["overfit_batches"] is not None,
        seconds=seconds,
        bytes=size.num_bytes(config, model, seconds),
        doubt=str(samples) if isinstance(samples, UserError) else None,
    )


def _seconds(run: Composed, steps: int, num_validations: int, earlier: Sequence[Earlier]) -> float | None:
    """Returns the time at the pace of the longest earlier run of this kind; jobs of a cluster may have run anywhere."""
    alike = [each for each in earlier if each.has_pace_of(run.config)]
    if is_here(run.config):
        device = select_device(run.config["device"])
        here = this_machine(torch.cuda.get_device_name(device) if device.type == "cuda" else None)
        alike = [each for each in alike if each.machine == here]
    alike.sort(key=lambda each: each.num_steps, reverse=True)
    return next((found for each in alike if (found := each.seconds(steps, num_validations)) is not None), None)


def _cells(forecast: Forecast) -> list[str]:
    steps = "?" if forecast.steps is None else f"{'≤ ' * forecast.ends_early}{forecast.steps:,}"
    time = "?" if forecast.seconds is None else estimate(forecast.seconds, 1)
    return [f"{forecast.parameters:,}", steps, time, _in_words(forecast.bytes)]


def _sum(left: Sequence[Forecast]) -> str:
    """Returns what the jobs that are left take together."""
    if not left:
        return "nothing is left to do"
    known = [each.seconds for each in left if each.seconds is not None]
    unknown = f", besides {len(left) - len(known)} of unknown length" if known and len(known) < len(left) else ""
    time = f"{estimate(sum(known), 1)} one after the other{unknown}, " if known else ""
    jobs = f"{len(left)} job{'s' * (len(left) != 1)} to do"
    return f"{jobs}: {time}{_in_words(sum(each.bytes for each in left))} of weights and states"


def _in_words(num_bytes: int) -> str:
    unit, name = next(((u, n) for u, n in ((1e9, "GB"), (1e6, "MB")) if num_bytes >= u), (1e3, "kB"))
    return f"{num_bytes / unit:.1f} {name}"
