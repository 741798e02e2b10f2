"""Before the first run: what becomes of a hypothesis, and whether an arm's name in it is a slip."""

import difflib
import re
from collections.abc import Sequence

from dlexp.errors import UserError, plain
from dlexp.report.planned import as_one_against_another, read_hypothesis
from dlexp.report.reading.plan import Plan

# Above that two words are one with a slip: sigmod and sigmoid, not selu and relu, rprop and rmsprop, nadam and adamw.
ALIKE = 0.85


def refuse_misnamed(hypothesis: str, arms: Sequence[str]) -> None:
    """Raises UserError where a hypothesis says which of two is better and one is the slip of an arm's name."""
    problems = [
        f"hypothesis={hypothesis}: there is no arm '{name}'. Did you mean '{meant}'? Arms: {', '.join(arms)}"
        for name in as_one_against_another(hypothesis) or ()
        if (meant := _meant(name, arms)) is not None
    ]
    if problems:
        raise UserError(*problems)


def _meant(name: str, arms: Sequence[str]) -> str | None:
    """Returns the arm that a name is the slip of. What names several arms by what they share (`relu`), another thing
    (`adamw` beside adam) or another number is none.
    """
    words = {word for arm in arms for word in arm.casefold().split()}
    if words.issuperset(name.casefold().split()) or name.casefold() in map(str.casefold, arms):
        return None
    return next((arm for arm in arms if _is_slip(plain(name), plain(arm))), None)


def _is_slip(word: str, arm: str) -> bool:
    if re.findall(r"\d", word) != re.findall(r"\d", arm):
        return False
    if sorted(word) == sorted(arm):
        return True
    return word not in arm and arm not in word and difflib.SequenceMatcher(None, word, arm).ratio() > ALIKE


def in_words(plan: Plan, *, has_folds: bool) -> str:
    """Returns what becomes of the hypothesis of a plan."""
    told = f"hypothesis “{plan.hypothesis}”"
    if has_folds or len(plan.seeds) == 1:
        why = "folds are no seeds" if has_folds else "one seed an arm tells nothing of chance"
        return f"{told}: it stands as typed and is not judged: {why}"
    arms = list(plan.arms)
    read = read_hypothesis(plan.hypothesis or "", arms)
    if read.first is not None:
        return f"{told}: it is judged, {read.first} against {read.second}"
    return (
        f"{told}: it stands as typed and is not judged, since it does not say of two arms which one is better, as"
        f" “{arms[1]} beats {arms[0]}” does"
    )
