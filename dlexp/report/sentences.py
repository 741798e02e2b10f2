"""What a report says in words: the verdict first, with its numbers, and never more than they say.

The functions take an `Answer` whose sentences are still missing.
"""

from collections.abc import Iterator, Sequence

from dlexp.console.wording import TRAINED_ON, fixed, in_unit, signed, unit, unit_of_difference
from dlexp.report import statistics
from dlexp.report.answer import Answer, Arm, Difference
from dlexp.report.verdicts import missing_runs, read_hypothesis

MOST = 6  # arms or comparisons told one by one; the table has all
SPLITS = {"val": "validation", "train": "training", TRAINED_ON: "training samples’"}
WORDS = "no one two three four five six seven eight nine ten".split()


def sentences(answer: Answer) -> list[str]:
    """Returns the answer: the verdict, the numbers it stands on, and what weakens it."""
    told = [each for arm in answer.arms for each in arm.values]
    if not told:
        return [f"No run gave a {subject(answer)}.", *_without_numbers(answer)]
    if len(answer.arms) == 1:
        found = _one_arm(answer, answer.arms[0])
    elif answer.folds:
        found = _folds(answer)
    elif max(len(arm.values) for arm in answer.arms) == 1:
        found = _one_run_each(answer)
    else:
        found = _compared(answer)
    return [*found, *_weakened(answer)]


def subject(answer: Answer) -> str:
    """Returns what is compared, such as `test accuracy`."""
    split, _, name = answer.metric.rpartition("/")
    return f"{SPLITS.get(split, split)} {answer.facts.title or name.replace('_', ' ')}".strip()


def _one_arm(answer: Answer, arm: Arm) -> list[str]:
    what = subject(answer)
    if len(arm.values) == 1:
        first = f"{arm.name}: {what} {_value(answer, arm.values[0])} in one run."
        return [first, "One run does not show how far another seed would move it.", *_without_numbers(answer)]
    runs = f"{counted(len(arm.values), 'fold' if answer.folds else 'seed')}"
    first = f"{arm.name}: {what} {_mean(answer, arm)}, the mean of {runs}"
    if answer.folds:
        return [
            f"{first}.",
            f"Folds are no seeds: they share training samples, so there is no interval. {_points(answer, arm)}",
        ]
    if arm.std == 0:
        return [f"{first}, identical in every one.", *_without_numbers(answer)]
    low, high = (fixed(end or 0.0, answer.facts, answer.decimals) for end in (arm.interval.low, arm.interval.high))
    scatter = f"{two_digits(in_unit(arm.std or 0.0, answer.facts))}{unit_of_difference(answer.facts)}"
    return [
        f"{first} (95 % interval {low} to {high}).",
        f"Nothing is compared: there is one arm. Single runs scatter by {scatter} (standard deviation).",
        *_without_numbers(answer),
    ]


def _folds(answer: Answer) -> list[str]:
    means = "; ".join(f"{arm.name} {_mean(answer, arm)}" for arm in answer.arms[:MOST] if arm.values)
    found = [
        f"Means over folds, and no verdict: {means}.",
        "Folds are no seeds: they share training samples, so their scatter does not tell how sure a difference is.",
    ]
    ahead = [
        f"{each.arm} is ahead of {each.reference} in {each.ahead} of {counted(len(_arm(answer, each.arm).values), 'fold')}"
        for each in answer.differences[:MOST]
        if each.ahead is not None
    ]
    return [*found, *([f"{'; '.join(ahead)}."] if ahead else []), *_without_numbers(answer)]


def _one_run_each(answer: Answer) -> list[str]:
    arms = [arm for arm in answer.arms if arm.values]
    order = ", ".join(f"{arm.name} {_value(answer, arm.values[0])}" for arm in arms[:MOST])
    return [
        "One run each, so nothing is decided: how far another seed would move these figures is not known.",
        f"In order of {subject(answer)}{_direction(answer)}: {order}{_rest(len(arms) - MOST)}.",
        *_without_numbers(answer),
    ]


