"""A stored plan as it goes on: what is typed later is noted, what the stored question says is not typed."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from made_answers import plan_of, tuned_comparison
from made_runs import made_run

from dlexp.compare.outcome import measured
from dlexp.compare.planning import gone_on, stored
from dlexp.compare.question import ask
from dlexp.errors import UserError
from dlexp.report.reading.plan import Plan, write_plan

PLAN = Plan(
    question="SGD or Adam?",
    command="",
    arms={"sgd": ["optimizer=sgd"], "adam": ["optimizer=adam"]},
    shared=[],
    reference="sgd",
    seeds=[1, 2],
    metric="test/accuracy",
    margin=1.0,
    hypothesis=None,
    size="small",
    picture=None,
    tuning=None,
    runs={"sgd": {"1": "sgd_seed-1"}},
    trials={},
    looks=[],
    cells={"sgd": "a", "adam": "b"},
)


def test_what_a_stored_question_says_was_not_typed(tmp_path: Path) -> None:
    made_run(tmp_path / "sgd_seed-1")
    now = replace(PLAN, seeds=[1, 2, 3], margin=0.5, question="Which?")
    assert gone_on(tmp_path, PLAN, now, ask(["sgd_vs_adam"])) == PLAN
    now = replace(now, command="… seeds=3")
    typed = gone_on(tmp_path, PLAN, now, ask(["sgd_vs_adam", "margin=0.5", "seeds=3", "question=Which?"]))
    assert typed.departures == [
        "question=Which? was typed after runs were there; SGD or Adam? was planned, which stands",
        "margin=0.5 was typed after runs were there; 1.0 was planned, which stands",
        "seed 3 added after final runs had ended",
    ]
    assert (typed.seeds, typed.late, typed.margin) == ([1, 2, 3], [3], 1.0)
    assert typed.command == "… seeds=3", "what trains all of it"
    fewer = gone_on(tmp_path, typed, replace(PLAN, seeds=[1]), ask(["sgd_vs_adam", "seeds=1"]))
    assert fewer == typed, "who types fewer seeds reads less of it, and departs from nothing"
    fewer = gone_on(tmp_path, typed, replace(now, seeds=[1], command="… seeds=1"), ask(["sgd_vs_adam", "seeds=1"]))
    assert fewer.command == "… seeds=3", "a command that was not followed is not the one to type again"


def test_the_first_seeds_stay_in_the_plan_when_others_are_typed(tmp_path: Path) -> None:
    made_run(tmp_path / "sgd_seed-1", state="running")
    now = replace(PLAN, seeds=[1, 2, 3])
    more = gone_on(tmp_path, PLAN, now, ask(["sgd_vs_adam", "seeds=3"]))
    assert (more.seeds, more.planned_seeds) == ([1, 2, 3], [1, 2]), "no final run has ended"
    again = gone_on(tmp_path, more, replace(now, seeds=[1]), ask(["sgd_vs_adam", "seeds=1"]))
    assert (again.seeds, again.planned_seeds) == ([1], [1, 2])
    assert replace(PLAN, seeds=[1, 2, 3], late=[3]).planned_seeds == [1, 2] and PLAN.planned_seeds == [1, 2]


def test_a_plan_stands_once_a_trial_is_there_wherever_it_lies(tmp_path: Path) -> None:
    plan = replace(plan_of(tuned_comparison(tmp_path, trials=2)), runs={})
    folder = tmp_path / "compare"
    folder.mkdir()
    elsewhere = {arm: [f"../{name}" for name in names] for arm, names in plan.trials.items()}
    asked = ask(["optimizer=sgd,adam,adamw", "tune=optimizer.lr", "margin=3"])
    typed = gone_on(folder, replace(plan, trials=elsewhere), replace(plan, margin=3.0), asked)
    assert typed.margin == 0.5 and typed.departures == [
        "margin=3.0 was typed after runs were there; 0.5 was planned, which stands"
    ]
    nowhere = {arm: [f"{name}-x" for name in names] for arm, names in elsewhere.items()}
    assert gone_on(folder, replace(plan, trials=nowhere), replace(plan, margin=3.0), asked).margin == 3.0


def test_trials_only_grow_once_some_were_tried(tmp_path: Path) -> None:
    plan = plan_of(tuned_comparison(tmp_path, trials=3))
    assert plan.tuning is not None
    old = replace(plan, runs={}, tuning=replace(plan.tuning, chosen={}))
    for names in plan.trials.values():
        shutil.rmtree(tmp_path / names[2])

    def typed(count: int) -> Plan:
        asked = ask(["optimizer=sgd,adam,adamw", "tune=optimizer.lr", f"trials={count}"])
        return gone_on(tmp_path, old, replace(old, tuning=replace(plan.tuning, trials=count)), asked)

    with pytest.raises(UserError, match="trials=1 leaves out results that may have been seen, since 2 an arm"):
        typed(1)
    for count in (2, 4):
        assert (found := typed(count).tuning) is not None and (found.trials, found.planned_trials) == (count, 3)
        assert typed(count).departures == [f"3 trials an arm planned, {count} typed before anything was chosen"]


def test_the_same_comparison_is_the_newest_over_the_same_folds(workdir: Path) -> None:
    both = ["data.fold=0", "data.fold=1"]
    folds: list[str]
    for name, age, folds in (("a", 30, []), ("a-2", 20, []), ("b", 10, both)):
        folder = Path("outputs") / name
        folder.mkdir(parents=True)
        write_plan(folder, replace(PLAN, folds=folds))
        os.utime(folder / "compare.json", (1e9 - age, 1e9 - age))
    found = stored(None, PLAN)
    assert found is not None and found[0] == Path("outputs/a-2")
    other = stored(None, replace(PLAN, folds=both[::-1]))
    assert other is not None and other[0] == Path("outputs/b")
    assert stored(None, replace(PLAN, folds=both[:1])) is None


def test_without_a_test_split_what_is_there_is_compared_and_called_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reports = [{"status": "failed", "metrics": {}}, {"status": "finished", "metrics": {"val/accuracy": 0.9}}]
    assert measured(PLAN, reports).metric == "val/accuracy" and caplog.messages[-1].endswith("the validation samples")
    assert measured(plan_of(tuned_comparison(tmp_path, trials=2)), reports).metric == "val/accuracy"
    assert caplog.messages[-1].endswith("the validation samples that chose their settings, which flatters them")
    reports[1]["metrics"] = {"trained_on/accuracy": 0.9}
    assert measured(PLAN, reports).metric == "trained_on/accuracy" and "were trained on" in caplog.messages[-1]
    reports.append({"status": "finished", "metrics": {"test/accuracy": 0.9}})
    assert measured(PLAN, reports) == measured(PLAN, reports[:1]) == PLAN and len(caplog.messages) == 3
