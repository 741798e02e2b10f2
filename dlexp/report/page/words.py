"""What the words of a page mean: of the terms, those it uses."""

from collections.abc import Iterator

from dlexp.report.answer import Answer
from dlexp.report.page.markup import Markup, tag
from dlexp.report.statistics import LEVEL
from dlexp.report.verdicts import PAIRED, WELCH


def words_explained(answer: Answer) -> Markup | None:
    """Returns the terms with their meaning, closed; None where there is none."""
    terms = [part for term, meaning in _terms(answer) for part in (tag("dt", term), tag("dd", meaning))]
    return tag("details", tag("summary", "What these words mean"), tag("dl", *terms)) if terms else None


def _terms(answer: Answer) -> Iterator[tuple[str, str]]:
    tests = {each.test for each in answer.differences if each.test}
    yield (
        "arm, seed",
        "An arm is one of the things compared. The seed is the number that fixes chance: starting weights, order of the"
        " samples, dropout. The same arm with another seed ends at another value, so one run alone decides nothing.",
    )
    if any(arm.interval.low is not None for arm in answer.arms):
        yield (
            "95 % interval",
            "A range found by a procedure that, over many repetitions of the whole experiment, covers the true value in"
            " 95 of 100. It is wide when few seeds were run or when they scatter.",
        )
    if WELCH in tests:
        yield (
            "Welch’s t-test",
            "Asks whether two means differ by more than the scatter of their seeds explains, without assuming that both"
            " arms scatter equally.",
        )
    if PAIRED in tests:
        yield (
            "paired t-test",
            "Compares two arms within each seed, which gives both the same data or the same start, and asks whether"
            " these differences lie farther from 0 than their scatter explains.",
        )
    if tests:
        yield (
            "p",
            "How often chance alone would show a difference at least this large if there were none. Below 0.05 counts"
            " as a difference.",
        )
        yield from _of_verdicts(answer)


def _of_verdicts(answer: Answer) -> Iterator[tuple[str, str]]:
    count = answer.comparisons
    if count > 1:
        yield (
            "Bonferroni correction",
            f"{count} comparisons give chance {count} opportunities. Each interval is therefore drawn wider"
            f" ({_per_cent(1 - LEVEL / count)} instead of 95 %) and each p multiplied by {count}, so that a false"
            " alarm among all of them happens in about 5 of 100 repetitions at most.",
        )
    ruled = "corrected interval" if count > 1 else "interval"
    meaning = f"Better or worse: the {ruled} leaves out 0. "
    if answer.margin is not None:
        level = _per_cent(1 - 2 * LEVEL / count)
        meaning += (
            f"No difference larger than {answer.margin:g}: the difference is shown to be smaller than the margin (two"
            f" one-sided tests{', corrected in the same way' if count > 1 else ''}: the {level} interval lies"
            " within the margin). Not decided: neither. That is no evidence that the arms are equal."
        )
    else:
        meaning += "Not decided: it contains 0. That is no evidence that the arms are equal."
    yield "the verdicts", meaning


def _per_cent(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0") + " %"
