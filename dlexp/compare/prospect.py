"""Before the first run: how many trainings, how long they take, and what can be seen with that many seeds."""

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dlexp.compare import tuning
from dlexp.config.cell import essentials
from dlexp.config.composed import Composed
from dlexp.console.training_progress import estimate
from dlexp.console.wording import in_unit, unit_of_difference
from dlexp.errors import UserError, listed
from dlexp.find.trial import attempt
from dlexp.machine.cores import usable_cores
from dlexp.machine.device import select_device
from dlexp.machine.memory import available_bytes
from dlexp.metric import Metric
from dlexp.records.naming import OUTPUTS
from dlexp.records.run_json import is_diverged, read_entry
from dlexp.report.planned import read_hypothesis
from dlexp.report.reading.plan import Plan
from dlexp.report.statistics import Sample, visible, visible_in_deviations
from dlexp.report.verdicts import DATA_SEED, SPLIT
from dlexp.sweep.forecast import PACE, Forecast, finished_runs, forecasts
from dlexp.sweep.launchers.launcher import is_here

log = logging.getLogger(__name__)


def counts(plan: Plan, num_folds: int) -> tuple[int, int]:
    """Returns how many trials, and how many final runs, a plan has in all."""
    trials = sum(map(len, plan.trials.values()))
    if plan.tuning is not None:
        each = plan.tuning.trials + plan.tuning.further
        trials = max(trials, len(plan.arms) * each)
    return trials, len(plan.arms) * len(plan.seeds) * max(1, num_folds)


def in_words(plan: Plan, num_folds: int) -> Iterator[str]:
    """Yields what a plan has trained, and what it does with it."""
    trials, finals = counts(plan, num_folds)
    arms = f"{len(plan.arms)} arms ({'; '.join(plan.arms)})"
    if plan.tuning is not None:
        keys = ", ".join(plan.tuning.keys)
        yield (
            f"{arms} × {_count(plan.tuning.trials, 'trial')} of {keys} on validation, the test set sealed, then × "
            f"{_count(len(plan.seeds), 'seed')}: {trials + finals} trainings"
        )
        for arm, ranges in plan.tuning.spaces.items():
            yield f"  {arm}: {' '.join(f'{key}={text}' for key, text in ranges.items())}"
        if any("interval(" in text for ranges in plan.tuning.spaces.values() for text in ranges.values()):
            more = _count(tuning.further(plan.tuning.trials), "more trial")
            yield f"up to {more} an arm where a best value lies at an edge of what was tried"
    elif num_folds:
        yield f"{arms} × {num_folds} folds: {finals} trainings"
    else:
        yield f"{arms} × {_count(len(plan.seeds), 'seed')}: {finals} trainings"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"


def seconds_of(runs: Mapping[str, Composed]) -> tuple[dict[str, float | None], bool]:
    """Returns how long a run of each arm takes: as runs before it did, else its steps alone, as a few that are tried
    now say; and whether any is of the latter kind.

    None where neither is possible: the data is not there yet, jobs run elsewhere, or they compile first.
    """
    expected = forecasts(list(runs.values()))
    paces: dict[str, float | None] = {}
    found: dict[str, float | None] = {}
    for (name, run), forecast in zip(runs.items(), expected, strict=True):
        found[name] = forecast.seconds
        if (
            forecast.seconds is None
            and forecast.steps is not None
            and is_here(run.config)
            and not run.config["compile"]
        ):
            pace = json.dumps([run.config["data"], *(run.config[key] for key in PACE)], sort_keys=True, default=str)
            if pace not in paces:
                paces[pace] = _seconds_a_batch(run)
            found[name] = _seconds(run, forecast, paces[pace])
    return found, bool(paces)


