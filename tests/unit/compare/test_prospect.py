"""What is told before the first run: how long it takes, and what so many seeds show."""

from dataclasses import replace
from typing import Any

import pytest

from dlexp.compare import prospect
from dlexp.config.compose import compose
from dlexp.find import trial
from dlexp.metric import LOSS
from dlexp.report.reading.plan import Plan, Tuning

PLAN = Plan(
    **{"question": None, "command": "", "arms": {"a": [], "b": [], "c": []}, "shared": [], "reference": "a"},
    **{"seeds": [1, 2, 3], "metric": "test/accuracy", "margin": None, "hypothesis": None, "size": None},
    **{"picture": None, "tuning": None, "runs": {}, "trials": {}, "looks": []},
)
TUNED = replace(PLAN, tuning=Tuning(["optimizer.lr"], {}, 4, "qmc", 0, 0, {}, {}, {}))
PAIRED = ["data.split_seed=${seed}"]


@pytest.mark.parametrize(("at_once", "told"), [(1, "45 s"), (2, "25 s; 2 run at a time"), (4, "15 s; 4 run at a time")])
def test_the_time_is_that_of_runs_at_the_same_time(at_once: int, told: str) -> None:
    seconds = dict.fromkeys("abc", 5.0)
    assert prospect.time_in_words(9, seconds, steps_alone=False, at_once=at_once) == f"about {told}"


def test_a_hypothesis_about_two_other_arms_is_one_comparison_more(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    monkeypatch.setattr(prospect, "visible_in_deviations", lambda n, comparisons: counts.append(comparisons) or 1.0)
    for hypothesis in (None, "b beats c", "b beats a", "all is well"):
        prospect.visible_in_words(replace(PLAN, hypothesis=hypothesis), {}, LOSS, 0)
    assert counts == [2, 3, 2, 2]


def test_what_is_seen_is_told_with_the_test_that_it_is_of(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = {name: compose(["model=mlp", "data=iris", *words]) for name, words in (("a", []), ("b", PAIRED))}
    of_pairs, found = "the report takes the paired one", "how far runs scatter at the settings found shows only then"
    for own, is_paired in ((["a"], False), (["a", "b"], False), (["b"], True)):
        told = prospect.visible_in_words(PLAN, {name: runs[name] for name in own}, LOSS, 0)
        assert (of_pairs in told) == is_paired and found not in told, told
    told = prospect.visible_in_words(TUNED, runs, LOSS, 0)
    assert f"standard deviations of a run on, 8 times in 10; {found}" in told, told


def test_steps_are_timed_where_nothing_is_known(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = compose(["model=mlp", "data=spiral", "threads=1", "epochs=2", "dry_run=true"])
    seconds, steps_alone = prospect.seconds_of({"a": run, "b": run})
    assert steps_alone and seconds["a"] == seconds["b"] and 0 < (seconds["a"] or 0) < 600
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_dry", [True, False])
def test_steps_of_a_dry_run_keep_nothing(is_dry: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from dlexp.data.stream import kept_figures
    from dlexp.errors import UserError
    from dlexp.experiment import assemble

    def assembled(config: Any) -> None:
        raise UserError(f"keeps {kept_figures._keeps.get()}")

    class Sender(list[str]):
        send = list.append

    monkeypatch.setattr(assemble, "assemble", assembled)
    monkeypatch.setattr(trial, "live_with_parent", lambda: None)
    monkeypatch.setattr(trial, "take_environment", lambda variables: None)
    sender = Sender()
    trial._in_child(sender, {"device": "cpu", "dry_run": is_dry}, 4, None, {})  # type: ignore[arg-type]
    assert sender == [f"keeps {not is_dry}"]


@pytest.mark.parametrize(
    ("words", "is_read"),
    [
        (["data=iris", "data.split_seed=${seed}"], True),
        (["data=iris", "data.split_seed=${seed}", "data.test_size=0"], False),
        (["data=iris", "data.split_seed=7"], False),
        (["data=mnist", "data.split_seed=${seed}"], False),
        (["data=moons", "data.split_seed=${seed}"], False),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_a_test_set_that_the_seed_draws_is_read_in_tuning(words: list[str], is_read: bool) -> None:
    runs = {"a": compose(["model=mlp", *words])}
    assert prospect.is_read_in_tuning(TUNED, runs) == is_read
    assert not prospect.is_read_in_tuning(PLAN, runs)
