"""Data that misleads: few samples, unbalanced classes, short trainings; what is said of them, and when it is not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlexp import api
from dlexp.errors import UserError

XOR = "a,b,label\n0,0,0\n0,1,1\n1,0,1\n1,1,0\n"
QUICK = ["pictures=false", "threads=1"]


def record(name: str) -> Any:
    return json.loads(Path("run", name).read_text(encoding="utf-8"))


def warned(out: str) -> list[str]:
    lines = [line.removeprefix("warning: ") for line in out.splitlines() if line.startswith("warning: ")]
    return [line for line in lines if not line.startswith("nothing can be learnt from column")]


@pytest.fixture
def xor(workdir: Path) -> list[str]:
    Path("xor.csv").write_text(XOR, encoding="utf-8")
    return ["data=arrays", "data.file=xor.csv", "hydra.run.dir=run", "threads=1"]


@pytest.fixture
def unbalanced(workdir: Path) -> list[str]:
    """400 samples that nothing tells apart, every fifth of another class."""
    np.savez("table.npz", x=np.zeros((400, 2)), y=np.where(np.arange(400) % 5, "well", "ill"))
    return ["data=arrays", "data.file=table.npz", "epochs=5", *QUICK]


def test_four_rows_are_few(cli, xor: list[str]) -> None:
    ended = cli(*xor, *QUICK)
    rare, short = warned(ended.out)
    told = "fewer than 5 training samples of 2 of 2 classes (0: 1, 1: 1)"
    assert rare == f"{told}; data.test_size=0 data.val_size=0 trains on all of them"
    assert short.startswith("10 optimizer steps in all (1 an epoch) are few") and short.endswith("epochs=200 takes 200")
    assert "the best in validation; of 1 sample only)" in ended.out


def test_what_was_trained_on_is_never_called_a_test(cli, xor: list[str]) -> None:
    words = ["data.test_size=0", "data.val_size=0", "epochs=100", "optimizer=adam", "optimizer.lr=0.01"]
    ended = cli(*xor, *words)
    assert not warned(ended.out)
    assert "\naccuracy on the training samples 100.00 %, auc on the training samples 100.00 %, loss on the" in ended.out
    assert "(weights of the last epoch)" in ended.out and "test" not in ended.out
    metrics = record("run.json")["metrics"]
    assert metrics["trained_on/accuracy"] == 1 and not any(key.startswith(("test/", "val/")) for key in metrics)
    assert record("results.json")["split"] == "trained_on" and record("run.json")["chosen_epoch"] is None
    assert record("data.json")["class_counts"] == {"train": {"0": 2, "1": 2}}
    assert Path("run/plots/decision_regions.png").exists()
    last = json.loads(Path("run/metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert last["kind"] == "test" and last["trained_on/accuracy"] == 1 and "test/accuracy" not in last
    assert "is finished: on the training samples: loss" in cli("resume=run").out


def test_values_that_were_trained_on(cli, xor: list[str]) -> None:
    words = ["task=regression", "criterion=mse", "data.test_size=0", "data.val_size=0", "epochs=1", *QUICK]
    ended = cli(*xor, *words)
    assert ended.code == 0 and "\nmae on the training samples " in ended.out
    assert record("data.json")["class_counts"] == {} and record("results.json")["split"] == "trained_on"


def test_pictures_say_that_they_are_of_training_samples(xor: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from dlexp.records.tracker import Tracker

    notes: dict[str, str | None] = {}
    monkeypatch.setattr(Tracker, "figure", lambda self, name, figure, **_: notes.update({name: figure.get_supxlabel()}))
    api.run([*xor, "data.test_size=0", "data.val_size=0", "epochs=1"])
    looked = {"decision_regions", "output_plane", "confusion_matrix", "per_class_accuracy"}
    assert {name for name, note in notes.items() if note == "on the training samples"} == looked
    api.run([*xor, "hydra.run.dir=other", "epochs=1"])
    assert not any(notes.values())


def test_pictures_say_that_labels_are_wrong_on_purpose(xor: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from dlexp.records.tracker import Tracker

    notes: dict[str, str] = {}
    monkeypatch.setattr(Tracker, "figure", lambda self, name, figure, **_: notes.update({name: figure.get_supxlabel()}))
    line = [*xor, "model=linear", "epochs=1", "data.val_size=0"]
    api.run([*line, "data.test_size=0", "data.label_noise=0.25"])
    told = notes["decision_regions"].replace("\n", " ")
    assert told == "on the training samples; 1 of 4 labels are wrong on purpose, data.label_noise"
    assert notes["separating_line"] == notes["decision_regions"]
    api.run([*line, "hydra.run.dir=both", "data.test_size=0.5", "data.label_noise=0.5"])
    assert notes["decision_regions"] == "" and "wrong on purpose, data.label_noise" in notes["separating_line"]
    api.run([*line, "hydra.run.dir=test", "data.test_size=0.5", "data.test_label_noise=0.5"])
    assert notes["decision_regions"] == "1 of 2 labels are wrong on purpose, data.test_label_noise"
    assert notes["separating_line"] == "on the training samples"


def test_one_class_wins_more_often(cli, unbalanced: list[str]) -> None:
    ended = cli(*unbalanced, "hydra.run.dir=run")
    assert (
        "classes are unbalanced: 230 training samples of well, 58 of ill; always answering well is right for"
        in ended.out
    )
    assert "data.sampling=balanced draws all equally often" in ended.out
    assert "\ntest accuracy 80.00 %, test auc 50.00 %, test balanced_accuracy 50.00 %, test loss " in ended.out
    assert record("data.json")["class_counts"]["test"] == {"ill": 16, "well": 64}
    entry = record("run.json")
    assert entry["last_look"] == ["balanced_accuracy", "auc"] and entry["metrics"]["test/balanced_accuracy"] == 0.5
    assert entry["measures"]["auc"]["unit"] == "%"
    assert cli("resume=run", "epochs=6").out.count("classes are unbalanced") == 1
    assert record("run.json")["last_look"] == ["balanced_accuracy", "auc"]


def test_a_sweep_shows_what_accuracy_hides(cli, unbalanced: list[str]) -> None:
    ended = cli("-m", *unbalanced, "seed=0,1", "test=false")
    (head,) = (line for line in ended.out.splitlines() if line.startswith("seed "))
    assert head.split() == ["seed", "val/accuracy", "val/balanced_accuracy", "val/auc", "time", "status"]
    ended = cli("-m", *unbalanced, "seed=0,1", "data.test_size=0", "data.val_size=0")
    assert "trained_on/accuracy  trained_on/balanced_accuracy  trained_on/auc" in ended.out


def test_few_samples_that_choose_the_weights(cli, unbalanced: list[str]) -> None:
    told = "only 2 samples validate, so chance has a large part in which weights are chosen"
    assert warned(cli(*unbalanced, "data.val_size=2").out)[0].startswith(told)
    for words in (["data.val_size=0"], ["data.val_size=20"], ["data.limit=10"], ["data.folds=20", "data.fold=0"]):
        assert not any("validate" in line for line in warned(cli(*unbalanced, *words).out))


def test_a_class_without_training_samples_is_named(cli, workdir: Path) -> None:
    """It lies in one group, and that becomes the test split."""
    np.savez("table.npz", x=np.zeros((60, 2)), y=np.repeat([3, 7], [50, 10]), groups=np.repeat([0, 1], [50, 10]))
    ended = cli("data=arrays", "data.file=table.npz", "data.val_size=0", "max_steps=1", *QUICK)
    assert warned(ended.out) == ["no training sample of 1 of 2 classes (7); data.test_size=0 trains on all of them"]
    ended = cli(
        "data=arrays",
        "data.file=table.npz",
        "data.val_size=0",
        "max_steps=1",
        "data.labelled=1",
        "data.limit=50",
        *QUICK,
    )
    told = "no training sample of 1 of 2 classes (7); data.labelled=1 leaves them out, data.labelled=2 or more"
    assert [line.partition(" leaves some")[0] for line in warned(ended.out)] == [told]


@pytest.mark.parametrize("words", [[], ["data=linear"], ["overfit_batches=1"], ["max_steps=3"]])
def test_a_usual_run_says_nothing_of_it(cli, workdir: Path, words: list[str]) -> None:
    ended = cli("epochs=2", *QUICK, *words)
    assert ended.code == 0 and not warned(ended.out) and "unbalanced" not in ended.out


def test_a_training_too_short_for_its_rates(cli, workdir: Path) -> None:
    words = ["data.points_per_class=300", "batch_size=64", "epochs=1", *QUICK]
    (said,) = warned(cli(*words).out)
    assert said.startswith("12 optimizer steps in all (12 an epoch) are few") and said.endswith("epochs=17 takes 204")
    assert not warned(cli(*words, "optimizer=lbfgs").out)


def test_the_mean_of_other_samples_is_refused_before_they_are_read(workdir: Path) -> None:
    told = r"^data.mean=\[0.1\] must hold a number for each feature, and the samples have 2: data.mean=null for comp"
    with pytest.raises(UserError, match=told):
        api.run(["data.mean=[0.1]", "dry_run=true"])
    told = r"samples have 2: 'data.mean=\[0.0,0.0\]' leaves them as they are too, data.mean=null for computed ones$"
    with pytest.raises(UserError, match=told):
        api.run(["data.mean=[0.0]", "dry_run=true"])
    assert not list(workdir.iterdir())


def test_patience_waits_for_validation(workdir: Path) -> None:
    with pytest.raises(
        UserError, match=r"^patience=2 waits for validation, which data\.val_size=0 leaves out: .*patience=null"
    ):
        api.run(["patience=2", "data.val_size=0"])
    assert not list(workdir.iterdir())
    api.run(["patience=2", "data.val_size=0", "data.folds=5", "data.fold=0", "max_steps=1", *QUICK])
