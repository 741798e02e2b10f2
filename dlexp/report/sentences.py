"""What a report says in words: the verdict first, with its numbers, and never more than they say.

The functions take an `Answer` whose sentences are still missing.
"""

from collections.abc import Iterator, Sequence

from dlexp.console.wording import amount, fixed, in_unit, signed, unit, unit_of_difference
from dlexp.report import statistics
from dlexp.report.answer import Answer, Arm, Difference
from dlexp.report.planned import hypothesis_in_words
from dlexp.report.remarks import remarks
from dlexp.report.shown import subject, what_is_seen
from dlexp.report.verdicts import apart_in_loss, missing_runs
from dlexp.report.words import MOST, counted, few, in_range, p_in_words, there, two_digits, upper, with_value

LOST = "runs of each diverged or failed"


def sentences(answer: Answer) -> list[str]:
    """Returns the answer: the verdict, the numbers it stands on, and what weakens it."""
    if not any(arm.values for arm in answer.arms):
        return ["No run gave a number, so there is nothing to compare.", *_missing(answer), *_weakened(answer)]
    if len(answer.arms) == 1:
        found = _one_arm(answer, answer.arms[0])
    elif answer.folds:
        found = _folds(answer)
    elif max(len(arm.values) for arm in answer.arms) == 1:
        found = _one_run_each(answer)
    else:
        found = _compared(answer)
    return [*found, *_weakened(answer)]


def _one_arm(answer: Answer, arm: Arm) -> list[str]:
    what = subject(answer)
    if len(arm.values) == 1:
        first = f"{arm.name}: {what} {_value(answer, arm.values[0])} in one run."
        return [first, "One run does not show how far another seed would move it.", *_missing(answer)]
    runs = counted(len(arm.values), "fold" if answer.folds else "seed")
    finished = "" if arm.is_whole else " that finished"
    first = f"{arm.name}: {what} {_mean(answer, arm)}, the mean of {runs}{finished}"
    if answer.folds:
        return [
            f"{first}.",
            f"Folds are no seeds: they share training samples, so there is no interval. {_points(answer, arm)}",
        ]
    if arm.std == 0:
        return [f"{first}, identical in every one.", *_missing(answer)]
    interval = ""
    if arm.interval.low is not None:
        ends = arm.interval.low, arm.interval.high
        low, high = (fixed(there(end), answer.facts, answer.decimals_of(*ends)) for end in ends)
        interval = f" (95 % interval {low} to {high})"
    scatter = amount(two_digits(in_unit(there(arm.std), answer.facts)), answer.facts)
    return [
        f"{first}{interval}.",
        f"Nothing is compared: there is one arm. Single runs scatter by {scatter} (standard deviation).",
        *_missing(answer),
    ]


def _folds(answer: Answer) -> list[str]:
    means = "; ".join(with_value(arm.name, _mean(answer, arm)) for arm in answer.arms[:MOST] if arm.values)
    found = [
        f"{upper(subject(answer))}{_direction(answer)}, means over folds and no verdict: {means}.",
        "Folds are no seeds: they share training samples, so their scatter does not tell how sure a difference is.",
    ]
    ahead = [
        f"{each.arm} is ahead of {each.reference} in {each.ahead} of {len(_arm(answer, each.arm).values)} folds"
        for each in answer.differences[:MOST]
        if each.ahead is not None
    ]
    return [*found, *([f"{'; '.join(ahead)}."] if ahead else []), *_missing(answer)]


def _one_run_each(answer: Answer) -> list[str]:
    arms = [arm for arm in answer.arms if arm.values]
    order = ", ".join(with_value(arm.name, _value(answer, arm.values[0])) for arm in arms[:MOST])
    told = upper(subject(answer)) if apart_in_loss(arms, answer.metric) else f"In order of {subject(answer)}"
    return [
        "One run each, so nothing is decided: how far another seed would move these figures is not known.",
        f"{told}{_direction(answer)}: {order}{_rest(len(arms) - MOST)}.",
        *_missing(answer),
    ]


