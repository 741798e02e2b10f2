"""The picture of an answer: the arms as dots, each run one, and their differences beside them."""

from collections.abc import Sequence

from dlexp.pictures.differences import Gap, Row, differences
from dlexp.pictures.drawing import Who
from dlexp.report.answer import Answer, Arm, Difference
from dlexp.report.figures.picture import Picture, first_arms, who
from dlexp.report.shown import Shown, shown

MOST_ROWS = 40
MOST_DOTS = 200  # of an arm


def difference_picture(answer: Answer) -> Picture | None:
    """Returns the arms as dots with their differences beside them; None of a single run."""
    arms, words = first_arms(answer, MOST_ROWS), shown(answer)
    if not any(arm.values for arm in arms) or (len(arms) == 1 and len(arms[0].values) + len(_failed(arms[0])) < 2):
        return None
    look = who(answer)
    rows = [_row(arm, look[arm.name], words, answer.reference) for arm in arms]
    gaps = _gaps(answer, arms, look, words)
    reference = next((arm for arm in arms if arm.name == answer.reference), None)
    error = answer.test_error
    shift = reference.interval.mean if reference else None
    name = words.name.partition(" ")[2] or words.name
    split = words.name.partition(" ")[0]
    drawings = differences(
        rows,
        gaps,
        axis=words.axis,
        gap_axis=("difference" + (f" to {answer.reference}" if answer.reference else ""))
        + (f", points of {name}" if words.points else f", {name}"),
        shift=None if shift is None else words.scaled(shift),
        margin=answer.margin,
        margin_words=f"margin ± {answer.margin:g}" if answer.margin else "",
        bar=None if error is None else words.scaled(error),
        bar_words="" if error is None else f"± {words.value(error)}: {split} set alone",
        labels=_labels(answer, arms, words),
    )
    return (
        Picture(drawings, _caption(answer, arms, len(drawings) > 1, None if error is None else split))
        if drawings
        else None
    )


def _row(arm: Arm, look: Who, words: Shown, reference: str | None) -> Row:
    every = max(1, -(-len(arm.values) // MOST_DOTS))
    runs = [
        (f"{arm.name}, seed {run.seed}: {words.told(value)}", words.scaled(value))
        for run, value in list(zip(arm.finished, arm.values, strict=True))[::every]
    ]
    mean, low, high = (
        None if end is None else words.scaled(end) for end in (arm.interval.mean, arm.interval.low, arm.interval.high)
    )
    lost = ", ".join(arm.lost).replace(" ", f" of {arm.num_ended} ", 1)  # 1 of 5 diverged, 1 failed
    note = lost or ("reference" if arm.name == reference else "")
    return Row(look, runs, mean, low, high, words.mean(arm.interval), note, _failed(arm)[:MOST_DOTS])


def _failed(arm: Arm) -> list[str]:
    finished = {id(run) for run in arm.finished}
    return [
        f"{arm.name}, seed {run.seed}: {run.error or 'no value'}"
        for run in arm.runs
        if id(run) not in finished and run.is_ended
    ]


def _gaps(answer: Answer, arms: Sequence[Arm], look: dict[str, Who], words: Shown) -> list[Gap]:
    if answer.reference is None:
        pairs = [each for each in answer.differences if each.arm in look and each.low is not None]
        return [_gap(each, look, words) for each in pairs[:MOST_ROWS]]
    against = {each.arm: each for each in answer.differences if each.reference == answer.reference}
    return [
        _gap(against[arm.name], look, words)
        if arm.name in against
        else Gap(look[arm.name], arm.name, None, None, None, "reference" if arm.name == answer.reference else "")
        for arm in arms
    ]


def _gap(found: Difference, look: dict[str, Who], words: Shown) -> Gap:
    name = f"{found.arm} − {found.reference}"
    if found.value is None or found.low is None or found.high is None:
        return Gap(look[found.arm], name, None, None, None, found.why_not or "")
    value, low, high = (words.scaled(each) for each in (found.value, found.low, found.high))
    told = f"{words.beside(found.low, found.high).signed(found.value)} ({words.ends(found.low, found.high)})"
    return Gap(look[found.arm], name, value, low, high, told)


def _labels(answer: Answer, arms: Sequence[Arm], words: Shown) -> tuple[str, str]:
    own = ", ".join(f"{arm.name} {words.mean(arm.interval)}" for arm in arms)
    gaps = ", ".join(
        f"{each.arm} minus {each.reference} {words.beside(each.low, each.high).signed(each.value)},"
        f" from {words.ends(each.low, each.high)}{words.points}"
        for each in answer.differences[: 2 * MOST_ROWS]
        if each.value is not None and each.low is not None and each.high is not None
    )
    return f"{words.name} of every run, mean and 95 % interval: {own}", f"Differences with corrected intervals: {gaps}"


def _caption(answer: Answer, arms: Sequence[Arm], gaps: bool, split: str | None) -> str:
    left, told = "Left: a dot" if gaps else "A dot", []
    cross = ", a cross at the edge one without a value" if any(_failed(arm) for arm in arms) else ""
    several = any(arm.interval.low is not None for arm in arms)
    below = "; the bar below is the mean with its 95 % interval (of one arm alone, not corrected)" if several else ""
    told.append(f"{left} is one run{cross}{below}.")
    if gaps:
        corrected = "corrected interval" if answer.comparisons > 1 else "95 % interval"
        to = f" to {answer.reference}" if answer.reference else ""
        margin = f"; the band is the margin of ±{answer.margin:g}" if answer.margin else ""
        told.append(f"Right: difference{to} with its {corrected}{margin}. Both sides have the same scale.")
    elif len(arms) > 1 and any(not arm.is_whole for arm in arms):
        told.append("No difference is drawn for an arm with a missing run.")
    if split:
        told.append(
            f"The bar under the axis is the {split} set’s own sampling error (one standard error), shared by all arms."
        )
    if len(arms) < len(answer.arms):
        told.append(f"Drawn are {len(arms)} of {len(answer.arms)} arms, the best ones and the reference.")
    if max(len(arm.values) for arm in arms) > MOST_DOTS:
        told.append(
            f"Of arms with more than {MOST_DOTS} runs not all dots are drawn; mean and interval are of all runs."
        )
    return " ".join(told)
