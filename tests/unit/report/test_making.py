"""From made run folders to an answer: metric, arms, numbers, what is left out."""

import itertools
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import child_environment
from made_answers import plan_of
from made_runs import made_run, made_sweep
from scipy import stats

from dlexp.console import wording
from dlexp.errors import UserError
from dlexp.records.folder import DATA, METRICS, RECORD
from dlexp.report import tables
from dlexp.report.making import make_answer
from dlexp.report.page.layout import page
from dlexp.report.plan_lines import plan_lines
from dlexp.report.reading.plan import Plan, Tuning, write_plan
from dlexp.report.shown import what_is_seen

ARMS = {"sgd": {"optimizer": "sgd"}, "adam": {"optimizer": "adam"}}
SGD, ADAM = [0.9633, 0.9662, 0.9652, 0.9668, 0.9642], [0.9666, 0.9670, 0.9666, 0.9692, 0.9684]
MAE = {
    "loss": {"unit": "", "higher_is_better": False, "title": ""},
    "mae": {"unit": "", "higher_is_better": False, "title": "mean absolute error"},
}


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return made_sweep(tmp_path / "sweep", ARMS, {"sgd": SGD, "adam": ADAM})


def test_an_answer_holds_the_numbers_of_scipy(sweep: Path) -> None:
    answer = make_answer([sweep], against="sgd")
    known = stats.ttest_ind(ADAM, SGD, equal_var=False)
    (found,) = answer.differences
    assert (answer.metric, answer.reference, answer.varied) == ("test/accuracy", "sgd", ["optimizer"])
    assert [arm.name for arm in answer.arms] == ["adam", "sgd"], "best first"
    assert found.p == pytest.approx(known.pvalue) and found.verdict == "better"
    assert (found.low, found.high) == pytest.approx(tuple(known.confidence_interval()))
    adam = answer.arms[0]
    assert adam.values == ADAM and adam.std == pytest.approx(np.std(ADAM, ddof=1))
    assert (adam.interval.low, adam.interval.high) == pytest.approx(
        stats.t.interval(0.95, 4, np.mean(ADAM), stats.sem(ADAM))
    )
    assert (adam.seconds, adam.parameters, answer.decimals) == (10.0, 17283, 2)
    assert adam.others["val/accuracy"].mean == pytest.approx(np.mean(ADAM) - 0.005)
    assert answer.constant["data"] == "spiral" and answer.machine["torch"] == "2.15.0"


def test_the_same_folders_give_the_same_answer(sweep: Path) -> None:
    assert make_answer([sweep]) == make_answer([sweep])


def test_validation_is_compared_where_a_run_has_no_test_value(sweep: Path) -> None:
    metrics = {"train/loss": 0.1, "val/loss": 0.2, "val/accuracy": 0.95}
    made_run(sweep / "adam_seed-5", seed=5, settings=ARMS["adam"], metrics=metrics)
    answer = make_answer([sweep])
    assert answer.metric == "val/accuracy" and len(answer.arms[0].values) + len(answer.arms[1].values) == 11
    assert any(
        "Validation accuracy is compared, since not all runs have a test value." in each for each in answer.method
    )
    answer = make_answer([sweep], metric="test/accuracy")
    assert [each.reason for each in answer.troubles] == ["has no test/accuracy"]


def test_another_metric_has_its_own_direction(sweep: Path) -> None:
    for seed in range(3):
        path = sweep / f"sgd_seed-{seed}" / RECORD
        record = json.loads(path.read_text(encoding="utf-8"))
        record["metrics"]["test/loss"] = 0.1 + 0.01 * seed
        path.write_text(json.dumps(record), encoding="utf-8")
    answer = make_answer([sweep], metric="loss")
    assert answer.metric == "test/loss" and answer.arms[0].name == "sgd"
    assert answer.sentences[0].startswith("Test loss (lower is better): ")


@pytest.mark.parametrize("num_seeds", [1, 5])
def test_losses_that_are_different_measures_get_no_verdict(num_seeds: int, tmp_path: Path) -> None:
    for number, name in enumerate(["mse", "huber", "own"]):
        for seed in range(num_seeds):
            value = 1 + number / 2 + seed / 100
            metrics = {"val/loss": value, "val/mae": 2.0 + seed, "test/loss": value, "test/mae": 2.1 + seed}
            settings = {"criterion": name, "task.targets": "values"}
            facts: dict[str, Any] = {"metric": "val/loss", "measures": MAE, "metrics": metrics, "settings": settings}
            made_run(tmp_path / f"{name}-{seed}", seed=seed, **facts)
    answer, text = make_answer([tmp_path]), " ".join(make_answer([tmp_path]).sentences)
    assert answer.metric == "test/loss" and {each.value for each in answer.differences} == {None}
    assert {each.why_not for each in answer.differences} == {"losses that differ in criterion can't be compared"}
    assert "--metric mae compares them" in text and "order" not in text, text
    assert any(each.verdict for each in make_answer([tmp_path], metric="mae").differences) == (num_seeds > 1)


