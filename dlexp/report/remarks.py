"""What is to be known of arms besides the verdict: equal runs, other data, another start, the plan of a comparison."""

from collections.abc import Iterator

from dlexp.errors import listed, to_type
from dlexp.metric import another_metric
from dlexp.report.answer import Answer
from dlexp.report.figures.picture import arms_of_cells, numeric_keys
from dlexp.report.naming import unnamed
from dlexp.report.reading.arms import CONTENTS
from dlexp.report.shown import setting
from dlexp.report.verdicts import apart_in_loss
from dlexp.report.words import counted, few, upper

START = "init_from"
DATA, WEIGHTS = CONTENTS
STARTS = {START, WEIGHTS}


def remarks(answer: Answer) -> Iterator[str]:
    """Yields which arms do not scatter, what they differ in that may be the cause, and which plan is not followed."""
    said = " ".join(each.why_not or "" for each in answer.differences)
    equal = [arm.name for arm in answer.arms if arm.std == 0 and len(answer.arms) > 1 and not answer.folds]
    if equal and "each is identical" not in said:
        yield f"{few(equal)} {'is' if len(equal) == 1 else 'are each'} identical in every seed."
    if apart := apart_in_loss(answer.arms, answer.metric):
        yield f"Losses of arms that differ in {listed(apart)} are not one measure: {_measured_alike(answer)}."
    if {"data", DATA} & set(answer.varied) and len(answer.arms) > 1:
        yield "The arms were measured on different data, so a difference may be that of the samples alone."
    if STARTS & set(answer.varied) and set(answer.varied) - STARTS and len(answer.arms) > 1:
        bare = [arm.name for arm in answer.arms if arm.settings.get(START, "") is None]
        told = f"{few(bare)} untrained, the others from trained weights" if bare else "from other weights"
        yield f"Not all arms began alike ({told}), so a difference may be that of the start alone."
    if answer.plan is None and (keys := unnamed(answer.varied, [(arm.settings, arm.runs) for arm in answer.arms])):
        told = few([f"{key} ({_values(answer, key)})" for key in keys])
        yield f"Names tell arms apart and leave out what would make them too long: {told}. table.csv has all settings."
    kind, _, named = (answer.plan.picture if answer.plan and answer.plan.picture else "").partition(":")
    asked = [key for key in named.split(",") if key in numeric_keys(answer)]
    if kind == "map" and len(asked) == 2:
        cells, others = arms_of_cells(answer, *asked)
        if cells is None:
            yield f"The map of {few(asked)} is not drawn: its cells would differ in {few(others)} as well."
    for folder, (count, _) in answer.elsewhere.items():
        belong = "belongs" if count == 1 else "belong"
        yield (
            f"{upper(counted(count, 'run'))} {belong} to a comparison, whose plan is not followed here:"
            f" python -m dlexp report {to_type(folder.as_posix())} tells what came of it."
        )


def _values(answer: Answer, key: str) -> str:
    """Returns what a setting is in the arms: `0.003 to 0.05`, `relu and tanh`."""
    found = [arm.settings[key] for arm in answer.arms if arm.settings.get(key) is not None]
    if all(type(value) in (int, float) for value in found):
        ends = dict.fromkeys(setting(end) for end in (min(found), max(found)))
        return " to ".join(ends)
    return few(list(dict.fromkeys(map(setting, found))))


def _measured_alike(answer: Answer) -> str:
    """Returns how arms of different losses can be compared: by what all measured, else by what a training measures."""
    split = answer.metric.partition("/")[0]
    names = [name for name in answer.arms[0].others if name.startswith(f"{split}/") and not name.endswith("/loss")]
    shared = [name for name in names if all(name in arm.others for arm in answer.arms)]
    if shared:
        return f"--metric {shared[0].partition('/')[2]} compares them"
    return f"{another_metric(answer.arms[0].runs[0].measures)} has trainings measure them alike"
