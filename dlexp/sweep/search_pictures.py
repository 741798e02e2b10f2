"""The pictures of a search: each trial over each key, and what fewer trials would have found."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from dlexp.pictures.drawing import Drawing, Who
from dlexp.pictures.over_settings import Series, over_setting
from dlexp.ranges import Interval
from dlexp.report.shown import Shown, shown_metric
from dlexp.search.settings import Told
from dlexp.search.space import Proposal
from dlexp.sweep.asked import Asked
from dlexp.sweep.closing import show
from dlexp.sweep.found import Reports, expected, judged_by, ranked
from dlexp.sweep.trials import Trial, told

log = logging.getLogger(__name__)

BESIDE = 2  # keys in one picture
FOLDER = "search"  # in a sweep's folder, and before the names in TensorBoard
WHO = Who("", 0, 0)


def draw_search(folder: Path, asked: Asked, trials: Sequence[Trial], finals: Sequence[Trial], reports: Reports) -> None:
    """Draws the trials over each numeric key, that with the best settings ringed (see `what_was_found`), and the tuning
    curve where it has a meaning.
    """
    metric, facts = judged_by(reports)
    words, sign = shown_metric(metric, facts), 1 if facts.higher_is_better else -1
    all_told = [told(each) for each in trials]
    first = next((each.proposal for each in ranked(finals or trials)), None)
    slices = [_slice(asked, all_told, first, key, words, sign) for key in asked.space]
    drawings = [each for each in slices if each is not None]
    rows = [drawings[place : place + BESIDE] for place in range(0, len(drawings), BESIDE)]
    found = {f"tuning{f'_{number}' * (number > 1)}": row for number, row in enumerate(rows, start=1)}
    best = [words.scaled(sign * value) for value in expected(asked, trials)]
    if len(best) > 1:
        line = [(float(count), value) for count, value in enumerate(best, start=1)]
        series = Series(WHO, [(count, value, f"best of {count:g}") for count, value in line], line)
        if (curve := over_setting([series], axis=words.axis, below="trials, expected best of so many")) is not None:
            found["tuning_curve"] = [curve]
    try:
        _write(folder / FOLDER, found)
    except OSError as error:  # a full disk takes no results
        log.info(f"no pictures of the search: {folder / FOLDER} can't be written ({error.strerror or error})")


def _write(place: Path, found: Mapping[str, Sequence[Drawing]]) -> None:
    from dlexp.pictures.canvas import as_figure
    from dlexp.pictures.style import render

    if not found:
        return
    place.mkdir(exist_ok=True)
    files = {place / f"{name}.png": render(as_figure(drawings))[0] for name, drawings in found.items()}
    for path, png in files.items():
        path.write_bytes(png)
    show(list(files), place, FOLDER)


def _slice(
    asked: Asked, trials: Sequence[Told], best: Proposal | None, key: str, words: Shown, sign: int
) -> Drawing | None:
    """Returns the trials over a numeric key; None where it is none, or all of them had one value."""
    if not isinstance(asked.space[key], Interval):
        return None
    at = [float(each.proposal[key]) for each in trials]
    points = [
        (x, words.scaled(sign * each.value), words.told(sign * each.value))
        for x, each in zip(at, trials, strict=True)
        if each.value is not None
    ]
    crosses = [(x, each.state) for x, each in zip(at, trials, strict=True) if each.state in ("failed", "pruned")]
    valued = [each.proposal for each in trials if each.value is not None]
    chosen = next((point[:2] for point, each in zip(points, valued, strict=True) if each == best), None)
    line = sorted(point[:2] for point in points) if len(asked.space) == 1 else []
    series = Series(WHO, points, line, crosses=crosses, chosen=chosen)
    return over_setting([series], axis=words.axis, below=key, look="trial", near_the_best=sign > 0)