def test_losses_in_other_units_get_no_verdict(tmp_path: Path) -> None:
    for seed, is_standardised in itertools.product(range(2), [True, False]):
        settings = {"task.standardise": is_standardised, "task.targets": "values"}
        facts: dict[str, Any] = {"metric": "val/loss", "settings": settings, "seed": seed}
        made_run(tmp_path / f"{is_standardised}-{seed}", 1 + seed / 10, **facts)
    (found,) = make_answer([tmp_path]).differences
    assert found.why_not == "losses that differ in task.standardise can't be compared"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"metric": "f1"}, "no run has the metric 'f1'. There are: test/accuracy,"),
        ({"metric": "acuracy"}, r"no run has the metric 'acuracy'. Did you mean 'accuracy'\? There are: test/accu"),
        ({"metric": "val/los"}, r"Did you mean 'val/loss'\?"),
        ({"metric": "val/f1"}, "no run has the metric 'val/f1'"),
        ({"against": "adm"}, "there is no arm 'adm'; arms are adam, sgd"),
        ({"margin": 0.0}, "margin=0 must be above 0"),
        ({"margin": float("nan")}, "margin=nan must be above 0"),
        ({"reach": 0.95}, "reach=0.95 is in per cent, so it must lie above 1 and up to 100; 95 means 95 %"),
        ({"against": "adam", "all_pairs": True}, "not both"),
        ({"where": ["optimizer=lion"]}, "leaves no run"),
    ],
)
def test_what_can_not_be_asked_is_a_sentence(sweep: Path, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        make_answer([sweep], **options)


def test_a_metric_that_runs_do_not_agree_on_is_refused(sweep: Path) -> None:
    for path in sorted(sweep.glob(f"adam*/{RECORD}")):
        text = path.read_text(encoding="utf-8").replace('"higher_is_better": true', '"higher_is_better": false')
        path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="the runs do not agree on unit and direction of 'test/accuracy'"):
        make_answer([sweep])


def test_failed_and_diverged_runs_are_counted_and_rank_behind(tmp_path: Path) -> None:
    arms = {**ARMS, "adamw": {"optimizer": "adamw"}}
    values: dict[str, Sequence[float | str]] = {"sgd": SGD, "adam": [0.99, "diverged", 0.99], "adamw": ["failed"] * 2}
    answer = make_answer([made_sweep(tmp_path / "sweep", arms, values)], against="sgd")
    assert [(arm.name, arm.num_failed, arm.num_diverged) for arm in answer.arms] == [
        ("sgd", 0, 0),
        ("adam", 0, 1),
        ("adamw", 2, 0),
    ]
    assert [each.verdict for each in answer.differences] == [None, None]


def test_a_finished_run_with_a_loss_that_is_no_number_is_diverged(sweep: Path) -> None:
    metrics = {"train/loss": None, "val/loss": None, "val/accuracy": 0.5, "test/loss": None, "test/accuracy": 0.5}
    made_run(sweep / "adam_seed-5", seed=5, settings=ARMS["adam"], metrics=metrics)
    adam = make_answer([sweep]).arms[-1]
    assert (adam.name, adam.num_diverged, len(adam.values)) == ("adam", 1, 5)


def test_runs_that_are_not_at_their_end_make_it_a_look_in_between(sweep: Path) -> None:
    made_run(sweep / "adam_seed-5", seed=5, settings=ARMS["adam"], state="stopped")
    made_run(sweep / "adam_seed-6", seed=6, settings=ARMS["adam"], state="pruned")
    made_run(sweep / "again", seed=4, settings=ARMS["adam"], state="stopped")
    answer = make_answer([sweep])
    assert answer.num_unfinished == 1, "a pruned one is no result of its own, and seed 4 has finished elsewhere"
    assert any("One run is not at the end and not counted" in each for each in answer.sentences)
    assert len(answer.troubles) == 3


def test_nothing_that_has_ended_is_a_sentence(tmp_path: Path) -> None:
    made_run(tmp_path / "run", state="stopped")
    comparison = made_comparison(tmp_path / "compare", {"sgd": [], "adam": ["stopped"]})
    for folder in (tmp_path / "run", comparison):
        with pytest.raises(UserError, match="is at its end, so there is nothing to report yet"):
            make_answer([folder])