def _compared(answer: Answer) -> list[str]:
    tested = [each for each in answer.differences if each.verdict]
    found = [_headline(answer, answer.differences), _numbers(answer, tested)]
    open_ones = [each for each in tested if each.verdict == "not_decided"]
    found += [_not_decided(answer, open_ones)] if open_ones else []
    if len(answer.arms) > 2:
        whole = [arm.name for arm in answer.arms if arm.is_whole and arm.values]
        found += (
            [f"By the mean the order is {few(whole, ', ')}; that of neighbours may be chance."]
            if len(whole) > 2
            else []
        )
    return [*found, *_without_numbers(answer)]


def _headline(answer: Answer, differences: Sequence[Difference]) -> str:
    """Returns all verdicts in one sentence, grouped."""
    groups: dict[tuple[object, ...], list[Difference]] = {}
    for each in differences:
        shared = each.reference if answer.reference is not None else each.arm
        groups.setdefault((each.verdict, each.below_margin, each.why_not, shared), []).append(each)
    order = ["better", "worse", "no_difference", "not_decided", None]
    verdicts = sorted(groups.values(), key=lambda group: order.index(group[0].verdict))
    phrases = [_phrase(answer, group) for group in verdicts[:MOST]]
    phrases += [f"{counted(len(verdicts) - MOST, 'further statement')} in the table"] if len(verdicts) > MOST else []
    found = "; ".join(phrases)
    if any(each.verdict for each in differences) and answer.plan and answer.plan.tuning:
        return f"At the settings each found, {found}."
    return f"{found[0].upper() if found.startswith(('no ', 'not ')) else found[0]}{found[1:]}."


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
    return f"no verdict{between} ({first.why_not})"


def _numbers(answer: Answer, tested: Sequence[Difference]) -> str:
    """Returns means, differences, intervals and p."""
    seeds = {len(arm.values) for arm in answer.arms if arm.values}
    same = next(iter(seeds)) if len(seeds) == 1 else None
    arms = [arm for arm in answer.arms if arm.values and arm.is_whole]
    means = ", ".join(
        f"{arm.name} {_mean(answer, arm)}" + (f" ({counted(len(arm.values), 'seed')})" if same is None else "")
        for arm in arms[:MOST]
    )
    of = f"means of {counted(same, 'seed')} each" if same is not None else "means"
    found = f"{upper(subject(answer))}{_direction(answer)}, {of}: {means}{_rest(len(arms) - MOST)}."
    if not tested:
        return found
    corrected = "corrected " if answer.comparisons > 1 else ""
    differences = "; ".join(
        ("" if len(tested) == 1 else f"{each.arm} − {each.reference} ")
        + _difference(answer, each, corrected, place == 0)
        for place, each in enumerate(tested[:MOST])
    )
    kind = "Difference" if len(tested) == 1 else "Differences"
    return f"{found} {kind}: {differences}{_rest(len(tested) - MOST)}."


def _difference(answer: Answer, each: Difference, corrected: str, is_first: bool) -> str:
    value, low, high = (
        signed(number or 0.0, answer.facts, answer.decimals) for number in (each.value, each.low, each.high)
    )
    interval = f"{corrected}95 % interval " if is_first else ""
    return f"{value}{unit_of_difference(answer.facts)} ({interval}{low} to {high}; {p_in_words(each.p or 0.0)})"


def _not_decided(answer: Answer, open_ones: Sequence[Difference]) -> str:
    """Returns what such seeds see, and how many would be needed."""
    parts = []
    for each in open_ones[:3]:
        sizes = sorted({len(_arm(answer, name).values) for name in (each.arm, each.reference)})
        who = "" if len(open_ones) == 1 else f"{each.arm} against {each.reference}: "
        seen = f"{two_digits(in_unit(each.visible or 0.0, answer.facts))}{unit_of_difference(answer.facts)}"
        seeds = f"{' and '.join(map(str, sizes))} seeds" if len(sizes) > 1 else counted(sizes[0], "seed")
        parts.append(f"{who}{seeds} see differences from about {seen} on{_needed(each)}")
    text = "; ".join(parts) + _rest(len(open_ones) - 3)
    return f"{upper(text) if len(open_ones) == 1 else text}. “Not decided” does not mean equal."


def _needed(each: Difference) -> str:
    if each.value == 0:
        return ""
    many = f"more than {statistics.MOST_SEEDS}" if each.needed is None else f"about {two_digits(each.needed)}"
    return f", and {many} an arm would be needed for the one measured"


