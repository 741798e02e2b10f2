"""What each arm may tune: its ranges, the trials in them, the best of those, and a range that ended too early."""

import itertools
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from dlexp.compare.question import Question
from dlexp.config import registry
from dlexp.config.axes import axes_of, held_to, hint_of, of_whole
from dlexp.config.composed import Composed
from dlexp.config.meant import setting
from dlexp.config.stored import value_of
from dlexp.errors import UserError, as_typed, closest, listed, to_type
from dlexp.metric import LOSS, read_facts
from dlexp.ranges import Choice, Interval, Range
from dlexp.records.result import loss_of
from dlexp.report.reading.plan import Tuning
from dlexp.search.sequence import distinct, proposals
from dlexp.search.space import Proposal, Space, in_words

log = logging.getLogger(__name__)

SAMPLER, SAMPLER_SEED = "qmc", 0
SEED = 0  # of the trials' runs; those of the final ones begin at 1
FACTOR = 30.0  # a range goes from a thirtieth of the arm's own value to thirty times that
# Settings of torch's optimizers that keep a part of what was: none says that it must stay below 1.
BELOW_ONE = ("momentum", "dampening", "alpha", "rho")

# The settings of an arm with some of them changed: what is wrong with them, if anything.
Problems = Callable[[str, Sequence[str]], list[str]]


def spaces(question: Question, runs: Mapping[str, Composed], problems: Problems) -> dict[str, dict[str, str]]:
    """Returns by arm and by key the range in which it is tuned; runs: what each arm is before that.

    Raises:
        UserError: lists the keys that an arm lacks or that need a range to be typed.
    """
    found: dict[str, dict[str, str]] = {}
    wrong: dict[str, list[str]] = {}  # by what is wrong: the arms
    for arm, run in runs.items():
        found[arm] = {}
        for key, text in question.ranges.items():
            try:
                part = _part(key, text, run)
                found[arm][key] = in_words(part)
                if isinstance(part, Interval):
                    outside = [each for end in ends(part) for each in problems(arm, [f"{key}={end}"])]
                    other = "" if text is not None else f"; type one that fits: {key}=interval(LOW,HIGH)"
                    wrong |= {f"{each} (the range of arm {arm}: {key}={in_words(part)}{other})": [] for each in outside}
            except UserError as error:
                for each in error.problems:
                    wrong.setdefault(f"tune={key}: {each}", []).append(arm)
    if wrong:
        told = {each: f" (in arm {listed(arms)})" if 0 < len(arms) < len(runs) else "" for each, arms in wrong.items()}
        raise UserError(*(f"{each}{where}" for each, where in told.items()))
    return found


def _part(key: str, text: str | None, run: Composed) -> Interval | tuple[str, ...]:
    *parents, name = key.split(".")
    node = value_of(run.config, parents)
    if not isinstance(node, Mapping) or name not in node:
        names = [str(each) for each in node if each != "_target_"] if isinstance(node, Mapping) else []
        near = closest(name, names) if parents and names else None
        meant = ".".join([*parents, near]) if near else None if parents and names else setting(key)
        known = f"; {'.'.join(parents)} has {', '.join(names)}" if parents and names else ""
        raise UserError(f"there is no such setting{f'. Did you mean {meant!r}?' if meant else known}")
    if text is not None:
        return read_range(key, text, run.config)
    value = node[name]
    if type(value) not in (int, float) or not (math.isfinite(value) and value > 0):
        raise UserError(
            f"it is {run.choices.get(key, as_typed(value))} before tuning, from which no range follows; type one, such"
            f" as {to_type(f'{key}={_such_as(key, value, run)}')}"
        )
    if name in BELOW_ONE:
        raise UserError(
            f"it is {as_typed(value)} before tuning and must stay below 1, which a thirtieth to thirty times that does"
            f" not; type a range, such as {key}=interval(0.5,0.99)"
        )
    return held_to(Interval(_short(value / FACTOR), _short(value * FACTOR), is_log=True), key, run.config)


def _such_as(key: str, value: Any, run: Composed) -> str:
    """Returns values that a setting may try, of its own kind: names of options, true and false, words, numbers."""
    if isinstance(value, bool):
        return "true,false"
    if not isinstance(value, str | Mapping):
        return _numbers(key, value, hint_of(key, run.config))
    own = run.choices.get(key, value)
    words = [each.words for each in get_args(hint_of(key, run.config)) if isinstance(each, Choice)]
    names = registry.groups()[key] if key in run.choices else [name for its in words for name in its]
    return f"{own},{next((name for name in names if name != own), '…')}"


def _numbers(key: str, value: Any, hint: Any) -> str:
    """Returns a range that a setting of numbers takes: within its bounds, on a log scale where only 0 bounds it."""
    bounds = _bounds(hint) or Range()
    low = next((each for each in (bounds.ge, bounds.gt) if each is not None), 0)
    high = next((each for each in (bounds.le, bounds.lt) if each is not None), math.inf)
    if of_whole(hint):
        first = max(math.floor(low) + (bounds.gt is not None), 1)
        return f"interval({first},{min(8 * first, high - (bounds.lt is not None)):g})"
    if high < math.inf:  # a share: its lower half, without an end that is none of it
        return f"interval({low + (high - low) / 10 * (bounds.gt is not None):g},{(low + high) / 2:g})"
    if key.rpartition(".")[2] in BELOW_ONE:
        return "interval(0.5,0.99)"
    if isinstance(value, int | float) and value < 0:
        return f"interval({2 * value:g},0)"
    return "tag(log,interval(1e-4,1))" if low <= 0 else f"tag(log,interval({1.1 * low:g},{100 * low:g}))"


