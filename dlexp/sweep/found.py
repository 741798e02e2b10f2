"""What a search found: a row a trial, the best settings as words to type, and what the others say beside them."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from dlexp.console.wording import number
from dlexp.metric import LOSS, Metric, read_facts
from dlexp.ranges import Interval
from dlexp.report.statistics import expected_best
from dlexp.search.settings import Told
from dlexp.search.space import Proposal, edges, typed
from dlexp.sweep.asked import Asked
from dlexp.sweep.trials import Trial, told

Reports = Mapping[Path, dict[str, Any]]
# A numeric setting is told in so many parts of its range.
PARTS = 3


def rows_of(trials: Sequence[Trial], reports: Reports) -> list[tuple[Proposal, dict[str, Any]]]:
    """Returns the rows of a table: for each trial what it tried and how it ended, with the mean over its seeds."""
    return [(trial.proposal, _of_all([reports[folder] for folder in trial.folders])) for trial in trials]


def _of_all(reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if not reports:
        return {"status": "not started", "metrics": {}, "seconds": None, "error": "its settings can't be trained"}
    done = [each for each in reports if each["status"] == "finished"]
    first = next((each for each in reports if each not in done), reports[0])
    if len(reports) == 1:
        return first
    seconds = [each["seconds"] for each in reports if each["seconds"] is not None]
    metrics = {key: _mean([each["metrics"].get(key) for each in reports]) for key in reports[0]["metrics"]}
    whole = len(done) == len(reports)
    return first | {"seconds": sum(seconds) if seconds else None, "metrics": metrics if whole else {}}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if len(known) == len(values) else None


def ranked(trials: Sequence[Trial]) -> list[Told]:
    """Returns the trials that have a value, the best first; of equal ones that with the lower loss, else the first."""
    found = [each for each in map(told, trials) if each.value is not None]
    return sorted(found, key=lambda each: (-(each.value or 0.0), each.loss))


def what_was_found(asked: Asked, trials: Sequence[Trial], finals: Sequence[Trial], reports: Reports) -> Iterator[str]:
    """Yields what there is to say of the trials, and of the whole trainings of the best of them where trials are short.

    Nothing but validation is told: the test set is for what is trained on these words afterwards.
    """
    best, of_trials = ranked(finals or trials), ranked(trials)
    metric, facts = judged_by(reports)
    sign = 1 if facts.higher_is_better else -1

    def shown(value: float) -> str:
        return number(sign * value, facts)

    yield from _counts(trials, "trials", "gave a value")
    yield from _counts(finals, "whole trainings", "finished")
    if not best:
        waiting = any(told(each).state == "running" for each in finals or trials)
        yield "the best is not known yet" if waiting else "no trial gave a value to choose by"
        return
    first = best[0]
    assert first.value is not None
    over = f", the mean over {asked.repeats} runs" if asked.repeats > 1 else ""
    among = f"{len(trials)} trial{'s' * (len(trials) != 1)}{', trained whole' * bool(finals)}"
    yield f"best of {among}: {metric} {shown(first.value)}{over}, with {_words(first.proposal)}"
    if equal := sum(each.value == first.value for each in best) - 1:
        yield f"{equal} more of them reach{'es' * (equal == 1)} the same; of equal ones the lower loss decides"
    yield from _at_edges(asked, trials, first.proposal)
    if len(of_trials) > 1:
        yield "it was chosen for this figure, which is too good by itself: runs with new seeds tell what to expect"
    yield f"train it     python -m dlexp {asked.train_it(first.proposal)}"
    yield f"new seeds    python -m dlexp {asked.on_new_seeds(first.proposal)}"
    length = asked.search.epochs
    after = f", after {length} epoch{'s' * (length != 1)}" if length is not None else ""
    for line in (*_slices(asked, of_trials, shown), *_tuning_curve(asked, trials, shown)):
        yield line.replace(":", f"{after}:", 1)


def judged_by(reports: Reports) -> tuple[str, Metric]:
    """Returns what trials are judged by, and its unit and direction."""
    entry = next((each for each in reports.values() if each.get("metric")), {})
    metric = entry.get("metric", "")
    return metric, read_facts(entry.get("measures", {})).get(metric.partition("/")[2], LOSS)


def _words(proposal: Proposal) -> str:
    return " ".join(f"{key}={value}" for key, value in proposal.items())


def _counts(trials: Sequence[Trial], called: str, did: str) -> Iterator[str]:
    """Yields how many of what is `called` so gave no value, and why."""
    states = [told(each).state for each in trials]
    failed, pruned, waiting = (states.count(state) for state in ("failed", "pruned", "running"))
    parts = [
        f"{count} {word}"
        for count, word in ((failed, "failed"), (pruned, "ended early"), (waiting, "not done"))
        if count
    ]
    if parts:
        yield f"of {len(trials)} {called} {len(ranked(trials))} {did}, {', '.join(parts)}"
    if waiting:
        yield "the same command goes on with what is not done"


def _at_edges(asked: Asked, trials: Sequence[Trial], proposal: Proposal) -> Iterator[str]:
    """Yields which of the best settings lie at an edge of what was tried, beyond which may be better ones."""
    tried = [each.proposal for each in map(told, trials) if each.state != "running"]
    for key, side in edges(asked.space, tried, proposal).items():
        part = asked.space[key]
        assert isinstance(part, Interval)
        low, high = (str(int(end)) if part.is_whole else typed(end) for end in (part.low, part.high))
        at_end = float(proposal[key]) == (part.high if side == "upper" else part.low)
        remedy = "widen it" if at_end else "more trials or a wider one tell"
        yield f"the best {key}={proposal[key]} lies at the {side} edge of what was tried of {low} to {high}: {remedy}"


def _slices(asked: Asked, trials: Sequence[Told], shown: Callable[[float], str]) -> Iterator[str]:
    """Yields for each key the best value in each part of its range, or with each of its values, and of how many."""
    if len(trials) <= PARTS:
        return
    for key, part in asked.space.items():
        groups: dict[str, list[float]] = {}
        for name, inside in _parts(part):
            values = [each.value for each in trials if each.value is not None and inside(each.proposal[key])]
            groups[name] = values
        told = [f"{name} {shown(max(values))} ({len(values)})" for name, values in groups.items() if values]
        if len(told) > 1:
            yield f"best by {key}: {' · '.join(told)}"


def _parts(part: Interval | tuple[str, ...]) -> list[tuple[str, Callable[[str], bool]]]:
    """Returns the parts of a range, equal on its own scale, or its values: the name of each, and what lies in it."""
    if not isinstance(part, Interval):
        return [(value, value.__eq__) for value in part]
    scale, back = (math.log, math.exp) if part.is_log else (float, float)
    low, high = scale(part.low), scale(part.high)
    ends = [back(low + place * (high - low) / PARTS) for place in range(PARTS + 1)]
    ends[0], ends[-1] = part.low, part.high

    def between(place: int) -> Callable[[str], bool]:
        last = place == PARTS - 1
        return lambda word: ends[place] <= float(word) and (last or float(word) < ends[place + 1])

    return [(f"{_short(ends[place])} to {_short(ends[place + 1])}", between(place)) for place in range(PARTS)]


def _short(value: float) -> str:
    return typed(float(f"{value:.2g}"))


def expected(asked: Asked, trials: Sequence[Trial]) -> list[float]:
    """Returns the expected best of 1, 2, … of the trials (see `expected_best`), the higher the better.

    Nothing where they were not drawn regardless of results, or some were ended early. Of those that gave a value: what
    the best of trials is that all fail nobody can say.
    """
    if asked.search.asks_while_running or asked.search.prune != "none":
        return []
    return expected_best([each.value for each in ranked(trials) if each.value is not None], higher_is_better=True)


def _tuning_curve(asked: Asked, trials: Sequence[Trial], shown: Callable[[float], str]) -> Iterator[str]:
    """Yields what fewer trials would have found."""
    best = expected(asked, trials)
    if len(best) < 2:
        return
    counts = [2**power for power in range(len(best).bit_length())]
    values = [f"{count}: {shown(best[count - 1])}" for count in counts]
    valued = " that give a value" if len(ranked(trials)) < len(trials) else ""
    yield f"expected best of so many trials{valued}: {' · '.join(values)}"
