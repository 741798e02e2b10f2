"""What is told before the first run: how long it takes, and what so many seeds show."""

from dataclasses import replace
from pathlib import Path
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
from dlexp.sweep.earlier import Earlier
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
def test_the_time_is_that_of_runs_at_the_same_time(at_once: int, told: str) -> None:
    there = replace(NOTHING, finals=dict.fromkeys("abc", [compose([])] * 3))
    each = dict.fromkeys(there.first_of_each(), 5.0)
    also = f"; {at_once} run at a time" if at_once > 1 else ""
    assert prospect.time_in_words(PLAN, there, each, {"earlier"}, {}, at_once=at_once) == (
        f"about {told}, as finished ones took{also}"
    )


def test_the_time_of_each_arm_counts_as_often_as_it_trains() -> None:
    """Further trials where a range may grow make it a range of times."""
    seconds = {("a", "finals"): 100.0, ("b", "finals"): 10.0, ("c", "finals"): 10.0}
    seconds |= {(arm, "trials"): 5.0 for arm in "abc"}
    run = compose([])
    left = replace(NOTHING, finals={"a": [run], "b": [run] * 3})
    assert (
        prospect.time_in_words(PLAN, left, seconds, {"short"}, {}, at_once=1)
        == "about 2 min, measured on short trainings just now"
    )
    left = There(dict.fromkeys("abc", [run] * 4), {"a": [], "b": [run]}, 0, 0, {})
    spaces = {arm: {"optimizer.lr": "tag(log,interval(0.001,1))"} for arm in "abc"}
    assert TUNED.tuning is not None
    plan = replace(TUNED, tuning=replace(TUNED.tuning, spaces=spaces))
    told = prospect.time_in_words(plan, left, seconds, {"short"}, {}, at_once=1)
    assert told == "about 70 s to 2 min, measured on short trainings just now", (
        "60 s of trials, 10 s of b, 30 s of further trials"
    )
    told = prospect.time_in_words(plan, left, seconds, {"short", "steps"}, {}, at_once=1)
    assert "besides start and evaluation" in told