def _without_numbers(answer: Answer) -> Iterator[str]:
    """Yields what is to be said of arms with failed or diverged runs."""
    for arm in [arm for arm in answer.arms if not arm.is_whole][:MOST]:
        if arm.values:
            rest = "The one that finished has" if len(arm.values) == 1 else f"The {len(arm.values)} that finished have"
            mean = "" if len(arm.values) == 1 else " on average"
            yield (
                f"{upper(missing_runs(arm))}. {rest} {_mean(answer, arm)}{mean}: without the others that flatters"
                f" {arm.name}, so it gets no verdict and ranks last."
            )
        else:
            yield f"{upper(missing_runs(arm))}."
    for arm in [arm for arm in answer.arms if arm.std == 0 and len(answer.arms) > 1][:MOST]:
        yield f"{arm.name} is identical in every seed."


def _weakened(answer: Answer) -> Iterator[str]:
    """Yields what makes the numbers say less than they seem to."""
    if answer.num_unfinished:
        runs, verb = counted(answer.num_unfinished, "run"), "is" if answer.num_unfinished == 1 else "are"
        yield f"{upper(runs)} {verb} not at the end and not counted: this is a look in between, no final one."
    if any(len(arm.values) == 2 for arm in answer.arms) and not answer.folds:
        yield "Of two seeds a 95 % interval reaches 12.7 standard errors to each side: a third narrows it to 4.3."
    if answer.exploratory:
        yield f"Exploratory: {answer.exploratory}. False alarms are more frequent than p and intervals say."
    if answer.plan and answer.plan.hypothesis:
        yield _hypothesis(answer, answer.plan.hypothesis)


def _hypothesis(answer: Answer, text: str) -> str:
    read = read_hypothesis(text, [arm.name for arm in answer.arms])
    told = f"Hypothesis “{text}”:"
    for each in answer.differences:
        if {each.arm, each.reference} == {read.first, read.second}:
            if each.verdict in ("better", "worse"):
                ahead = each.arm if each.verdict == "better" else each.reference
                return f"{told} {'supported' if ahead == read.first else f'contradicted, {ahead} is better'}."
            if each.verdict == "no_difference":
                return f"{told} not supported, no difference is larger than {_margin(answer)}."
            return f"{told} not decided." if each.verdict else f"{told} no verdict ({each.why_not})."
    return f"{told} it stands as typed, since it is not read as one arm against another."


def counted(number: int, word: str) -> str:
    """Returns `one run`, `five runs`, `12 runs`."""
    return f"{WORDS[number] if number < len(WORDS) else number} {word}{'' if number == 1 else 's'}"


def few(names: Sequence[str], last: str = " and ") -> str:
    """Returns names with commas and a last word between; of many the first ones."""
    if len(names) > MOST:
        return f"{', '.join(names[:MOST])} and {len(names) - MOST} more"
    return last.join(filter(None, [", ".join(names[:-1]), names[-1]]))


def two_digits(value: float) -> str:
    """Returns a rough number: 0.33, 8, 100."""
    return f"{float(f'{value:.2g}'):g}"


def p_in_words(p: float) -> str:
    """Returns `p = 0.060`, with as many digits as tell it from 0.05."""
    if p < 0.001:
        return "p < 0.001"
    digits = next(digits for digits in range(3, 18) if (round(p, digits) < 0.05) == (p < 0.05))
    return f"p = {p:.{digits}f}"


def _rest(number: int) -> str:
    return f" and {number} more (see the table)" if number > 0 else ""


def upper(text: str) -> str:
    """Returns a sentence's beginning."""
    return text[:1].upper() + text[1:]


def _arm(answer: Answer, name: str) -> Arm:
    return next(arm for arm in answer.arms if arm.name == name)


def _value(answer: Answer, value: float) -> str:
    return f"{fixed(value, answer.facts, answer.decimals)}{unit(answer.facts)}"


def _mean(answer: Answer, arm: Arm) -> str:
    return _value(answer, arm.interval.mean or 0.0)


def _points(answer: Answer, arm: Arm) -> str:
    return f"They are {', '.join(_value(answer, value) for value in arm.values)}."


def _margin(answer: Answer) -> str:
    return f"{answer.margin:g}{unit_of_difference(answer.facts)}"


def _direction(answer: Answer) -> str:
    return "" if answer.facts.higher_is_better else " (lower is better)"
