"""What the pictures of an answer share: the colour of each arm, which arms are drawn, which settings are numbers."""

from dataclasses import dataclass

from dlexp.pictures.drawing import Drawing, Who
from dlexp.pictures.looks import GREY
from dlexp.report.answer import Answer, Arm


@dataclass(frozen=True)
class Picture:
    """Drawings that belong together, and the words below them."""

    drawings: list[Drawing]
    caption: str


def who(answer: Answer) -> dict[str, Who]:
    """Returns the number and the colour of each arm by name: ink for the reference, then the palette in their order.

    Where a number and one other key vary, as rate and optimizer, arms that share the other one share its colour; where
    a plan says which arms are a line, they share that one's.
    """
    numbers = numeric_keys(answer)
    others = [key for key in compared_keys(answer) if key not in numbers]
    alike = {arm.name: arm.name for arm in answer.arms}
    if len(numbers) == len(others) == 1:
        alike = {arm.name: repr(arm.settings.get(others[0])) for arm in answer.arms}
    for line, arms in reversed(answer.plan.lines.items()) if answer.plan else ():
        alike |= dict.fromkeys(arms, line)
    first = alike.get(answer.reference or "")
    order = [kind for kind in dict.fromkeys(alike.values()) if kind != first]
    colours = {kind: min(number, GREY) for number, kind in enumerate(order, start=1)}
    return {arm.name: Who(arm.name, number, colours.get(alike[arm.name], 0)) for number, arm in enumerate(answer.arms)}


def compared_keys(answer: Answer) -> list[str]:
    """Returns the varied keys without those that each arm tuned."""
    tuned = answer.plan.tuning.keys if answer.plan and answer.plan.tuning else []
    return [key for key in answer.varied if key not in tuned]


def numeric_keys(answer: Answer) -> list[str]:
    """Returns the keys compared that have a number in all arms."""

    def is_number(value: object) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool)

    return [key for key in compared_keys(answer) if all(is_number(arm.settings.get(key)) for arm in answer.arms)]


def arms_of_cells(
    answer: Answer, row: str, column: str
) -> tuple[dict[tuple[float | str, float | str], list[Arm]] | None, list[str]]:
    """Returns the arms in each cell of a map of two numeric keys, and what else varies. None in place of the arms where
    some cell has several, and cells differ in more than row and column.
    """
    groups: dict[tuple[float | str, float | str], list[Arm]] = {}
    for arm in answer.arms:
        groups.setdefault((float(arm.settings[row]), float(arm.settings[column])), []).append(arm)
    others = [key for key in compared_keys(answer) if key not in (row, column)]
    held = {tuple(sorted(repr([arm.settings.get(key) for key in others]) for arm in arms)) for arms in groups.values()}
    is_fair = len(held) == 1 or all(len(arms) == 1 for arms in groups.values())
    return groups if is_fair else None, others


def first_arms(answer: Answer, most: int) -> list[Arm]:
    """Returns the best arms, at most so many, with the reference among them."""
    if len(answer.arms) <= most:
        return list(answer.arms)
    others = [arm for arm in answer.arms if arm.name != answer.reference]
    kept = {id(arm) for arm in others[: most - (len(others) < len(answer.arms))]}
    return [arm for arm in answer.arms if id(arm) in kept or arm.name == answer.reference]