def _compared(answer: Answer) -> list[str]:
    tested = [each for each in answer.differences if each.verdict]
    found = [_headline(answer, answer.differences), _numbers(answer, tested)]
    open_ones = [each for each in tested if each.verdict == "not_decided"]
    found += [_not_decided(answer, open_ones)] if open_ones else []
    if len(answer.arms) > 2 and not apart_in_loss(answer.arms, answer.metric):
        whole = [arm.name for arm in answer.arms if arm.is_whole and arm.values]
        found += (
            [f"By the mean the order is {few(whole, ', ')}; that of neighbours may be chance."]
            if len(whole) > 2
            else []
        )
    return [*found, *_missing(answer)]


def _headline(answer: Answer, differences: Sequence[Difference]) -> str:
    """Returns all verdicts in one sentence, grouped."""
    groups: dict[tuple[object, ...], list[Difference]] = {}
    for each in differences:
        shared = each.reference if answer.reference is not None or answer.pairs else each.arm
        # Why each arm has no verdict is told of each where its runs diverged or failed.
        why = each.why_not if _arm(answer, each.arm).is_whole else LOST
        groups.setdefault((each.verdict, each.below_margin, why, shared), []).append(each)
    order = ["better", "worse", "no_difference", "not_decided", None]
    verdicts = sorted(groups.values(), key=lambda group: order.index(group[0].verdict))
    phrases = [_phrase(answer, group) for group in verdicts[:MOST]]
    phrases += [f"{counted(len(verdicts) - MOST, 'further statement')} in the table"] if len(verdicts) > MOST else []
    found = "; ".join(phrases)
    if not _is_tested(answer):
        return f"{upper(found)}."
    settings = ", at the settings each found" if answer.plan and answer.plan.tuning else ""
    return f"{upper(subject(answer))}{_direction(answer)}{settings}: {found}."


def _phrase(answer: Answer, group: Sequence[Difference]) -> str:
    first = group[0]
    ones, others = (
        list(dict.fromkeys(names)) for names in zip(*[(each.arm, each.reference) for each in group], strict=True)
    )
    is_pair = len(group) == 1
    if first.verdict in ("better", "worse"):
        less = f" by less than {_margin(answer)}" if first.below_margin else ""
        return f"{few(ones)} {'is' if len(ones) == 1 else 'are'} {first.verdict} than {few(others)}{less}"
    between = f" between {ones[0]} and {others[0]}" if is_pair else f": {few(ones)} against {few(others)}"
    if first.verdict == "no_difference":
        of = "of them " if is_pair else ""
        return f"no difference larger than {_margin(answer)}{between}, and which {of}is ahead is not decided"
    if first.verdict == "not_decided":
        return f"not decided{between}"
    return f"no verdict{between} ({first.why_not if len({each.why_not for each in group}) == 1 else LOST})"


def _numbers(answer: Answer, tested: Sequence[Difference]) -> str:
    """Returns means, differences, intervals and p."""
    seeds = {len(arm.values) for arm in answer.arms if arm.values}
    same = next(iter(seeds)) if len(seeds) == 1 else None
    arms = [arm for arm in answer.arms if arm.values and arm.is_whole]
    means = ", ".join(
        with_value(arm.name, _mean(answer, arm)) + (f" ({counted(len(arm.values), 'seed')})" if same is None else "")
        for arm in arms[:MOST]
    )
    of = f"Means of {counted(same, 'seed')} each" if same is not None else "Means"
    if not tested:
        return f"{of} ({subject(answer)}{_direction(answer)}): {means}{_rest(len(arms) - MOST)}."
    found = f"{of}: {means}{_rest(len(arms) - MOST)}."
    corrected = "corrected " if answer.comparisons > 1 else ""
    differences = "; ".join(
        ("" if len(tested) == 1 else f"{each.arm} − {each.reference}: ")
        + _difference(answer, each, corrected, place == 0)
        for place, each in enumerate(tested[:MOST])
    )
    kind = "Difference" if len(tested) == 1 else "Differences"
    return f"{found} {kind}: {differences}{_rest(len(tested) - MOST)}."


def _difference(answer: Answer, each: Difference, corrected: str, is_first: bool) -> str:
    value, low, high = (
        signed(there(number), answer.facts, answer.decimals_of(each.low, each.high))
        for number in (each.value, each.low, each.high)
    )
    interval = f"{corrected}95 % interval " if is_first else ""
    return f"{value}{unit_of_difference(answer.facts)} ({interval}{low} to {high}; {p_in_words(there(each.p))})"