def _bounds(hint: Any) -> Range | None:
    """Returns the bounds that a type hint holds, that of `None | Annotated[…]` too."""
    if isinstance(hint, Range):
        return hint
    return next((found for each in get_args(hint) if (found := _bounds(each)) is not None), None)


def _short(value: float) -> float:
    return float(f"{value:.2g}")


def ends(part: Interval) -> tuple[str, str]:
    """Returns the ends of a range as they are typed."""
    low, high = (int(end) if part.is_whole else end for end in (part.low, part.high))
    return as_typed(low), as_typed(high)


def read_range(key: str, text: str, config: Mapping[str, Any]) -> Interval | tuple[str, ...]:
    """Returns a range that stands in Hydra's grammar.

    Raises:
        UserError: it is none, or holds no value of the setting.
    """
    (axis,) = axes_of([f"{key}={text}"], [])
    if axis.interval is not None:
        return held_to(axis.interval, key, config)
    if len(axis.words) < 2:
        told = to_type(f"{key}={_numbers(key, None, hint_of(key, config))}")
        raise UserError(f"{text} is one value; a range is typed {told} or {key}=a,b,c")
    return tuple(word.partition("=")[2] for word in axis.words)


def space(tuning: Tuning, arm: str, config: Mapping[str, Any]) -> Space:
    """Returns the space in which an arm is tuned before any range was widened."""
    return {key: read_range(key, text, config) for key, text in tuning.spaces[arm].items()}


def trials(tuning: Tuning, arm: str, config: Mapping[str, Any]) -> list[Proposal]:
    """Returns what an arm tries, in order; once a range was widened (`further`) also what each arm tries then: one of
    its own where its range did not grow, else what lies in the part that is new.
    """
    own = space(tuning, arm, config)
    wider = tuning.widened.get(arm, {})
    if not wider:
        return proposals(own, tuning.trials + tuning.further, SAMPLER, SAMPLER_SEED)
    new = {
        key: _added(part, read_range(key, wider[key], config)) if key in wider else part for key, part in own.items()
    }
    first = proposals(own, tuning.trials, SAMPLER, SAMPLER_SEED)
    untried = (each for each in distinct(new, SAMPLER, SAMPLER_SEED) if each not in first)
    return [*first, *itertools.islice(untried, tuning.further)]


def _added(old: Interval | tuple[str, ...], new: Interval | tuple[str, ...]) -> Interval:
    """Returns the part of a range that it has grown by; of whole numbers the old end is none of it."""
    assert isinstance(old, Interval) and isinstance(new, Interval)
    step = int(new.is_whole)
    return replace(new, low=old.high + step) if new.high > old.high else replace(new, high=old.low - step)


def equal_trials(asked: int, spaces: Mapping[str, Mapping[str, str]], runs: Mapping[str, Composed]) -> int:
    """Returns how many trials every arm can have: fewer than asked where the space of one has no more points."""
    most = {}
    for arm, ranges in spaces.items():
        own = {key: read_range(key, text, runs[arm].config) for key, text in ranges.items()}
        most[arm] = len(proposals(own, asked, SAMPLER, SAMPLER_SEED))
    least = min(most, key=lambda arm: most[arm])
    if most[least] < asked:
        log.warning(
            f"warning: there are {most[least]} settings of {', '.join(spaces[least])} to try in arm {least}, so every"
            f" arm gets {most[least]} trials, not {asked}"
        )
    return most[least]


def best(reports: Sequence[Mapping[str, Any]]) -> int | None:
    """Returns which of some trials is best in validation, None where none has a number.

    Of equal ones (shares of few samples often are) that with the lower loss, else the first.
    """
    values: dict[int, tuple[float, float]] = {}
    for place, found in enumerate(reports):
        value = found["metrics"].get(found.get("metric", ""))
        if found["status"] == "finished" and value is not None and math.isfinite(value):
            facts = read_facts(found.get("measures", {})).get(found["metric"].partition("/")[2], LOSS)
            values[place] = (value if facts.higher_is_better else -value, -loss_of(found))
    return max(values, key=lambda place: values[place]) if values else None


def widened(part: Interval | tuple[str, ...], side: str) -> Interval | None:
    """Returns a range that goes on at one side by half its own length, of a log range by the root of its factor; None
    where it can't: whole numbers on a log range end at 1, and values to choose from have no side.
    """
    if not isinstance(part, Interval):
        return None
    if part.is_log:
        factor = math.sqrt(part.high / part.low)
        low, high = part.low / factor, part.high * factor
    else:
        length = (part.high - part.low) / 2
        low, high = part.low - length, part.high + length
    if part.is_whole:
        low, high = max(math.floor(low), 1) if part.is_log else math.floor(low), math.ceil(high)
    else:
        low, high = _short(low), _short(high)
    wider = replace(part, high=high) if side == "upper" else replace(part, low=low)
    gains = wider.high > part.high or wider.low < part.low
    return wider if gains and all(map(math.isfinite, (low, high))) and (low > 0 or not part.is_log) else None


def further(trials: int) -> int:
    """Returns how many trials each arm gets besides once a range is widened: as many as half the first ones."""
    return -(-trials // 2)
