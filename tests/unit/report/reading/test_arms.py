"""What varies, found by itself: options stand for their settings, seeds and folds repeat, the same run counts once."""

from pathlib import Path
from typing import Any

import pytest
from made_runs import made_config, made_run, made_sweep

from dlexp.errors import UserError
from dlexp.report.making import make_answer
from dlexp.report.naming import names_of, unnamed, words_of
from dlexp.report.reading.arms import brought_along, each_once, is_folded, split
from dlexp.report.reading.conditions import matching
from dlexp.report.reading.runs import Run, read_runs


def runs_of(folder: Path) -> list[Run]:
    return each_once(read_runs([folder])[0])[0]


def arms_of(runs: list[Run]) -> tuple[list[str], dict[str, list[int]]]:
    """Returns the keys that vary, and the seeds of each arm by its name."""
    keys, arms = split(runs)
    names = names_of(keys, arms)
    return keys, {name: [run.seed for run in own] for name, (_, own) in zip(names, arms, strict=True)}


def made(folder: Path, arms: dict[str, dict[str, Any]], seeds: int = 2) -> list[Run]:
    return runs_of(made_sweep(folder / "sweep", arms, dict.fromkeys(arms, [0.9] * seeds)))


SGD, ADAM = {"optimizer": "sgd"}, {"optimizer": "adam"}


def test_an_option_stands_for_its_settings(tmp_path: Path) -> None:
    keys, arms = arms_of(made(tmp_path, {"a": SGD, "b": ADAM}))
    assert keys == ["optimizer"] and arms == {"sgd": [0, 1], "adam": [0, 1]}


def test_within_an_option_a_setting_is_a_key_as_well(tmp_path: Path) -> None:
    keys, arms = arms_of(made(tmp_path, {"a": SGD, "b": ADAM, "c": {**SGD, "optimizer.lr": 0.05}}))
    assert keys == ["optimizer", "optimizer.lr"]
    assert list(arms) == ["sgd lr 0.1", "adam lr 0.01", "sgd lr 0.05"]


def test_a_setting_that_was_typed_is_a_key_though_the_option_decides_it(tmp_path: Path) -> None:
    runs = made(tmp_path, {"a": {**SGD, "optimizer.lr": 0.5}, "b": ADAM})
    assert arms_of(runs) == (["optimizer", "optimizer.lr"], {"sgd lr 0.5": [0, 1], "adam lr 0.01": [0, 1]})
    assert split(runs)[1][0][0] == {"optimizer": "sgd", "optimizer.lr": 0.5}


def test_what_a_recipe_brings_along_is_no_key_and_is_told(tmp_path: Path) -> None:
    for seed in range(2):
        made_run(tmp_path / f"a{seed}", seed=seed, settings={"model": "mlp"})
        brought = {"model": "linear", "epochs": 9, "optimizer.lr": 0.3}
        made_run(tmp_path / f"b{seed}", seed=seed, settings=brought, overrides=["model=linear", f"seed={seed}"])
    runs = runs_of(tmp_path)
    assert arms_of(runs) == (["model"], {"mlp": [0, 1], "linear": [0, 1]})
    assert brought_along(runs, ["model"]) == ["epochs", "optimizer.lr"]


def test_a_preset_stands_for_all_that_it_chooses(tmp_path: Path) -> None:
    for seed in range(2):
        for name, settings in {"deep": {"model.depth": 9, **ADAM}, "flat": {"model.depth": 1, **SGD}}.items():
            words = [f"experiment={name}", f"seed={seed}"]
            choices = made_config(settings)[1] | {"experiment": name}
            made_run(tmp_path / f"{name}{seed}", seed=seed, settings=settings, overrides=words, choices=choices)
    runs = runs_of(tmp_path)
    assert arms_of(runs) == (["experiment"], {"deep": [0, 1], "flat": [0, 1]})
    assert brought_along(runs, ["experiment"]) == ["model.depth", "optimizer"]
    made_run(tmp_path / "more", seed=2, settings={"model.depth": 1, **SGD})  # the same without the preset's name
    assert sorted(map(len, arms_of(runs_of(tmp_path))[1].values())) == [2, 3]


def test_nobody_knows_why_a_setting_differs_so_it_is_a_key(tmp_path: Path) -> None:
    """Such as a value of the package that was another one in an earlier version of it."""
    for seed in range(4):
        made_run(
            tmp_path / f"{seed}", seed=seed, settings={"optimizer.momentum": 0.9 if seed < 2 else 0.8}, overrides=[]
        )
    assert arms_of(runs_of(tmp_path)) == (["optimizer.momentum"], {"momentum 0.9": [0, 1], "momentum 0.8": [2, 3]})


