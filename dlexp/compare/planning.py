"""From a question to its plan: a new one, or the one that was stored when the same was asked before, which stands."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dlexp.compare import tuning
from dlexp.compare.question import SEEDS, TRIALS, Question
from dlexp.compare.said import key_of
from dlexp.config.composed import Composed
from dlexp.config.words import OF_SWEEPS
from dlexp.errors import UserError, as_typed, listed
from dlexp.records.folder import RECORD
from dlexp.records.naming import OUTPUTS, plain_name
from dlexp.records.run_json import recorded
from dlexp.report.reading.plan import PLAN_FILE, Plan, Tuning, read_plan

log = logging.getLogger(__name__)

# What stands once a run is there, by the plan's own name of it and the word that says it.
STANDS = {
    "question": "question",
    "margin": "margin",
    "hypothesis": "hypothesis",
    "against": "against",
    "picture": "picture",
    "lines": "lines",
}

ENDS = ("finished", "failed")  # of a run that gave its result


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
    told = question.told
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
        reference=question.reference,
        seeds=seeds,
        metric=metric,
        margin=told.get("margin"),
        hypothesis=told.get("hypothesis"),
        size=question.size,
        picture=told.get("picture"),
        tuning=_tuning(question, spaces, runs) if spaces else None,
        runs={},
        trials={},
        looks=[],
        cells=dict(cells),
        folds=question.folds,
        pairs=question.pairs,
        lines=told.get("lines", {}),
    )


def _is_of_runs(key: str, question: Question) -> bool:
    """Returns whether a key is one of the final runs: not of the sweep's way, and not tuned."""
    return key not in (*OF_SWEEPS, *question.ranges, "dry_run") and not key.startswith("hydra.")


def _tuning(question: Question, spaces: Mapping[str, dict[str, str]], runs: Mapping[str, Composed]) -> Tuning:
    return Tuning(
        keys=list(question.ranges),
        spaces=dict(spaces),
        trials=tuning.equal_trials(question.told.get("trials", TRIALS), spaces, runs),
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

    place: the only folder to look in, if one was named; else the newest plan is taken, as one that began anew.

    Raises:
        UserError: another comparison lies in `place`.
    """
    files = [place / PLAN_FILE] if place is not None else sorted(OUTPUTS.glob(f"*/{PLAN_FILE}"))
    for file in sorted(files, key=_age):
        found = read_plan(file.parent)
        if found is not None and _same(found, plan):
            return file.parent, found
        if place is not None and file.exists():
            asked = f"{listed(list(found.arms))}" if found is not None else "a plan that can't be read"
            raise UserError(f"{place} holds another comparison ({asked}); name another folder with hydra.sweep.dir=")
    return None


def _age(file: Path) -> float:
    return -file.stat().st_mtime if file.exists() else 0.0


def _same(one: Plan, other: Plan) -> bool:
    """Returns whether two plans compare the same arms, tuned in the same ranges, over the same folds."""
    spaces = [
        {plan.cells[arm]: its for arm, its in plan.tuning.spaces.items() if arm in plan.cells} if plan.tuning else {}
        for plan in (one, other)
    ]
    is_same = sorted(one.cells.values()) == sorted(other.cells.values()) and spaces[0] == spaces[1]
    return is_same and sorted(one.folds) == sorted(other.folds)


def gone_on(folder: Path, old: Plan, new: Plan, question: Question) -> Plan:
    """Returns the stored plan as it goes on: what was planned before the first run stands, and what departs from it is
    noted in it. new: what the words at hand say.

    Raises:
        UserError: fewer trials are typed than were tried before anything was chosen.
    """
    found = (folder / name / RECORD for its in old.trials.values() for name in its)  # some may lie elsewhere
    if not any(folder.glob(f"*/{RECORD}")) and not old.runs and not any(file.is_file() for file in found):
        return new
    departures = []
    for name, word in STANDS.items():
        planned, now = getattr(old, name), getattr(new, name)
        if word in question.typed and planned != now:
            was = "none was planned" if planned is None else f"{as_typed(planned)} was planned"
            departures.append(f"{word}={as_typed(now)} was typed after runs were there; {was}, which stands")
    seeds, late, first = old.seeds, old.late, old.first_seeds
    if "seeds" in question.typed and set(new.seeds) != set(old.seeds):
        when = (
            f"after a verdict on {told_seeds(old.looks[-1])} was shown" if old.looks else "after final runs had ended"
        )
        more = [seed for seed in new.seeds if seed not in old.seeds]
        if not old.looks and not _has_ended(folder, old):
            seeds, first = new.seeds, old.planned_seeds
            departures.append(
                f"{told_seeds(old.seeds)} planned, {told_seeds(seeds)} typed before a final run had ended"
            )
        elif more:
            seeds, late = [*old.seeds, *more], [*late, *more]
            departures.append(f"{told_seeds(more)} added {when}")
        else:
            log.info(f"{told_seeds(new.seeds)} typed {when}: the plan stands, with {told_seeds(old.seeds)}")
    tuned = old.tuning
    now = new.tuning.trials if new.tuning is not None else 0
    if tuned is not None and "trials" in question.typed and now != tuned.trials:
        if tuned.chosen:
            departures.append(f"trials={now} was typed after the settings were chosen from {tuned.trials} an arm")
        elif now < (tried := _num_tried(folder, old)):
            raise UserError(
                f"trials={now} leaves out results that may have been seen, since {tried} an arm were tried already;"
                f" trials={tried} or more goes on"
            )
        else:
            planned = f"{tuned.trials} trial{'s' * (tuned.trials != 1)} an arm"
            planned += " typed" if tuned.first_trials else " planned"
            departures.append(f"{planned}, {now} typed before anything was chosen")
            tuned = replace(tuned, trials=now, first_trials=tuned.planned_trials)
    for each in departures:
        log.warning(f"warning: {each}")
    noted = [*old.departures, *(each for each in departures if each not in old.departures)]
    is_more = (seeds, tuned) != (old.seeds, old.tuning)
    command = new.command if is_more else old.command  # that which ends in the plan as it is now
    return replace(old, command=command, seeds=seeds, late=late, first_seeds=first, tuning=tuned, departures=noted)


def _num_tried(folder: Path, plan: Plan) -> int:
    """Returns how many of the trials planned for each arm gave a result, of the arm that is farthest."""
    ended = (
        number
        for names in plan.trials.values()
        for number, name in enumerate(names[: plan.tuning.trials if plan.tuning else 0], start=1)
        if recorded(folder / name / RECORD, "status") in ENDS
    )
    return max(ended, default=0)


def _has_ended(folder: Path, plan: Plan) -> bool:
    """Returns whether a final run gave its result: a report may have shown it before a verdict was."""
    names = [name for its in plan.runs.values() for name in its.values()]
    return any(recorded(folder / name / RECORD, "status") in ENDS for name in names)


def told_seeds(seeds: Sequence[int]) -> str:
    """Returns `seed 1` or `seeds 1, 2`."""
    return f"seed{'s' * (len(seeds) != 1)} {', '.join(map(str, seeds))}"