def _not_decided(answer: Answer, open_ones: Sequence[Difference]) -> str:
    """Returns what so many seeds see, and how many would be needed."""
    sizes, seen = what_is_seen(answer)
    rough = "roughly" if sizes[0] <= statistics.SMALL else "about"
    seeds = counted(sizes[0], "seed") if sizes[0] == sizes[-1] else f"{sizes[0]} to {sizes[-1]} seeds"
    smallest = f"differences from {rough} {amount(seen, answer.facts)} on" if seen else "no difference that is possible"
    text = f"{upper(seeds)} an arm see {smallest}"
    gaps = [each for each in open_ones if each.value]
    if gaps:
        known = [each.needed for each in gaps if each.needed is not None]
        many = f"about {in_range(known)}" if known else f"more than {statistics.MOST_SEEDS}"
        many += f" or more than {statistics.MOST_SEEDS}" if known and len(known) < len(gaps) else ""
        text += f"; for {'the one' if len(open_ones) == 1 else 'those'} measured {many} would be needed"
    return f"{text}. “Not decided” does not mean equal."


def _missing(answer: Answer) -> Iterator[str]:
    """Yields what is to be said of arms with failed or diverged runs, and of those that do not scatter."""
    for arm in [arm for arm in answer.arms if not arm.is_whole][:MOST]:
        told = f"{upper(missing_runs(arm))}."
        if len(answer.arms) == 1 and arm.values:
            yield f"{told} What is said is of the others, and flatters it."
        elif arm.values:
            one = len(arm.values) == 1
            rest = "The one that finished has" if one else f"The {len(arm.values)} that finished have on average"
            yield (
                f"{told} {rest} {_mean(answer, arm)}: without the others that flatters {arm.name}, so it ranks behind"
                " arms without such runs."
            )
        else:
            yield told
    whole = [arm for arm in answer.arms if arm.is_whole and arm.values]
    if answer.reference is not None and len(whole) > 1:
        if answer.reference_is == "moved":
            yield f"None was chosen, so all arms are held against {answer.reference}, the first one without failures."
        elif not _arm(answer, answer.reference).is_whole:
            yield f"All arms are held against {answer.reference}; another reference can be named."


def _weakened(answer: Answer) -> Iterator[str]:
    """Yields what makes the numbers say less than they seem to."""
    if answer.num_unfinished:
        runs, verb = counted(answer.num_unfinished, "run"), "is" if answer.num_unfinished == 1 else "are"
        yield f"{upper(runs)} {verb} not at the end and not counted: this is a look in between, no final one."
    if any(len(arm.values) == 2 and arm.interval.low is not None for arm in answer.arms):
        yield "Of two seeds a 95 % interval reaches 12.7 standard errors to each side: a third narrows it to 4.3."
    yield from remarks(answer)
    if answer.exploratory:
        more = " False alarms are more frequent than p and intervals say." if _is_tested(answer) else ""
        yield f"Exploratory: {answer.exploratory}.{more}"
    if answer.plan and answer.plan.hypothesis:
        yield hypothesis_in_words(answer, answer.plan.hypothesis)


def _is_tested(answer: Answer) -> bool:
    return any(each.verdict for each in answer.differences)


def _rest(number: int) -> str:
    return f" and {number} more (see the table)" if number > 0 else ""


def _arm(answer: Answer, name: str) -> Arm:
    return next(arm for arm in answer.arms if arm.name == name)


def _value(answer: Answer, value: float) -> str:
    return f"{fixed(value, answer.facts, answer.decimals)}{unit(answer.facts)}"


def _mean(answer: Answer, arm: Arm) -> str:
    decimals = answer.decimals_of(arm.interval.low, arm.interval.high)
    return f"{fixed(there(arm.interval.mean), answer.facts, decimals)}{unit(answer.facts)}"


def _points(answer: Answer, arm: Arm) -> str:
    return f"They are {', '.join(_value(answer, value) for value in arm.values)}."


def _margin(answer: Answer) -> str:
    return amount(f"{answer.margin:g}", answer.facts)


def _direction(answer: Answer) -> str:
    return "" if answer.facts.higher_is_better else " (lower is better)"
