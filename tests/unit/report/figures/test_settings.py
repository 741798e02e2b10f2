"""Pictures over what was set."""

import itertools
from pathlib import Path

from made_runs import made_run

from dlexp.report.figures.settings import setting_pictures
from dlexp.report.making import make_answer
from dlexp.report.reading.plan import Plan, write_plan

KEYS = ("model.width", "model.depth", "model.dropout")


def asks_for_a_map(folder: Path, settings: list[tuple[float, ...]], values: list[float]) -> Path:
    """Makes a comparison of these widths, depths and dropouts whose picture is a map of the first two."""
    names = [f"arm-{number}" for number in range(len(settings))]
    for name, own, value in zip(names, settings, values, strict=True):
        made_run(folder / name, value, seed=1, settings=dict(zip(KEYS, own, strict=True)))
    plan = Plan(
        question=None,
        command="",
        arms={name: [] for name in names},
        shared=[],
        reference=names[0],
        seeds=[1],
        metric="test/accuracy",
        margin=None,
        hypothesis=None,
        size=None,
        picture="map:model.width,model.depth",
        tuning=None,
        runs={name: {"1": name} for name in names},
        trials={},
        looks=[],
    )
    write_plan(folder, plan)
    return folder


def test_a_cell_of_a_map_is_the_mean_over_all_arms_there(tmp_path: Path) -> None:
    settings = list(itertools.product((4, 8), (1, 2), (0.0, 0.5)))
    values = [0.9, 0.7, 0.8, 0.82, 0.6, 0.62, 0.5, 0.52]
    picture = setting_pictures(make_answer([asks_for_a_map(tmp_path, settings, values)]))["map"]
    assert picture is not None and "the means of the arms there, which differ in model.dropout" in picture.caption
    label = picture.drawings[0].label
    assert all(f"{place}: {mean}" in label for place, mean in (("4, 1", "80"), ("4, 2", "81"), ("8, 1", "61"))), label


def test_no_map_where_cells_differ_in_more_than_their_place(tmp_path: Path) -> None:
    settings = [(4, 1, 0.0), (4, 1, 0.5), (4, 2, 0.0), (8, 1, 0.5), (8, 2, 0.5)]
    answer = make_answer([asks_for_a_map(tmp_path, settings, [0.9, 0.8, 0.7, 0.6, 0.5])])
    assert setting_pictures(answer) == {"map": None}
    told = "The map of model.width and model.depth is not drawn: its cells would differ in model.dropout as well."
    assert told in answer.sentences
