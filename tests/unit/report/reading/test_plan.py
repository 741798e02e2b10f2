"""The stored plan of a comparison: written, read again, and refused where a stranger's file says what none does."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dlexp.report.reading.plan import PLAN_FILE, Plan, Tuning, as_data, read_plan, write_plan

PLAN = Plan(
    question="SGD or Adam?",
    command="python -m dlexp compare optimizer=sgd,adam",
    arms={"sgd": ["optimizer=sgd"], "adam": ["optimizer=adam"]},
    shared=["model=mlp"],
    reference="sgd",
    seeds=[1, 2],
    metric="test/accuracy",
    margin=0.5,
    hypothesis="Adam beats SGD, 例",
    size=None,
    picture="differences",
    tuning=Tuning(
        keys=["optimizer.lr"],
        spaces={"sgd": {"optimizer.lr": "tag(log,interval(0.001,1))"}},
        trials=4,
        sampler="qmc",
        sampler_seed=0,
        seed=0,
        widened={},
        chosen={"sgd": ["optimizer.lr=0.1"]},
        edges={},
    ),
    runs={"sgd": {"1": "sgd_seed-1"}, "adam": {"1": "../sweep-mlp-spiral-optimizer/optimizer-adam_seed-1"}},
    trials={"sgd": ["sgd_trial-1"]},
    looks=[[1, 2]],
)


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_plan(tmp_path, PLAN)
    assert read_plan(tmp_path) == PLAN
    grown = replace(PLAN.tuning, widened={"sgd": {"optimizer.lr": "tag(log,interval(0.001,30))"}}, further=2)  # type: ignore[type-var]
    write_plan(tmp_path, replace(PLAN, tuning=grown))
    assert read_plan(tmp_path) == replace(PLAN, tuning=grown)
    write_plan(tmp_path, replace(PLAN, tuning=None, margin=None, question=None))
    assert read_plan(tmp_path) == replace(PLAN, tuning=None, margin=None, question=None)


def changed(**changes: Any) -> dict[str, Any]:
    return as_data(PLAN) | changes


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        changed(seeds="1"),
        changed(seeds=[True]),
        changed(seeds=["1"]),
        changed(arms={"sgd": "optimizer=sgd"}),
        changed(margin="0.5"),
        changed(reference="muon"),
        changed(another=1),
        changed(tuning={"keys": []}),
        changed(cells={"muon": "1"}),
        *(
            changed(tuning=as_data(PLAN)["tuning"] | changes)
            for changes in (
                {"spaces": {"muon": {}}},
                {"trials": 0},
                {"trials": 10**9},
                {"further": -1},
                {"widened": {"sgd": {"optimizer.lr": "0.1,1"}}},
                {"widened": {"sgd": {"batch_size": "interval(1,9)"}}},
                {"widened": {"adam": {"optimizer.lr": "interval(1,9)"}}},
                {"spaces": {"sgd": {"k": "a,b"}}, "widened": {"sgd": {"k": "interval(1,9)"}}},
            )
        ),
        changed(looks=[1]),
        *(
            changed(runs={"sgd": {"1": name}})
            for name in ("/etc", "../../x", "..", "a/../../x", "", "c:\\x", "..\\x", "a\0b", 3)
        ),
        changed(trials={"sgd": ["../../../home"]}),
    ],
    ids=str,
)
def test_a_strangers_plan_is_none(tmp_path: Path, data: Any) -> None:
    write_plan(tmp_path, PLAN)
    whole = json.loads((tmp_path / PLAN_FILE).read_text(encoding="utf-8"))
    (tmp_path / PLAN_FILE).write_text(json.dumps(whole | {"plan": data}), encoding="utf-8")
    assert read_plan(tmp_path) is None


def test_a_damaged_plan_and_one_of_another_version_are_none(tmp_path: Path) -> None:
    assert read_plan(tmp_path) is None
    write_plan(tmp_path, PLAN)
    text = (tmp_path / PLAN_FILE).read_text(encoding="utf-8")
    (tmp_path / PLAN_FILE).write_text(text[:100], encoding="utf-8")
    assert read_plan(tmp_path) is None
    (tmp_path / PLAN_FILE).write_text(text.replace('"format_version": ', '"format_version": 9'), encoding="utf-8")
    assert read_plan(tmp_path) is None
    whole_lists: Any = {"format_version": 2, "plan": changed(margin=1)}
    (tmp_path / PLAN_FILE).write_text(json.dumps(whole_lists), encoding="utf-8")
    found = read_plan(tmp_path)
    assert found is not None and found.margin == 1.0