def test_what_follows_or_changes_no_result_is_no_key(tmp_path: Path) -> None:
    arms = {f"{n}": {"data.num_classes": n, "data.num_outputs": n, "model.num_outputs": n, "n_jobs": n} for n in (2, 3)}
    runs = made(tmp_path, arms)
    assert arms_of(runs) == (["data.num_classes"], {"num_classes 2": [0, 1], "num_classes 3": [0, 1]})
    assert brought_along(runs, ["data.num_classes"]) == []


def test_whether_the_test_set_was_looked_at_makes_no_arm(tmp_path: Path) -> None:
    made_run(tmp_path / "trial", settings={"test": False}, metrics={"val/accuracy": 0.9, "val/loss": 0.1})
    made_run(tmp_path / "final")
    runs, others = each_once(read_runs([tmp_path])[0])
    assert [run.name for run in runs] == ["final"] and [each.folder.name for each in others] == ["trial"]


def test_the_same_run_counts_once(tmp_path: Path) -> None:
    for name, facts in {
        "a": {"state": "failed", "started": "2026-11-03"},
        "a-2": {"started": "2026-11-01"},
        "a-3": {"started": "2026-11-02"},
        "early": {"state": "failed", "data": None, "started": "2026-11-04"},
        "other_seed": {"seed": 1},
        "running": {"state": "died"},
    }.items():
        made_run(tmp_path / name, **facts)  # type: ignore[arg-type]
    runs, others = each_once(read_runs([tmp_path])[0])
    assert [run.name for run in runs] == ["a-3", "other_seed"]
    assert {each.folder.name for each in others} == {"a", "a-2", "early"}
    assert all(each.reason == f"is the same run as {tmp_path / 'a-3'}, which counts" for each in others)


def test_runs_of_other_data_are_no_seeds_of_each_other(tmp_path: Path) -> None:
    for seed in range(2):
        made_run(tmp_path / f"a{seed}", seed=seed, data="aaaa")
        made_run(tmp_path / f"b{seed}", seed=seed, data="bbbb")
        made_run(tmp_path / f"c{seed}", seed=seed, state="failed", data=None)
    runs, others = each_once(read_runs([tmp_path])[0])
    keys, arms = arms_of(runs)
    assert keys == ["content of the data"] and list(arms.values()) == [[0, 1], [0, 1]] and len(others) == 2


def test_data_that_other_options_name_is_no_second_key(tmp_path: Path) -> None:
    for data in ("mnist", "cifar10"):
        made_run(tmp_path / data, settings={"data": data}, **{"data": f"hash of {data}"})
    assert arms_of(runs_of(tmp_path))[0] == ["data"]


def test_a_start_of_each_seed_is_one_arm(tmp_path: Path) -> None:
    for seed in range(3):
        made_run(
            tmp_path / f"a{seed}", seed=seed, settings={"init_from": f"pre/seed-{seed}"}, initial_weights=f"w{seed}"
        )
        made_run(tmp_path / f"b{seed}", seed=seed, settings=ADAM)
        made_run(tmp_path / f"c{seed}", seed=seed, settings={"init_from": f"pre/seed-{seed}", "optimizer": "adam"})
    runs = runs_of(tmp_path)
    keys, arms = arms_of(runs)
    assert "init_from" in keys and list(arms.values()) == [[0, 1, 2]] * 3
    assert words_of(split(runs)[1][0][1]) == ["init_from=…"]


