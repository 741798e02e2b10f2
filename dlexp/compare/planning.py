"""From a question to its plan: a new one, or the one that was stored when the same was asked before, which stands."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dlexp.compare import tuning
from dlexp.compare.question import SEEDS, TRIALS, Question, key_of
from dlexp.config.composed import Composed
from dlexp.config.words import OF_SWEEPS
from dlexp.errors import UserError, as_typed, listed
from dlexp.records.folder import RECORD
from dlexp.records.naming import OUTPUTS, plain_name
from dlexp.report.plan import PLAN_FILE, Plan, Tuning, read_plan

# What stands once a run is there, by the plan's own name of it and the word that says it.
STANDS = {"margin": "margin", "hypothesis": "hypothesis", "reference": "against", "picture": "picture"}


def new_plan(
    question: Question,
    runs: Mapping[str, Composed],
    cells: Mapping[str, str],
    metric: str,
    spaces: Mapping[str, dict[str, str]],
) -> Plan:
    """Returns the plan of a question that was never asked. runs, cells: of each arm before tuning.

    Raises:
        UserError: two arms are one experiment, or the seed of the trials is among those of the final runs.
    """
    told, names = question.told, list(question.arms)
    first = {cell: name for name, cell in reversed(list(cells.items()))}
    if same := [f"{first[cell]} and {name}" for name, cell in cells.items() if first[cell] != name]:
        raise UserError(f"{listed(same)} are one experiment: they differ in nothing that changes a result")
    seeds = told.get("seeds", SEEDS[:1] if question.folds else SEEDS)
    if spaces and tuning.SEED in seeds:
        raise UserError(f"seed {tuning.SEED} is that of the tuning, and final runs take fresh ones: seeds=1,2,3")
    if question.folds and len(seeds) > 1:
        raise UserError("folds are compared at one seed: seeds=1, or leave data.fold= out to compare over seeds")
    return Plan(
        question=told.get("question"),
        command=question.command,
        arms=question.arms,
        shared=[word for word in question.shared if _is_of_runs(key_of(word), question)],
        reference=told.get("against", names[0]),
        seeds=seeds,
        metric=metric,
        margin=told.get("margin"),
        hypothesis=told.get("hypothesis"),
        size=question.size,
        picture=told.get("picture"),
        tuning=_tuning(question, spaces) if spaces else None,
        runs={},
        trials={},
        looks=[],
        cells=dict(cells),
    )


def _is_of_runs(key: str, question: Question) -> bool:
    """Returns whether a key is one of the final runs: not of the sweep's way, and not tuned."""
    return key not in (*OF_SWEEPS, *question.ranges, "dry_run") and not key.startswith("hydra.")


def _tuning(question: Question, spaces: Mapping[str, dict[str, str]]) -> Tuning:
    return Tuning(
        keys=list(question.ranges),
        spaces=dict(spaces),
        trials=question.told.get("trials", TRIALS),
        sampler=tuning.SAMPLER,
        sampler_seed=tuning.SAMPLER_SEED,
        seed=tuning.SEED,
        widened={},
        chosen={},
        edges={},
    )


def folder_name(question: Question, runs: Sequence[Composed]) -> str:
    """Returns `compare-` and the question's name and size, or what the arms share and what they differ in."""
    if question.name is not None:
        return plain_name(f"compare-{question.name}-{question.size}")
    shared = ["experiment"] if "experiment" in runs[0].choices else ["model", "data"]
    fixed = [runs[0].choices[group] for group in shared if len({run.choices.get(group) for run in runs}) == 1]
    return plain_name("-".join(["compare", *fixed, *question.arms]))


def stored(place: Path | None, plan: Plan) -> tuple[Path, Plan] | None:
    """Returns the folder under outputs/ in which the same was asked before, and the plan in it; None where none is.

    place: the only folder to look in, if one was named.

    Raises:
        UserError: another comparison lies in `place`.
    """
    for file in [place / PLAN_FILE] if place is not None else sorted(OUTPUTS.glob(f"*/{PLAN_FILE}")):
        found = read_plan(file.parent)
        if found is not None and _same(found, plan):
            return file.parent, found
        if place is not None and file.exists():
            asked = f"{listed(list(found.arms))}" if found is not None else "a plan that can't be read"
            raise UserError(f"{place} holds another comparison ({asked}); name another folder with hydra.sweep.dir=")
    return None


def _same(one: Plan, other: Plan) -> bool:
    """Returns whether two plans compare the same arms, tuned in the same ranges."""
    spaces = [
        {plan.cells[arm]: its for arm, its in plan.tuning.spaces.items() if arm in plan.cells} if plan.tuning else {}
        for plan in (one, other)
    ]
    return sorted(one.cells.values()) == sorted(other.cells.values()) and spaces[0] == spaces[1]


def gone_on(folder: Path, old: Plan, new: Plan, question: Question) -> Plan:
    """Returns the stored plan as it goes on: what was planned before the first run stands, and what departs from it is
    noted in it. new: what the words at hand say.
    """
    if not any(folder.glob(f"*/{RECORD}")) and not old.runs:
        return new
    departures = []
    for name, word in STANDS.items():
        planned, now = getattr(old, name), getattr(new, name)
        if word in question.told and planned != now:
            was = "none was planned" if planned is None else f"{as_typed(planned)} was planned"
            departures.append(f"{word}={as_typed(now)} was typed after runs were there; {was}, which stands")
    seeds, looks = old.seeds, old.looks
    if "seeds" in question.told and set(new.seeds) != set(old.seeds):
        more = [seed for seed in new.seeds if seed not in old.seeds]
        if not looks:
            seeds = new.seeds
            departures.append(f"{_seeds(old.seeds)} planned, {_seeds(seeds)} typed before a verdict was shown")
        elif more:
            seeds = [*old.seeds, *more]
            departures.append(f"{_seeds(more)} added after a verdict on {_seeds(looks[-1])} was shown")
        else:
            departures.append(
                f"{_seeds(new.seeds)} typed after a verdict on {_seeds(looks[-1])} was shown, which stands"
            )
    tuned = old.tuning
    if tuned is not None and "trials" in question.told and question.told["trials"] != tuned.trials:
        now = question.told["trials"]
        if tuned.chosen:
            departures.append(f"trials={now} was typed after the settings were chosen from {tuned.trials} an arm")
        else:
            planned = f"{tuned.trials} trial{'s' * (tuned.trials != 1)} an arm planned"
            departures.append(f"{planned}, {now} typed before anything was chosen")
            tuned = replace(tuned, trials=now)
    noted = [*old.departures, *(each for each in departures if each not in old.departures)]
    return replace(old, seeds=seeds, tuning=tuned, departures=noted)


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' * (len(seeds) != 1)} {', '.join(map(str, seeds))}"