def test_a_hypothesis_about_two_other_arms_is_one_comparison_more(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    monkeypatch.setattr(prospect, "visible_in_deviations", lambda n, comparisons: counts.append(comparisons) or 1.0)
    for hypothesis in (None, "b beats c", "b beats a", "all is well"):
        prospect.visible_in_words(replace(PLAN, hypothesis=hypothesis), {}, LOSS, 0, NOTHING)
    assert counts == [2, 3, 2, 2]


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
    seconds, known_by, _ = duration.seconds_of({"a": run, "b": run}, dict(zip("ab", expected, strict=True)))
    assert known_by == {"short"} and seconds["a"] == seconds["b"] and 0.05 < (seconds["a"] or 0) < 100
    assert list(tmp_path.iterdir()) == []


def test_steps_are_timed_with_the_threads_that_a_run_would_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny model takes one thread by itself: with all cores it looked ten times as slow where these were busy."""
    asked: list[Any] = []
    monkeypatch.setattr(duration, "attempt", lambda config, *words: asked.extend([config["threads"], words[-1]]))
    with pytest.raises(UserError, match="does not fit in memory"):
        duration._seconds_a_step(compose(["n_jobs=2", "device=cpu"]))
    assert asked == [None, 2]


def test_a_rate_that_diverges_takes_the_pace_of_others(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried first and fails; the end of a run is learned from one that does not."""
    monkeypatch.chdir(tmp_path)
    rates = {"wild": 10, "calm": 0.1, "calmer": 0.01}
    words = ["model=mlp", "data=spiral", "optimizer=sgd", "epochs=2", "batch_size=100"]
    runs = {name: compose([*words, f"optimizer.lr={lr}"]) for name, lr in rates.items()}
    runs["adam"] = compose([*words, "optimizer=adam", "optimizer.lr=10"])
    timed, ended = [], []

    def seconds_a_step(run: Any) -> float:
        timed.append(run.config["optimizer"]["lr"])
        if timed[-1] == 10 or all_fail:
            raise UserError("the loss became nan")
        return 0.5

    def besides(run: Any, num_steps: int, forecast: Any) -> tuple[float, float]:
        ended.append(run.config["optimizer"]["lr"])
        return 1.0, 0.0

    def time_of(*names: str) -> str:
        arms = dict(zip("abc", names, strict=False))
        left = replace(NOTHING, finals={arm: [runs[name]] for arm, name in arms.items()})
        forecast = {(arm, "finals"): expected[name] for arm, name in arms.items()}
        return prospect.time_in_words(PLAN, left, *duration.seconds_of(left.first_of_each(), forecast), at_once=1)

    monkeypatch.setattr(duration, "_seconds_a_step", seconds_a_step)
    monkeypatch.setattr(duration, "_besides", besides)
    expected = dict(zip(runs, forecasts(list(runs.values())), strict=True))
    all_fail = False
    seconds, _, why = duration.seconds_of(runs, expected)
    steps = expected["calm"].steps or 0
    assert set(seconds.values()) == {0.5 * steps + 1} and why == {"adam": "the loss became nan"}
    assert timed == [10, 0.1, 10] and ended == [0.1], "one rate of sgd is timed, and adam's only one tried"
    told = time_of("calm", "adam")
    assert "; at the pace of others, without a timing of its own: b (the loss became nan)" in told, told
    all_fail = True
    seconds, _, why = duration.seconds_of(runs, expected)
    assert set(seconds.values()) == {None} and set(why.values()) == {"the loss became nan"}
    told = time_of("wild")
    assert told == "how long it takes is not known: no run of a has finished here yet, and the loss became nan"


def test_a_method_of_one_step_is_timed_whole(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["experiment=linear_regression", "watch=none", "pictures=false", "threads=1", "dry_run=true"]
    run = compose([*words, "method=least_squares"])
    (expected,) = forecasts([run])
    seconds, known_by, _ = duration.seconds_of({"a": run}, {"a": expected})
    assert expected.steps == 1 and known_by == {"short"} and 0.01 < (seconds["a"] or 0) < 100
    monkeypatch.setattr(duration, "_besides", lambda *_: None)
    seconds, _, why = duration.seconds_of({"a": run}, {"a": expected})
    assert seconds == {"a": None} and "its one step" in why["a"]


@pytest.mark.parametrize("is_dry", [True, False])
def test_steps_of_a_dry_run_keep_nothing(is_dry: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from dlexp.data.stream import kept_figures
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


@pytest.mark.slow
def test_arms_of_which_only_some_have_the_compared_split_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The forecast promised one thing, and the report compared another."""
    monkeypatch.setattr(prospect, "seconds_of", lambda *_: ({}, set(), {}))
    monkeypatch.setattr(prospect, "time_in_words", lambda *_, **__: "")

    def told(words: str, *, metric: str = "test/accuracy", **values: dict[int, dict[str, float]]) -> None:
        runs = {
            arm: compose(["model=mlp", "data=iris", *own.split()])
            for arm, own in zip("ab", words.split("|"), strict=True)
        }
        left = {arm: [run] for arm, run in runs.items() if arm not in values}
        prospect.tell(
            replace(PLAN, metric=metric, arms={"a": [], "b": []}), runs, ACCURACY, [], There({}, left, 0, 0, values)
        )

    refused = "the data of b has no {} split, and that of a has one: all arms are measured alike, or none; {}"
    with pytest.raises(UserError, match=refused.format("test", "test=false compares all in validation")):
        told("data.test_size=0.2|data.test_size=0")
    with pytest.raises(UserError, match=refused.format("test", "test=false")):
        told("data.test_size=0.2|data.test_size=0", a={1: {"test/accuracy": 0.9}})
    no_test = "data.test_size=0|data.test_size=0 data.val_size=0"
    for metric in ("test/accuracy", "val/accuracy"):
        with pytest.raises(UserError, match=refused.format("validation", "data.val_size=0.1 gives each one")):
            told(no_test, metric=metric)
    told("data.test_size=0.2|data.test_size=0", metric="val/accuracy")
    told("data.test_size=0|data.test_size=0")


def test_what_has_finished_is_read_once_for_all_arms(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = {name: compose(["model=mlp", "data=iris", f"optimizer={name}"]) for name in ("sgd", "adam")}
    ended = [
        Earlier(Path(), {**run.config, "seed": seed}, {"metrics": {"test/accuracy": seed / 10}})
        for seed in (3, 4)
        for run in runs.values()
    ]
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(prospect, "finished_runs", lambda _, *pair: asked.append(pair) or ended)
    assert prospect._earlier(PLAN, runs) == dict.fromkeys(runs, {3: 0.3, 4: 0.4}) and asked == [("mlp", "iris")]


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