def test_reaching_a_value_is_counted_in_epochs_steps_and_seconds(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    made_run(folder / "a", settings=ARMS["sgd"], curve=[0.5, 0.8, 0.9, 0.85], seconds=40)
    made_run(folder / "b", settings=ARMS["adam"], curve=[0.5, 0.6])
    by_name = {arm.name: arm for arm in make_answer([folder], reach=80).arms}
    assert by_name["sgd"].reached == [{"epochs": 2, "steps": 80, "seconds": pytest.approx(20)}]
    assert by_name["adam"].reached == [None]


def test_text_where_a_number_belongs_is_no_number(sweep: Path) -> None:
    for path in sweep.glob("sgd*/metrics.jsonl"):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        rows = [row | {"time/train": "soon", "time/val": True} | {"val/accuracy": "much"} for row in rows[:1]] + rows[
            1:
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    answer = make_answer([sweep], reach=60)
    reached = {arm.name: arm.reached[0] for arm in answer.arms}
    assert reached["sgd"] is not None and reached["adam"] is not None
    assert reached["sgd"]["epochs"] == 2 and reached["sgd"]["seconds"] == pytest.approx(10 / 3)


def test_without_a_choice_the_reference_is_the_first_arm_that_is_whole(tmp_path: Path) -> None:
    arms = {**ARMS, "adamw": {"optimizer": "adamw"}}
    values: dict[str, Sequence[float | str]] = {"sgd": SGD, "adam": [*ADAM[:4], "diverged"], "adamw": SGD}
    folder = made_sweep(tmp_path / "sweep", arms, values)
    answer = make_answer([folder])
    assert answer.reference == "adamw" and answer.reference_is == "moved" and answer.comparisons == 2
    told = "None was chosen, so all arms are held against adamw, the first one without failures."
    assert told in answer.sentences
    chosen = make_answer([folder], against="adam")
    assert chosen.reference == "adam" and chosen.reference_is == "chosen"
    assert "All arms are held against adam; another reference can be named." in chosen.sentences
    values = dict.fromkeys(values, ["diverged", 0.9])
    assert make_answer([made_sweep(tmp_path / "none", arms, values)]).reference_is == "first"


def test_intervals_that_differ_by_decades_have_their_own_decimals(tmp_path: Path) -> None:
    values = {"sgd": [29.1, 33.2, 26.5], "adam": [0.00012, 0.00014, 0.00013]}
    folder = made_sweep(tmp_path / "sweep", ARMS, values, metric="val/mae", measures=MAE)
    answer = make_answer([folder], against="sgd")
    adam, sgd = tables.arms_table(answer).rows
    assert (adam[1], sgd[1]) == ("0.000130 ± 0.000025", "29.6 ± 8.4")
    assert "adam 0.000130, sgd 29.6. Difference: −29.6 (95 % interval −38.0 to −21.2; p =" in answer.sentences[1]
    assert (
        wording.fixed(9.667557e17, answer.facts, 4) == "9.668e+17" and wording.fixed(-4e-4, answer.facts, 2) == "0.00"
    )
    html = page(answer)
    assert "29.6 ± 8.4" in html and "0.000130 ± 0.000025" in html


def test_a_gap_that_is_not_that_of_the_rounded_means_is_explained(tmp_path: Path) -> None:
    told = "Differences are taken of the means before these are rounded."
    for sgd, adam, gap in ((0.997435, 0.997873, "+0.04"), (0.9974, 0.9979, "+0.05")):
        values = {name: [mean - 0.0006, mean, mean + 0.0006] for name, mean in (("sgd", sgd), ("adam", adam))}
        answer = make_answer([made_sweep(tmp_path / gap, ARMS, values)], against="sgd")
        assert f"adam 99.79 %, sgd 99.74 %. Difference: {gap} points" in answer.sentences[1]
        assert (told in answer.method) is (gap == "+0.04")


def test_a_lower_value_is_reached_from_above(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "a", 3.0, curve=[9.0, 4.0, 3.0], measures=MAE, metric="val/mae")
    (arm,) = make_answer([folder], reach=4.5).arms
    assert arm.reached[0] is not None and arm.reached[0]["epochs"] == 2


def test_the_test_sets_own_error_is_that_of_a_share_of_right_answers(sweep: Path) -> None:
    assert make_answer([sweep]).test_error is None, "nothing says that each sample has one answer"
    answer = make_answer([with_class_counts(sweep)])
    p = np.mean(ADAM)
    assert answer.test_error == pytest.approx((p * (1 - p) / 3000) ** 0.5) and answer.num_test == 3000
    assert any("test accuracy of 96.76 %, the mean of adam, is known" in each for each in answer.scope)
    assert make_answer([sweep], metric="loss").test_error is None


def test_seeds_that_draw_the_split_are_paired(tmp_path: Path) -> None:
    for name, values in (("sgd", [0.90, 0.93, 0.88, 0.95]), ("adam", [0.903, 0.934, 0.884, 0.953])):
        for seed, value in enumerate(values):
            made_run(tmp_path / f"{name}-{seed}", value, seed=seed, settings={**ARMS[name], "data.split_seed": seed})
    answer = make_answer([tmp_path], against="sgd")
    assert (answer.paired_by, answer.varied) == (["data.split_seed"], ["optimizer"])
    assert (answer.differences[0].test, answer.differences[0].verdict) == ("paired t", "better")
    assert answer.differences[0].ahead == 4
    assert any("since with the seed goes data.split_seed" in each for each in answer.method)


def with_class_counts(folder: Path) -> Path:
    """Makes the accuracy of runs a share of right answers, one a sample."""
    for path in folder.rglob(DATA):
        facts = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(facts | {"class_counts": {"test": [1000, 1000, 1000]}}), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("key", "facts", "settings", "is_drawn"),
    [
        ("data.split_seed", {}, {}, False),
        ("data.split_seed", {"held_out": ["data.test_size", "data.val_size"]}, {}, True),
        ("data.split_seed", {"num_test": 500}, {"data.limit": 500}, True),
        ("data.split_seed", {"num_test": 400}, {"data.limit": 500}, False),
        ("data.data_seed", {}, {}, True),
        ("init_from", {}, {}, False),
    ],
)
def test_a_test_set_that_all_runs_share_has_an_error_of_its_own(
    tmp_path: Path, key: str, facts: dict[str, Any], settings: dict[str, Any], is_drawn: bool
) -> None:
    for name, values in (("sgd", SGD), ("adam", ADAM)):
        for seed, value in enumerate(values):
            own = {**ARMS[name], **settings, key: seed}
            made_run(tmp_path / f"{name}-{seed}", value, seed=seed, settings=own, **facts)
    answer = make_answer([with_class_counts(tmp_path)])
    assert answer.paired_by == [key] and answer.is_drawn == is_drawn
    assert (answer.test_error is None) == is_drawn
    assert any("an error that all runs share" in each for each in answer.scope) != is_drawn
    assert any("which overlap, and not of new samples" in each for each in answer.scope) == (
        is_drawn and key == "data.split_seed"
    )
    assert any("with one test set for all" in each for each in answer.scope) == (
        not is_drawn and key == "data.split_seed"
    )
    assert make_answer([tmp_path], metric="val/accuracy").is_drawn == (key != "init_from")


def test_an_arm_from_scratch_leaves_the_others_paired(tmp_path: Path) -> None:
    for name, values in (("sgd", SGD), ("adam", ADAM)):
        for seed, value in enumerate(values):
            own = {**ARMS[name], "init_from": f"pre/{seed}"}
            made_run(tmp_path / f"{name}-{seed}", value, seed=seed, settings=own)
    for seed, value in enumerate(SGD):
        made_run(tmp_path / f"adamw-{seed}", value, seed=seed, settings={"optimizer": "adamw"})
    answer = make_answer([tmp_path], all_pairs=True)
    assert sorted(each.test or "" for each in answer.differences) == ["Welch", "Welch", "paired t"]
    assert answer.paired_by == ["init_from"]
    assert any(
        "since with the seed goes init_from, the same in both arms; where two arms have no such pairs, Welch’s t-test."
        in each
        for each in answer.method
    )
    assert any(each.startswith("In some arms each seed has its own init_from:") for each in answer.scope)


def test_folds_have_means_and_no_verdict(tmp_path: Path) -> None:
    for name, values in (("sgd", SGD), ("adam", ADAM)):
        for fold, value in enumerate(values):
            made_run(tmp_path / f"{name}-{fold}", value, settings={**ARMS[name], "data.folds": 5, "data.fold": fold})
    answer = make_answer([tmp_path], against="sgd")
    assert answer.folds and answer.differences[0].verdict is None and answer.arms[0].interval.low is None
    assert answer.sentences[0].startswith("Test accuracy, means over folds and no verdict: adam 96.76 %; sgd 96.51 %.")
    assert "adam is ahead of sgd in 5 of 5 folds." in answer.sentences


def test_the_seconds_of_an_arm_are_the_median_of_its_runs(tmp_path: Path) -> None:
    for seed, seconds in enumerate([1.0, 3.0, 100.0]):
        made_run(tmp_path / str(seed), SGD[seed], seed=seed, seconds=seconds)
    assert make_answer([tmp_path]).arms[0].seconds == 3.0


def test_runs_of_different_code_say_so(sweep: Path) -> None:
    made_run(sweep / "adam_seed-5", 0.97, seed=5, settings=ARMS["adam"], code="another")
    assert "Not all runs were made by the same code, so a difference may come from that." in make_answer([sweep]).scope


def made_comparison(folder: Path, values: dict[str, Sequence[float | str]], **changes: Any) -> Path:
    """Makes the folder of a comparison: final runs from seed 1 on, two trials of each arm, and its plan."""
    for name, own in values.items():
        settings = {**ARMS[name], "optimizer.lr": 0.01 if name == "adam" else 0.5}
        for seed, value in enumerate(own, start=1):
            given: dict[str, Any] = {"state": value} if isinstance(value, str) else {"value": value}
            made_run(folder / name / f"seed-{seed}", seed=seed, settings=settings, **given)
        for trial in range(2):
            lower = {**ARMS[name], "optimizer.lr": 0.001 * (trial + 1)}
            made_run(folder / f"tune-{name}" / str(trial), 0.99, settings=lower)
    seeds = [1, 2, 3, 4, 5]
    chosen = {"sgd": ["optimizer.lr=0.5"], "adam": ["optimizer.lr=0.01"]}
    tuning = Tuning(["optimizer.lr"], {}, 2, "sobol", 0, 0, {}, chosen, {})
    words: dict[str, Any] = {
        "question": "SGD or Adam?",
        "command": "python -m dlexp compare optimizer=sgd,adam",
        "arms": {name: [f"optimizer={name}"] for name in values},
        "shared": ["model=mlp"],
        "reference": "sgd",
        "seeds": seeds,
        "metric": "test/accuracy",
        "margin": 0.5,
        "hypothesis": "Adam beats SGD",
        "size": None,
        "picture": None,
        "tuning": tuning,
        "runs": {name: {str(seed): f"{name}/seed-{seed}" for seed in seeds} for name in values},
        "trials": {name: [f"tune-{name}/0", f"tune-{name}/1"] for name in values},
        "looks": [seeds],
    }
    write_plan(folder, Plan(**(words | changes)))
    return folder


def test_a_comparison_is_reported_as_planned(tmp_path: Path) -> None:
    answer = make_answer([made_comparison(tmp_path / "compare", {"sgd": SGD, "adam": ADAM})])
    assert (answer.title, answer.reference, answer.margin) == ("SGD or Adam?", "sgd", 0.5)
    assert [arm.name for arm in answer.arms] == ["adam", "sgd"] and [len(arm.runs) for arm in answer.arms] == [5, 5]
    assert {name: len(runs) for name, runs in answer.trials.items()} == {"sgd": 2, "adam": 2}
    assert answer.arms[0].words == ["optimizer=adam", "optimizer.lr=0.01", "model=mlp"]
    assert answer.exploratory is None and answer.comparisons == 1
    assert answer.sentences[0] == (
        "Test accuracy, at the settings each found: adam is better than sgd by less than 0.5 points."
    )
    assert "Hypothesis “Adam beats SGD”: supported, by less than 0.5 points." in answer.sentences
    assert any("each had two trials of optimizer.lr on one seed" in each for each in answer.scope)

    flatters = "validation samples that chose their settings, which flatters them"
    assert not any(flatters in each for each in answer.scope)
    on_validation = made_comparison(tmp_path / "val", {"sgd": SGD, "adam": ADAM}, metric="val/accuracy")
    assert any(flatters in each for each in make_answer([on_validation]).scope)


@pytest.mark.parametrize(
    ("key", "held_out", "was_seen"),
    [
        ("data.split_seed", ["data.test_size", "data.val_size"], True),
        ("data.split_seed", ["data.val_size"], False),
        ("data.data_seed", ["data.test_size"], False),
        ("model.width", ["data.test_size"], False),
    ],
)
def test_a_test_set_that_each_seed_draws_is_not_sealed_while_tuning(
    key: str, held_out: list[str], was_seen: bool, tmp_path: Path
) -> None:
    folder = made_comparison(tmp_path / "compare", {"sgd": SGD, "adam": ADAM})
    for name, seed in itertools.product(ARMS, range(1, 6)):
        value = (SGD if name == "sgd" else ADAM)[seed - 1]
        settings = {**ARMS[name], "optimizer.lr": 0.1, "data.split_seed": 0, key: seed}
        made_run(folder / f"{name}-{seed}", value, seed=seed, settings=settings, held_out=held_out)
    runs = {name: {str(seed): f"{name}-{seed}" for seed in range(1, 6)} for name in ARMS}
    write_plan(folder, replace(plan_of(folder), runs=runs))
    answer = make_answer([folder])
    lines = {name: done for name, _, done in plan_lines(answer, plan_of(folder))}
    assert lines["test set"].startswith("Not sealed") == was_seen, lines
    assert any("that tuning never saw" in each for each in answer.scope) == was_seen


def test_the_margin_is_that_of_the_planned_metric(tmp_path: Path) -> None:
    folder = made_comparison(tmp_path / "compare", {"sgd": SGD, "adam": ADAM})
    for place, path in enumerate(sorted(folder.glob(f"*/seed-*/{RECORD}"))):
        record = json.loads(path.read_text(encoding="utf-8"))
        record["metrics"]["test/loss"] = 0.2 + 0.1 * record["seed"] * (place % 2)
        path.write_text(json.dumps(record), encoding="utf-8")
    answer = make_answer([folder], metric="loss")
    assert answer.margin is None and not any(each.below_margin for each in answer.differences)
    assert "metric test/loss instead of test/accuracy; margin none instead of 0.5" in (answer.exploratory or "")
    assert make_answer([folder], metric="loss", margin=0.5).margin == 0.5, "typed for this metric"


def test_seeds_that_were_added_stand_beside_those_planned(tmp_path: Path) -> None:
    folder = made_comparison(tmp_path, {"sgd": SGD, "adam": ADAM}, late=[4, 5], looks=[[1, 2, 3], [1, 2, 3, 4, 5]])
    answer = make_answer([folder])
    (line,) = ((plan, done) for name, plan, done in plan_lines(answer, plan_of(folder)) if name == "final runs")
    assert line[0] == "three runs an arm, seeds 1 to 3" and line[1].startswith("10 finished; seeds 4 and 5 added. Expl")
    write_plan(folder, replace(plan_of(folder), late=[], looks=[], first_seeds=[1, 2, 3, 4, 5, 6]))
    answer = make_answer([folder])
    (line,) = ((plan, done) for name, plan, done in plan_lines(answer, plan_of(folder)) if name == "final runs")
    assert line == ("six runs an arm, seeds 1 to 6", "10 finished; seed 6 left out")


@pytest.mark.parametrize(("method", "step"), [("least_squares", 1), ("sam", 40), ("plain", 1)])
def test_what_a_solver_trained_is_called_after_it(method: str, step: int, tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run", settings={"method": method, "model": "linear"}, curve=[0.9])
    rows = [json.loads(line) | {"step": step} for line in (folder / METRICS).read_text(encoding="utf-8").splitlines()]
    (folder / METRICS).write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    answer = make_answer([folder])
    is_solver = method == "least_squares"
    assert answer.arms[0].name == f"linear on spiral with {method if is_solver else 'sgd'}"
    assert ("optimizer" in answer.constant, "method" in answer.constant) == (not is_solver, is_solver)


@pytest.mark.parametrize(
    ("first", "planned", "done"),
    [
        (0, "two trials an arm", "As planned: four trials; "),
        (1, "one trial an arm", "Four trials; one trial an arm added; "),
        (3, "three trials an arm", "Four trials; one trial an arm left out; "),
    ],
)
def test_trials_typed_later_stand_beside_those_planned(first: int, planned: str, done: str, tmp_path: Path) -> None:
    folder = made_comparison(tmp_path, {"sgd": SGD, "adam": ADAM})
    plan = plan_of(folder)
    assert plan.tuning is not None
    write_plan(folder, replace(plan, tuning=replace(plan.tuning, first_trials=first)))
    told = next(line for line in plan_lines(make_answer([folder]), plan_of(folder)) if line[0] == "tuning")
    assert planned in told[1] and told[2].startswith(done), told


def test_each_fold_of_an_arm_is_a_planned_run(tmp_path: Path) -> None:
    folds = [f"data.fold={fold}" for fold in range(2)]
    runs = {name: {f"1 fold {fold}": f"{name}-{fold}" for fold in range(2)} for name in ARMS}
    made_comparison(tmp_path, {"sgd": [], "adam": []}, seeds=[1], folds=folds, runs=runs, tuning=None, looks=[])
    for name, fold in itertools.product(ARMS, range(2)):
        settings = {**ARMS[name], "data.folds": 2, "data.fold": fold}
        made_run(tmp_path / f"{name}-{fold}", 0.9 + 0.01 * fold, seed=1, settings=settings)
    answer = make_answer([tmp_path])
    (line,) = ((plan, done) for name, plan, done in plan_lines(answer, plan_of(tmp_path)) if name == "final runs")
    assert line == ("two runs an arm, seed 1, two folds", "As planned: 4 finished")


@pytest.mark.parametrize("split", ["val", "trained_on"])
def test_a_plan_of_data_without_a_test_split_is_reported(split: str, tmp_path: Path) -> None:
    """As such plans were stored before their runs had ended: with the metric of a test."""
    folder = made_comparison(tmp_path, {"sgd": SGD, "adam": ADAM})
    for path in folder.glob(f"*/*/{RECORD}"):
        record = json.loads(path.read_text(encoding="utf-8"))
        accuracy = record["metrics"]["test/accuracy"]
        record["metrics"] = {f"{split}/accuracy": accuracy, f"{split}/loss": 1 - accuracy}
        path.write_text(json.dumps(record), encoding="utf-8")
    answer = make_answer([folder])
    assert answer.metric == f"{split}/accuracy" and answer.exploratory is None and answer.margin == 0.5
    assert "test set" not in [name for name, _, _ in plan_lines(answer, answer.plan or plan_of(folder))]


def test_one_range_of_what_is_seen(tmp_path: Path) -> None:
    values = {"sgd": SGD, "adam": ADAM, "adamw": [0.9640, 0.9680, 0.9670, 0.9600, 0.9660]}
    answer = make_answer([made_sweep(tmp_path, {**ARMS, "adamw": {"optimizer": "adamw"}}, values)], against="sgd")
    assert {each.verdict for each in answer.differences} == {"better", "not_decided"}, "each sees its own difference"
    _, seen = what_is_seen(answer)
    assert " to " in seen and f"an arm see differences from roughly {seen} points on" in " ".join(answer.sentences)
    assert f"one of about {seen} points is found" in " ".join(answer.scope)


def test_a_planned_arm_without_a_run_is_named(tmp_path: Path) -> None:
    answer = make_answer([made_comparison(tmp_path / "compare", {"sgd": SGD, "adam": []})])
    assert [arm.name for arm in answer.arms] == ["sgd", "adam"]
    assert answer.sentences[0] == "No verdict between adam and sgd (adam has no run that gave a number)."
    assert "of adam seeds 1 to 5" in (answer.exploratory or "")


def test_a_folder_that_holds_one_comparison_is_reported_as_planned(tmp_path: Path) -> None:
    comparison = made_comparison(tmp_path / "outputs" / "compare", {"sgd": SGD, "adam": ADAM})
    answer = make_answer([tmp_path / "outputs"])
    assert (answer.title, answer.margin, len(answer.trials["adam"])) == ("SGD or Adam?", 0.5, 2)
    assert answer.exploratory is None and answer.sentences == make_answer([comparison]).sentences
    assert make_answer([comparison / "sgd"]).plan is None, "a part of it is none"
    made_run(tmp_path / "outputs" / "else", 0.7, settings=ARMS["adam"], seed=9)
    mixed = make_answer([tmp_path / "outputs"])
    told = f"those of {comparison.as_posix()} found optimizer.lr in two trials an arm on one seed. How other settings"
    assert any(told in each for each in mixed.scope)
    assert mixed.plan is None and any(
        each.startswith("Ten runs belong to a comparison") and each.count(f"report {comparison.as_posix()} tells") == 1
        for each in mixed.sentences
    )
    assert any("No plan of a comparison covers all of these runs" in each for each in mixed.scope)


def test_what_a_planned_arm_differs_in_is_nothing_that_all_share(tmp_path: Path) -> None:
    answer = make_answer([made_comparison(tmp_path / "compare", {"sgd": SGD, "adam": []})])
    assert "optimizer" not in answer.constant and answer.constant["model"] == "mlp"
    assert not any("optimizer=sgd" in each for each in answer.scope)


def test_an_arm_that_began_from_weights_says_so(tmp_path: Path) -> None:
    for name, values, start in (("sgd", SGD, {}), ("adam", ADAM, {"init_from": "outputs/first"})):
        for seed, value in enumerate(values):
            made_run(tmp_path / f"{name}-{seed}", value, seed=seed, settings={**ARMS[name], **start})
    answer = make_answer([tmp_path], against="sgd")
    assert [arm.name for arm in answer.arms] == ["adam init_from first", "sgd"]
    assert (
        "Not all arms began alike (sgd untrained, the others from trained weights), so a difference may be that of the"
        " start alone." in answer.sentences
    )


def test_the_reference_that_nobody_chose_is_told(sweep: Path) -> None:
    told = "The reference is adam, the first arm by folder and job: --against names another."
    assert told in make_answer([sweep]).method and not any(
        "first arm" in each for each in make_answer([sweep], against="adam").method
    )


def test_an_arm_that_does_not_scatter_is_told_beside_one_that_failed(tmp_path: Path) -> None:
    made_sweep(tmp_path / "s", ARMS, {"sgd": [0.3333] * 3, "adam": ["diverged"] * 3})
    found = make_answer([tmp_path / "s"]).sentences
    assert "sgd is identical in every seed." in found
    made_sweep(tmp_path / "t", ARMS, {"sgd": [0.3333] * 3, "adam": [0.5] * 3})
    assert not any(
        "sgd and adam are each" in each or "is identical in every seed." in each
        for each in make_answer([tmp_path / "t"]).sentences[1:]
    ), "the verdict has said it"


def test_runs_that_the_plan_no_longer_names_are_told_and_are_no_arms(tmp_path: Path) -> None:
    comparison = made_comparison(tmp_path / "compare", {"sgd": SGD, "adam": ADAM})
    stray = made_run(comparison / "adam" / "old", 0.5, seed=1, settings={**ARMS["adam"], "optimizer.lr": 0.3})
    made_run(comparison / "adam" / "stopped", seed=2, state="stopped", settings=ARMS["adam"])
    single = made_run(tmp_path / "single", settings=ARMS["sgd"])
    for folders, is_planned in (([comparison], True), ([comparison, single], False)):
        answer = make_answer(folders)
        left_out = {each.folder: each.reason for each in answer.troubles}
        assert left_out[stray].endswith("names it neither as a final run nor as a trial"), left_out
        assert (answer.plan is not None) == is_planned and not answer.num_unfinished
        assert {run.folder for arm in answer.arms for run in arm.runs}.isdisjoint({stray})
        assert answer.metric == "test/accuracy"


def test_trials_are_no_arms_in_a_report_of_more_folders(tmp_path: Path) -> None:
    comparison = made_comparison(tmp_path / "compare", {"sgd": SGD, "adam": ADAM})
    single = made_run(tmp_path / "single", settings=ARMS["sgd"])
    for folders in ([tmp_path], [comparison, single]):
        answer = make_answer(folders)
        assert answer.plan is None and sum(len(arm.runs) for arm in answer.arms) == 11


@pytest.mark.parametrize(
    ("values", "margin", "hypothesis", "told"),
    [
        ([SGD, ADAM], None, "Adam beats SGD", "supported."),
        ([SGD, ADAM], None, "Adam loses to SGD", "contradicted, adam is better."),
        ([SGD, SGD[::-1]], 0.5, "Adam beats SGD", "not supported, no difference is larger than 0.5 points."),
        ([SGD, SGD[::-1]], None, "Adam beats SGD", "not decided."),
        ([SGD, [*ADAM[:4], "diverged"]], None, "Adam beats SGD", "no verdict (1 of 5 runs of adam diverged)."),
        (
            [SGD, ADAM],
            None,
            "<script>",
            "it stands as typed, since it is not read as one arm against another; “adam beats sgd” would be judged.",
        ),
    ],
)
def test_a_hypothesis_stands_beside_what_came_of_it(
    tmp_path: Path, values: list[Sequence[float | str]], margin: float | None, hypothesis: str, told: str
) -> None:
    by_name = dict(zip(("sgd", "adam"), values, strict=True))
    comparison = made_comparison(tmp_path / "compare", by_name, margin=margin, hypothesis=hypothesis)
    assert make_answer([comparison]).sentences[-1] == f"Hypothesis “{hypothesis}”: {told}"


@pytest.mark.parametrize(
    ("changes", "options", "why"),
    [
        ({"looks": [[1, 2, 3], [1, 2, 3, 4, 5]]}, {}, "seeds 4 and 5 came after a verdict from three seeds"),
        ({"seeds": [1, 2, 3]}, {}, "seeds 4 and 5 were not planned"),
        ({"seeds": [1, 2, 3, 4, 5, 6]}, {}, "planned runs are missing"),
        ({"late": [4, 5]}, {}, "seeds 4 and 5 came after final runs had ended"),
        ({"known": {"sgd": ["1"], "adam": ["1"]}}, {}, "2 of 10 final runs were there apart from this plan, and may"),
        ({}, {"margin": 1.0}, "margin 1 instead of 0.5"),
        ({}, {"against": "adam"}, "reference adam instead of sgd"),
    ],
)
def test_what_is_not_as_planned_is_exploratory(
    tmp_path: Path, changes: dict[str, Any], options: dict[str, Any], why: str
) -> None:
    answer = make_answer([made_comparison(tmp_path / "compare", {"sgd": SGD, "adam": ADAM}, **changes)], **options)
    assert answer.exploratory is not None and why in answer.exploratory
    assert any(each.startswith("Exploratory: ") and why in each for each in answer.sentences)


def test_it_needs_no_torch_and_no_scipy_for_one_run(tmp_path: Path) -> None:
    made_run(tmp_path / "one")
    code = (
        "import sys; from pathlib import Path; from dlexp.report.making import make_answer;"
        f"answer = make_answer([Path({str(tmp_path)!r})]); assert answer.sentences;"
        "print({'torch', 'scipy', 'numpy', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=child_environment())
    assert done.stdout == "set()\n", done.stdout + done.stderr
