"""What was planned before the first run, held against what was done: the hypothesis, seeds, and what was asked."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from dlexp.console.wording import amount
from dlexp.report.answer import Answer
from dlexp.report.reading.arms import key_of
from dlexp.report.reading.plan import Plan
from dlexp.report.words import counted, ranges

BETTER = r"beats?|outperforms?|wins against|(?:is|are) better than"
WORSE = r"loses? to|(?:is|are) worse than"


@dataclass(frozen=True)
class Hypothesis:
    """A sentence of the plan. first, second: the arms it names, the one it calls better first; None: not understood."""

    text: str
    first: str | None = None
    second: str | None = None


def read_hypothesis(text: str, names: Sequence[str]) -> Hypothesis:
    """Returns a hypothesis with the two arms it names, where it says nothing but which of them is better."""
    by_name = {name.casefold(): name for name in names}
    arm = "|".join(re.escape(name) for name in sorted(by_name, key=len, reverse=True))
    found = re.fullmatch(rf"\s*({arm})\s+(?:({BETTER})|({WORSE}))\s+({arm})\s*[.!]?\s*", text.casefold())
    if not found or len(by_name) < len(names) or found[1] == found[4]:
        return Hypothesis(text)
    pair = by_name[found[1]], by_name[found[4]]
    return Hypothesis(text, *(pair if found[2] else pair[::-1]))


def as_one_against_another(text: str) -> tuple[str, str] | None:
    """Returns the two names that a hypothesis says which is better of, whether arms have them or not."""
    found = re.fullmatch(rf"\s*(\S.*?)\s+(?:{BETTER}|{WORSE})\s+(.*?\S)\s*?[.!]?\s*", text, re.IGNORECASE)
    return (found[1], found[2]) if found else None


def varied(plan: Plan) -> set[str]:
    """Returns the keys that the arms of a plan differ in, also where runs of one arm alone are there."""
    return {key_of(word) for words in plan.arms.values() for word in words}


def hypothesis_in_words(answer: Answer, text: str) -> str:
    """Returns what became of a hypothesis."""
    read = read_hypothesis(text, [arm.name for arm in answer.arms])
    told = f"Hypothesis “{text}”:"
    margin = "" if answer.margin is None else amount(f"{answer.margin:g}", answer.facts)
    for each in answer.differences:
        if {each.arm, each.reference} == {read.first, read.second}:
            if each.verdict in ("better", "worse"):
                ahead = each.arm if each.verdict == "better" else each.reference
                less = f", by less than {margin}" if each.below_margin else ""
                return f"{told} {'supported' if ahead == read.first else f'contradicted, {ahead} is better'}{less}."
            if each.verdict == "no_difference":
                return f"{told} not supported, no difference is larger than {margin}."
            return f"{told} not decided." if each.verdict else f"{told} no verdict ({each.why_not})."
    example = "".join(f"; “{each.arm} beats {each.reference}” would be judged" for each in answer.differences[:1])
    return f"{told} it stands as typed, since it is not read as one arm against another{example}."


def departure(plan: Plan, seeds: Mapping[str, Collection[int]]) -> str | None:
    """Returns why a result is exploratory: seeds that came after a verdict was shown or are not the planned ones, runs
    whose results may have been seen before the plan.

    seeds: of the runs that are there, by arm.
    """
    return "; ".join(filter(None, [_of_seeds(plan, seeds), _of_known(plan)])) or None


def _of_known(plan: Plan) -> str | None:
    known, runs = (sum(map(len, each.values())) for each in (plan.known, plan.runs))
    verb = "was" if known == 1 else "were"
    return f"{known} of {runs} final runs {verb} there apart from this plan, and may have been seen" if known else None


def _of_seeds(plan: Plan, seeds: Mapping[str, Collection[int]]) -> str | None:
    there = set().union(*seeds.values())
    earlier = [look for look in plan.looks if look and set(look) < there]
    if earlier:
        added = sorted(there - set(earlier[0]))
        return f"{_seeds(added)} came after a verdict from {counted(len(set(earlier[0])), 'seed')} had been shown"
    if extra := sorted(there - set(plan.seeds)):
        return f"{_seeds(extra)} {'was' if len(extra) == 1 else 'were'} not planned"
    if late := sorted(there & set(plan.late)):
        return f"{_seeds(late)} came after final runs had ended"
    if missing := {
        name: sorted(set(plan.seeds) - set(own)) for name, own in seeds.items() if set(plan.seeds) - set(own)
    }:
        told = "; ".join(f"of {name} {_seeds(lacking)}" for name, lacking in missing.items())
        return f"planned runs are missing ({told}), so this is a look before the end"
    return None


def otherwise(plan: Plan, metric: str, against: str | None, margin: float | None) -> str | None:
    """Returns what of a report is not as planned, since it was asked otherwise. against: see `Plan.against`."""
    planned = {"metric": plan.metric, "reference": plan.against, "margin": plan.margin}
    asked = {"metric": metric, "reference": against, "margin": margin}
    told = [
        f"{key} {_said(asked[key])} instead of {_said(planned[key])}" for key in planned if asked[key] != planned[key]
    ]
    return f"this report was asked otherwise than planned ({'; '.join(told)})" if told else None


def _said(value: object) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {ranges(seeds)}"
