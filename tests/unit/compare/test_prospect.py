"""What is told before the first run: how long it takes, and what so many seeds show."""

from dataclasses import replace
from typing import Any

import pytest

from dlexp.compare import duration, prospect
from dlexp.compare.there import There
from dlexp.config.compose import compose
from dlexp.errors import UserError
from dlexp.find import trial
from dlexp.metric import LOSS, Metric
from dlexp.report.reading.plan import Plan, Tuning
from dlexp.report.statistics import Sample, paired, sample, visible, visible_in_pairs
from dlexp.report.words import in_range
from dlexp.sweep.forecast import forecasts

ACCURACY = Metric(unit="%", higher_is_better=True)

PLAN = Plan(
    **{"question": None, "command": "", "arms": {"a": [], "b": [], "c": []}, "shared": [], "reference": "a"},
    **{"seeds": [1, 2, 3], "metric": "test/accuracy", "margin": None, "hypothesis": None, "size": None},
    **{"picture": None, "tuning": None, "runs": {}, "trials": {}, "looks": []},
)
TUNED = replace(PLAN, tuning=Tuning(["optimizer.lr"], {}, 4, "qmc", 0, 0, {}, {}, {}))
PAIRED = ["data.split_seed=${seed}"]


NOTHING = There({}, {}, 0, 0, {})


def there_of(values: dict[str, list[float]]) -> There:
    """Returns a comparison of which final runs with these values have finished, seeds from 1 on."""
    found = {arm: {seed: {"test/accuracy": value} for seed, value in enumerate(its, 1)} for arm, its in values.items()}
    return replace(NOTHING, values=found)


@pytest.mark.parametrize(("at_once", "told"), [(1, "45 s"), (2, "25 s"), (4, "15 s")])
def test_the_time_is_that_of_runs_at_the_same_time(at_once: int, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prospect, "seconds_of", lambda runs, expected: (dict.fromkeys(runs, 5.0), {"earlier"}))
    there = replace(NOTHING, finals=dict.fromkeys("abc", [compose([])] * 3))
    also = f"; {at_once} run at a time" if at_once > 1 else ""
    assert prospect.time_in_words(PLAN, there, {}, at_once=at_once) == f"about {told}, as finished ones took{also}"


def test_the_time_of_each_arm_counts_as_often_as_it_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    """Further trials where a range may grow make it a range of times."""
    seconds = {("a", "finals"): 100.0, ("b", "finals"): 10.0, ("c", "finals"): 10.0}
    seconds |= {(arm, "trials"): 5.0 for arm in "abc"}
    known_by = {"short"}
    monkeypatch.setattr(
        prospect, "seconds_of", lambda runs, expected: ({each: seconds[each] for each in runs}, known_by)
    )
    run = compose([])
    left = replace(NOTHING, finals={"a": [run], "b": [run] * 3})
    assert prospect.time_in_words(PLAN, left, {}, at_once=1) == "about 2 min, measured on short trainings just now"
    left = There(dict.fromkeys("abc", [run] * 4), {"a": [], "b": [run]}, 0, 0, {})
    spaces = {arm: {"optimizer.lr": "tag(log,interval(0.001,1))"} for arm in "abc"}
    assert TUNED.tuning is not None
    plan = replace(TUNED, tuning=replace(TUNED.tuning, spaces=spaces))
    told = prospect.time_in_words(plan, left, {}, at_once=1)
    assert told == "about 70 s to 2 min, measured on short trainings just now", (
        "60 s of trials, 10 s of b, 30 s of further trials"
    )
    known_by.add("steps")
    assert "besides start and evaluation" in prospect.time_in_words(plan, left, {}, at_once=1)


def test_a_hypothesis_about_two_other_arms_is_one_comparison_more(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    monkeypatch.setattr(prospect, "visible_in_deviations", lambda n, comparisons: counts.append(comparisons) or 1.0)
    for hypothesis in (None, "b beats c", "b beats a", "all is well"):
        prospect.visible_in_words(replace(PLAN, hypothesis=hypothesis), {}, LOSS, 0, NOTHING)
    assert counts == [2, 3, 2, 2]


def test_a_slip_in_the_name_of_an_arm_is_refused_and_free_text_is_none() -> None:
    with pytest.raises(UserError, match="there is no arm 'Adma'. Did you mean 'adam'"):
        prospect.refuse_misnamed("Adma beats SGD", ["sgd", "adam"])
    for text in ("all will be well", "my method beats yours", "SGD beats Adam", "adam beats them"):
        prospect.refuse_misnamed(text, ["sgd", "adam"])


def test_what_is_seen_is_told_with_the_test_that_it_is_of(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = {name: compose(["model=mlp", "data=iris", *words]) for name, words in (("a", []), ("b", PAIRED))}
    of_pairs, found = "the report takes the paired one", "how far runs scatter at the settings found shows only then"
    for own, is_paired in ((["a"], False), (["a", "b"], False), (["b"], True)):
        told = prospect.visible_in_words(PLAN, {name: runs[name] for name in own}, LOSS, 0, NOTHING)
        assert (of_pairs in told) == is_paired and found not in told, told
    told = prospect.visible_in_words(TUNED, runs, LOSS, 0, NOTHING)
    assert f"standard deviations of a run on, 8 times in 10; {found}" in told, told


def test_what_is_seen_is_that_of_the_runs_that_have_finished() -> None:
    """Of each comparison its own, as the report counts them: by pairs where the seed draws the data."""
    values = {"a": [0.90, 0.92, 0.91], "b": [0.900, 0.921, 0.911], "c": [0.5, 0.9, 0.7]}
    told = prospect.visible_in_words(TUNED, {}, ACCURACY, 0, there_of(values))
    of = [visible(Sample(3, 0.0, sample(values["a"]).variance), sample(values[arm]), 2) for arm in "bc"]
    least = in_range([100 * (each or 0.0) for each in of])
    whose = "if runs scatter as those of this comparison that have finished do"
    assert told == f"3 seeds an arm show differences from roughly {least} points on, 8 times in 10, {whose}", told
    run = compose(["model=mlp", "data=iris", *PAIRED])
    told = prospect.visible_in_words(PLAN, dict.fromkeys("abc", run), ACCURACY, 0, there_of(values))
    in_pairs = [visible_in_pairs(paired(values["a"], values[arm]), 2) for arm in "bc"]
    assert f"roughly {in_range([100 * (each or 0.0) for each in in_pairs])} points on" in told and "Welch" not in told


def test_a_short_training_tells_where_nothing_is_known(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = compose(["model=mlp", "data=spiral", "threads=1", "epochs=2", "pictures=false", "dry_run=true"])
    expected = forecasts([run, run])
    seconds, known_by = duration.seconds_of({"a": run, "b": run}, dict(zip("ab", expected, strict=True)))
    assert known_by == {"short"} and seconds["a"] == seconds["b"] and 0.05 < (seconds["a"] or 0) < 100
    assert list(tmp_path.iterdir()) == []


def test_steps_are_timed_with_the_threads_that_a_run_would_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny model takes one thread by itself: with all cores it looked ten times as slow where these were busy."""
    asked: list[Any] = []
    monkeypatch.setattr(duration, "attempt", lambda config, *words: asked.extend([config["threads"], words[-1]]))
    assert duration._seconds_a_step(compose(["n_jobs=2", "device=cpu"])) is None and asked == [None, 2]


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
