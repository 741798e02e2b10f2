"""Pictures over what was set: arms over one or two numeric settings, and the trials of a tuning."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from dlexp.pictures.drawing import Drawing, Who
from dlexp.pictures.over_settings import Series, heat_map, over_setting
from dlexp.report.answer import Answer, Arm
from dlexp.report.figures.picture import Picture, arms_of_cells, compared_keys, first_arms, numeric_keys, who
from dlexp.report.shown import Shown, setting, shown, shown_metric
from dlexp.report.statistics import expected_best
from dlexp.report.trials import chosen_trial, trial_value
from dlexp.report.words import few

MOST_LINES = 8
MOST_DOTS = 400
MOST_CELLS = 400
FEWEST_VALUES = 3  # of two values the picture of the arms says all


def setting_pictures(answer: Answer) -> dict[str, Picture | None]:
    """Returns lines where one numeric setting varies, beside at most one other key, and a map where two do."""
    keys = numeric_keys(answer)
    others = [key for key in compared_keys(answer) if key not in keys]
    wanted = (answer.plan.picture if answer.plan else None) or ""
    kind, _, named = wanted.partition(":")
    asked = [key for key in named.split(",") if key in keys]
    if kind == "lines" and asked:
        return {"lines": _lines(answer, asked[0], [key for key in compared_keys(answer) if key != asked[0]])}
    if (kind == "map" and len(asked) == 2) or (len(keys) == 2 and not others):
        return {"map": _map(answer, *(asked if len(asked) == 2 else keys))}
    if len(keys) == 1 and len(others) <= 1:
        return {"lines": _lines(answer, keys[0], others)}
    return {}


def _lines(answer: Answer, key: str, others: Sequence[str]) -> Picture | None:
    words, looks = shown(answer), who(answer)
    groups: dict[str, list[Arm]] = defaultdict(list)
    named = answer.plan.lines if answer.plan else {}
    for arm in sorted(answer.arms, key=lambda arm: float(arm.settings[key])):
        own = [line for line, arms in named.items() if arm.name in arms]
        for line in own if named else [", ".join(setting(arm.settings.get(other)) for other in others)]:
            groups[line].append(arm)
    groups = {line: groups[line] for line in named or groups if line in groups}
    if all(len({arm.settings[key] for arm in arms}) < FEWEST_VALUES for arms in groups.values()):
        return None
    drawn = dict(list(groups.items())[:MOST_LINES])
    # No arm stands behind a line: pointing at it means nobody else. One alone is drawn in ink.
    series = [
        _series(Who(name, -1 - number, looks[arms[-1].name].colour if len(groups) > 1 else 0), arms, key, words, looks)
        for number, (name, arms) in enumerate(drawn.items())
    ]
    told = "A dot is one run, in the colour of its arm; the line joins the means, with their 95 % intervals."
    if sum(len(each.points) for each in series) > MOST_DOTS:
        series = [replace(each, points=()) for each in series]
        told = "The line joins the means, with their 95 % intervals; single runs are too many to be drawn."
    drawing = over_setting(series, axis=words.axis, below=key)
    if drawing is None:
        return None
    if any(not arm.is_whole for arm in answer.arms):
        told += " Crosses: runs that failed or diverged; means there are of the others."
    if len(drawn) < len(groups):
        told += f" Drawn are {len(drawn)} of {len(groups)} lines."
    return Picture([drawing], told)


def _series(look: Who, arms: Sequence[Arm], key: str, words: Shown, looks: dict[str, Who]) -> Series:
    points, owners, crosses, ends = [], [], [], []
    for arm in arms:
        x = float(arm.settings[key])
        for run, value in zip(arm.finished, arm.values, strict=True):
            points.append((x, words.scaled(value), f"{arm.name}, seed {run.seed}: {words.told(value)}"))
            owners.append(looks[arm.name])
        lost = [run for run in arm.runs if run.is_ended and all(run is not each for each in arm.finished)]
        crosses += [(x, f"{arm.name}, seed {run.seed}: {run.error or 'no value'}") for run in lost]
        low, high = arm.interval.low, arm.interval.high
        if low is not None and high is not None:
            ends.append((x, words.scaled(low), words.scaled(high)))
    line = [
        (float(arm.settings[key]), words.scaled(arm.interval.mean)) for arm in arms if arm.interval.mean is not None
    ]
    return Series(look, points, line, ends, crosses, arms=owners)


def _map(answer: Answer, row: str, column: str) -> Picture | None:
    words = shown(answer)
    rows, columns = (sorted({float(arm.settings[key]) for arm in answer.arms}) for key in (row, column))
    if len(rows) < 2 or len(columns) < 2 or len(rows) * len(columns) > MOST_CELLS:
        return None
    groups, others = arms_of_cells(answer, row, column)
    if groups is None:
        return None
    averaged = any(len(arms) > 1 for arms in groups.values())
    cells: dict[tuple[float | str, float | str], tuple[float | None, str, str]] = {}
    for place, arms in groups.items():
        means = [arm.interval.mean for arm in arms if arm.is_whole and arm.interval.mean is not None]
        mean = fmean(means) if len(means) == len(arms) else None
        told = "; ".join(f"{arm.name}: {words.mean(arm.interval)}" for arm in arms)
        cells[place] = (None, "", told) if mean is None else (words.scaled(mean), words.value(mean), told)
    whole = {place: value for place, (value, _, _) in cells.items() if value is not None}  # the best arm's comes first
    best = (max if answer.facts.higher_is_better else min)(whole, key=lambda place: whole[place], default=None)
    drawing = heat_map(
        cells,
        rows,
        columns,
        axis=words.axis,
        row_words=row,
        column_words=column,
        higher_is_better=answer.facts.higher_is_better,
        best=best,
    )
    of = f"the means of the arms there, which differ in {few(others)}" if averaged else "an arm’s runs"
    told = f"A cell is the mean of {of}, the stronger the better; the best one is framed."
    if any(not arm.is_whole for arm in answer.arms):
        told += " A cross: a run failed or diverged there."
    return Picture([drawing], told)


def tuning_pictures(answer: Answer) -> dict[str, Picture | None]:
    """Returns the trials of each arm over each tuned key, and the best to expect of so many of them."""
    tuning = answer.plan.tuning if answer.plan else None
    if tuning is None or not any(answer.trials.values()):
        return {}
    arms = [arm for arm in first_arms(answer, MOST_LINES) if answer.trials.get(arm.name)]
    key = next((run.metric for arm in arms for run in answer.trials[arm.name] if run.metric), None)
    if key is None:
        return {}
    words = shown_metric(key, answer.facts)
    slices = [_slice(answer, arms, each, key, words) for each in tuning.keys]
    drawings = [drawing for drawing in slices if drawing is not None]
    found: dict[str, Picture | None] = {}
    if drawings:
        told = "A dot is one trial; ringed, the one chosen. Crosses: diverged or failed. An arrow: farther off."
        found["tuning"] = Picture(drawings[:2], told) if len(drawings) <= 2 else Picture(drawings, told)
    if tuning.sampler in ("random", "qmc"):
        found["tuning_curve"] = _tuning_curve(answer, arms, key, words)
    return found


def _slice(answer: Answer, arms: Sequence[Arm], setting_key: str, key: str, words: Shown) -> Drawing | None:
    looks, series = who(answer), []
    for arm in arms:
        runs = [(run, run.settings.get(setting_key)) for run in answer.trials[arm.name]]
        known = [(run, float(x)) for run, x in runs if isinstance(x, int | float) and not isinstance(x, bool)]
        if not known:
            continue
        valued = [(run, x, value) for run, x in known if (value := trial_value(run, key)) is not None]
        points = [(x, words.scaled(value), f"{arm.name}: {words.told(value)} at {x:.4g}") for _, x, value in valued]
        crosses = [
            (x, f"{arm.name}: {run.error or 'no value'} at {x:.4g}")
            for run, x in known
            if trial_value(run, key) is None
        ]
        best = chosen_trial(answer, arm, key)
        chosen = next(((x, words.scaled(value)) for run, x, value in valued if run is best), None)
        series.append(Series(looks[arm.name], points, sorted(point[:2] for point in points), (), crosses, chosen))
    one_key = answer.plan is not None and answer.plan.tuning is not None and len(answer.plan.tuning.keys) == 1
    if not one_key:  # what the other keys did lies between the dots
        series = [Series(each.who, each.points, (), (), each.crosses, each.chosen) for each in series]
    near = answer.facts.higher_is_better
    return (
        over_setting(series, axis=words.axis, below=setting_key, look="trial", near_the_best=near) if series else None
    )


def _tuning_curve(answer: Answer, arms: Sequence[Arm], key: str, words: Shown) -> Picture | None:
    looks, series = who(answer), []
    tuning = answer.plan.tuning if answer.plan else None
    for arm in arms:
        runs = answer.trials[arm.name]
        if tuning is not None and tuning.widened.get(arm.name):  # its later ones lie where the first results led
            runs = runs[: tuning.trials]
        values = [value for run in runs if (value := trial_value(run, key)) is not None]
        if values:  # a trial without a number was tried as well
            lost = sum(run.is_ended and trial_value(run, key) is None for run in runs)
            values += [(min if answer.facts.higher_is_better else max)(values)] * lost
        best = list(enumerate(expected_best(values, answer.facts.higher_is_better), start=1))
        line = [(float(m), words.scaled(value)) for m, value in best]
        points = [(m, words.scaled(value), f"{arm.name}, best of {m}: {words.told(value)}") for m, value in best]
        if len(line) > 1:
            series.append(Series(looks[arm.name], points, line))
    drawing = over_setting(series, axis=f"best {words.axis}", below="trials", whole=True) if series else None
    if drawing is None:
        return None
    said = "What the best of so many trials is expected to reach (Tang et al. 2020), up to half of those made;"
    said += " a trial without a number counts as the worst."
    if tuning is not None and any(tuning.widened.get(arm.name) for arm in arms):
        said += " Trials in a range that was widened are left out: results led there."
    return Picture([drawing], said)