def _seconds_a_batch(run: Composed) -> float | None:
    config = {**run.config, "threads": run.config["threads"] or max(1, usable_cores() // run.config["n_jobs"])}
    on_cpu = config["device"] == "cpu" or (config["device"] == "auto" and select_device("auto").type == "cpu")
    try:
        tried = attempt(config, config["batch_size"], int(available_bytes()) if on_cpu else None)
    except UserError:  # the run itself tells
        return None
    return tried.batch_size / tried.samples_per_second if tried is not None else None


def _seconds(run: Composed, forecast: Forecast, each: float | None) -> float | None:
    if each is None or forecast.steps is None:
        return None
    return forecast.steps * int(run.config["accumulate"]) * each


def time_in_words(missing: int, seconds: Mapping[str, float | None], *, steps_alone: bool, at_once: int) -> str:
    """Returns how long so many trainings take. steps_alone: by the pace of a few steps, not as earlier runs took."""
    if None in seconds.values():
        unknown = [name for name, each in seconds.items() if each is None]
        return f"how long it takes is not known: no run of {listed(unknown)} has finished here yet"
    each = sum(filter(None, seconds.values())) / len(seconds)
    rounds = -(-missing // at_once)
    besides = " of steps, as a few just took, besides start and evaluation of each" * steps_alone
    return f"{estimate(each * rounds, 1)}{besides}{f'; {at_once} run at a time' if at_once > 1 else ''}"


def visible_in_words(plan: Plan, runs: Mapping[str, Composed], facts: Metric, num_folds: int) -> str:
    """Returns the smallest difference that so many seeds show."""
    n, comparisons = len(plan.seeds), _num_comparisons(plan)
    if num_folds:
        return "folds are no seeds: means and points come out, and no verdict"
    if n == 1:
        return "warning: one seed an arm tells nothing of chance: no interval and no verdict; seeds=5 gives both"
    told = f"{n} seeds an arm show differences"
    scatter = pilot_scatter(plan, runs) if plan.tuning is None else None
    in_pairs = (
        "; that is of Welch's test, and the report takes the paired one, which sees smaller ones where the runs of a"
        " pair go together"
    ) * _are_paired(runs)
    if scatter is None:
        deviations = f"{visible_in_deviations(n, comparisons):.1f} standard deviations of a run"
        found = "; how far runs scatter at the settings found shows only then" * (plan.tuning is not None)
        return f"{told} from {deviations} on, 8 times in 10{found}{in_pairs}"
    one = Sample(n, 0.0, scatter**2)
    least = visible(one, one, comparisons)
    assert least is not None
    shown = f"{in_unit(least, facts):.2g}{unit_of_difference(facts)}"
    return f"{told} from {shown} on, 8 times in 10, if runs scatter as earlier ones did{in_pairs}"


def _are_paired(runs: Mapping[str, Composed]) -> bool:
    """Returns whether the seed draws the data of all arms, so that the report compares pairs of a seed."""
    drawn = [{key for key in (SPLIT, DATA_SEED) if run.follows.get(key) == "seed"} for run in runs.values()]
    return bool(drawn and set.intersection(*drawn))


def _num_comparisons(plan: Plan) -> int:
    """Returns how many differences are judged: of each arm from its reference, and one of a hypothesis about others."""
    compared = set(plan.pairs.items()) or {(arm, plan.reference) for arm in plan.arms if arm != plan.reference}
    told = read_hypothesis(plan.hypothesis, list(plan.arms)) if plan.hypothesis else None
    pair = (told.first, told.second) if told and told.first and told.second else None
    return len(compared) + int(pair is not None and pair not in compared and pair[::-1] not in compared)


def pilot_scatter(plan: Plan, runs: Mapping[str, Composed]) -> float | None:
    """Returns the standard deviation over seeds of runs of these arms that are there already; None without any."""
    squares, degrees = 0.0, 0
    for run in runs.values():
        own = essentials({**run.config, "seed": None})
        values: dict[int, float] = {}
        for earlier in finished_runs(OUTPUTS, run.choices["model"], run.choices["data"]):
            value = earlier.entry["metrics"].get(plan.metric)
            if value is not None and essentials({**earlier.config, "seed": None}) == own:
                values[earlier.config["seed"]] = value
        mean = math.fsum(values.values()) / max(1, len(values))
        squares += sum((value - mean) ** 2 for value in values.values())
        degrees += max(0, len(values) - 1)
    return math.sqrt(squares / degrees) if degrees and squares else None


def is_read_in_tuning(plan: Plan, runs: Mapping[str, Composed]) -> bool:
    """Returns whether trials may train on samples of a final test set: the seed divides the data, and theirs is another
    one. Whether the data brings its test set shows when it is read.
    """
    if plan.tuning is None or not plan.metric.startswith("test/"):
        return False
    divided = [run for run in runs.values() if run.follows.get(SPLIT) == "seed"]
    # What a data_seed draws has a test set that is drawn too, and divided off nothing.
    return any(run.config["data"].get("test_size") and "data_seed" not in run.config["data"] for run in divided)


def num_there(plan: Plan, folder: Path) -> int:
    """Returns how many trainings of a stored plan are over, as their records tell."""
    seeds = {str(seed) for seed in plan.seeds}
    finals = [name for its in plan.runs.values() for seed, name in its.items() if seed.partition(" ")[0] in seeds]
    trials = [name for its in plan.trials.values() for name in its]
    is_tuned = plan.tuning is not None and plan.tuning.is_over  # then a trial that failed is not tried again
    entries = [read_entry(folder / name) for name in (finals if is_tuned else [*finals, *trials])]
    over: int = sum(each is not None and (each["status"] == "finished" or is_diverged(each)) for each in entries)
    return over + len(trials) * is_tuned


def tell(plan: Plan, runs: Mapping[str, Composed], facts: Metric, folds: Sequence[str], there: int) -> None:
    """Says what a plan takes and shows. there: how many of its trainings are there already."""
    for line in in_words(plan, len(folds)):
        log.info(line)
    if is_read_in_tuning(plan, runs):
        log.warning(
            "warning: with data.split_seed=${seed} each seed has a test set of its own where data.test_size divides it"
            " off, so the trials train and choose on samples of these, which flatters the arms; one data.split_seed for"
            " all, such as 0, keeps it sealed"
        )
    missing = sum(counts(plan, len(folds))) - there
    if missing <= 0:
        log.info("nothing of it is missing")
        return
    seconds, steps_alone = seconds_of(runs)
    first = next(iter(runs.values())).config
    at_once = first["n_jobs"] if is_here(first) else 1
    told = time_in_words(missing, seconds, steps_alone=steps_alone, at_once=at_once)
    log.info(f"{told}, for the {missing} that are missing" if there else told)
    log.info(visible_in_words(plan, runs, facts, len(folds)))