def test_splits_that_go_with_the_seed_are_no_arms_and_others_are(tmp_path: Path) -> None:
    for seed in range(3):
        made_run(tmp_path / "with" / f"{seed}", seed=seed, settings={"data.split_seed": seed})
        made_run(tmp_path / "without" / f"{seed}", seed=seed, settings={"data.split_seed": seed // 2})
    assert arms_of(runs_of(tmp_path / "with")) == ([], {"mlp on spiral with sgd": [0, 1, 2]})
    assert arms_of(runs_of(tmp_path / "without"))[0] == ["data.split_seed"]


def test_an_optimizer_of_other_seeds_is_an_arm_all_the_same(tmp_path: Path) -> None:
    for seed in range(4):
        made_run(tmp_path / f"{seed}", seed=seed, settings=SGD if seed < 2 else ADAM)
    assert arms_of(runs_of(tmp_path))[1] == {"sgd": [0, 1], "adam": [2, 3]}


def test_folds_are_no_seeds(tmp_path: Path) -> None:
    for fold in range(3):
        made_run(tmp_path / f"{fold}", settings={"data.folds": 3, "data.fold": fold})
    runs = runs_of(tmp_path)
    assert arms_of(runs)[0] == [] and is_folded(runs) and len(runs) == 3
    assert not is_folded(runs[:1])


@pytest.mark.parametrize(
    ("arms", "names"),
    [
        ({"a": {"model.width": 64}, "b": {"model.width": 128.0}}, ["width 64", "width 128"]),
        ({"a": {"scheduler": "none"}, "b": {"scheduler": "cosine"}}, ["scheduler none", "cosine"]),
        (
            {f"{o}{w}": {"optimizer": o, "optimizer.lr": w, "own.lr": w} for o in ("sgd", "adam") for w in (1, 2)},
            ["adam lr 1", "adam lr 2", "sgd lr 1", "sgd lr 2"],
        ),
        ({"a": {"model.act": "\x1b[2J\u202ex"}, "b": {"model.act": "y"}}, ["act �[2J�x", "act y"]),
        ({"a": {"model.b": True}, "b": {"model.b": None}}, ["b true", "no b"]),
    ],
)
def test_names_are_short_and_tell_arms_apart(tmp_path: Path, arms: dict[str, Any], names: list[str]) -> None:
    assert sorted(arms_of(made(tmp_path, arms, seeds=1))[1]) == sorted(names)


def test_names_tell_all_that_an_arm_has_of_what_differs(tmp_path: Path) -> None:
    own = {"a": {**SGD, "model.width": 64}, "b": {**ADAM, "model.width": 32}, "c": {**SGD, "optimizer.momentum": 0.5}}
    assert list(arms_of(made(tmp_path, own))[1]) == [
        "sgd width 64 momentum 0.9",
        "adam width 32",
        "sgd width 128 momentum 0.5",
    ]


def test_what_names_have_no_room_for_is_told(tmp_path: Path) -> None:
    long = {"optimizer.lr": 0.5, "model.width": 64, **{f"model.a_setting_of_a_long_name_{n}": n for n in range(3)}}
    runs = made(tmp_path, {"a": {**SGD, **long}, "b": ADAM, "c": {**ADAM, "optimizer.lr": 0.02}})
    answer = make_answer([tmp_path])
    assert [arm.name for arm in answer.arms] == ["sgd", "adam lr 0.01", "adam lr 0.02"]
    (told,) = (each for each in answer.sentences if each.startswith("Names tell arms apart"))
    assert "leave out what would make them too long: optimizer.lr (0.01 to 0.5), model.width (64 to 128)" in told
    assert unnamed(*split(runs)) == ["optimizer.lr", *(key for key in long if key != "optimizer.lr")]


def test_long_names_stay_unique(tmp_path: Path) -> None:
    names = list(arms_of(made(tmp_path, {x: {"model.act": "x" * 90 + x} for x in "ab"}))[1])
    assert len(set(names)) == 2 and all(len(name) <= 62 for name in names)


def test_words_train_an_arm_again(tmp_path: Path) -> None:
    words = ["model=mlp", "+optimizer.x=1", "seed=0", "n_jobs=2", "threads=1", "hydra.sweep.dir=x", "epochs=2"]
    made_run(tmp_path / "a", overrides=words, resumed=[{"started": "2026", "overrides": ["epochs=4"]}])
    assert words_of(runs_of(tmp_path)) == ["model=mlp", "+optimizer.x=1", "epochs=4"]


def test_conditions_leave_some_runs(tmp_path: Path) -> None:
    runs = made(tmp_path, {"a": SGD, "b": ADAM, "c": {**ADAM, "optimizer.lr": 1e-3}})
    assert len(matching(runs, ["optimizer=adam"])) == 4
    assert len(matching(runs, ["optimizer=adam", "optimizer.lr=1e-2"])) == 2
    assert len(matching(runs, ["optimizer.lr=0.1,0.001"])) == 4
    assert len(matching(runs, ["optimizer.betas=[0.9, 0.999]"])) == 4
    assert len(matching(runs, ["seed=1"])) == 3 and len(matching(runs, ["init_from=null"])) == 6
    for condition, sentence in {
        "lr=0.1": "no run has a setting 'lr'",
        "optimizer.lt=0.1": "Did you mean 'optimizer.lr'",
        "optimizer=muon": "leaves no run; optimizer there is adam, sgd",
        "optimizer": "a condition is typed KEY=VALUE",
    }.items():
        with pytest.raises(UserError, match=sentence.replace(".", r"\.")):
            matching(runs, [condition])
