"""Runs whose samples are seen otherwise or mislabelled, with l1, and evaluated on what they were trained on."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from resuming import CNN, SHORT, resumes_exactly, weights_of

from dlexp import api
from dlexp.config.build import build_task, load_data, prepared
from dlexp.config.cell import cell, essentials
from dlexp.config.compose import compose
from dlexp.config.trained import read_trained
from dlexp.data.splits import Splits
from dlexp.errors import UserError
from dlexp.records.folder import CONFIG

IMAGES = ["model=mlp", "model.width=16", "data=fake", "data.shape=[3,8,8]", "data.num_samples=200", "epochs=2",
          "data.num_outputs=3", "data.num_test_samples=60", "batch_size=16", *SHORT]  # fmt: skip
POINTS = ["data.points_per_class=40", "batch_size=16", "epochs=2", *SHORT]


def data_of(config: dict[str, Any]) -> Splits:
    found: Splits = prepared(load_data(config["data"]), config["data"], build_task(config))
    return found


def facts_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "data.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("view", ["permutation", "[grey,edges,rows]", "[bright,noise]"])
def test_a_loaded_model_sees_plain_samples_as_those_of_the_test(view: str, workdir: Path) -> None:
    words = [f"view={view}", "view.rows.size=[2,null]"] if "rows" in view else [f"view={view}"]
    words += ["view.noise.split=train"] if "noise" in view else []
    result = api.run([*IMAGES, *words, "evaluation.train=true"], folder=workdir / "run")
    model = api.load(workdir / "run")
    splits = data_of(model.config)
    assert splits.test is not None
    for inputs in (splits.test.inputs[:], splits.test.inputs[:].float() / 255):
        accuracy = float((model(inputs).argmax(1) == splits.test.targets).float().mean())
        assert accuracy == pytest.approx(result.metrics["test/accuracy"], abs=0.02 if "grey" in view else 1e-6)
    shape = facts_of(workdir / "run")["shape"]
    assert shape == model.config["model"]["shape"] == [1 if "grey" in view else 3, 8, 8]
    if view == "permutation":
        with pytest.raises(UserError, match=r"view=permutation of this model is one of samples \[3, 8, 8\], and not"):
            model(torch.zeros(2, 3, 9, 9))
    with pytest.raises(UserError, match=r"takes inputs with 3 channels"):
        model(torch.zeros(2, 2, 8, 8))


def test_statistics_are_of_what_is_trained_on(workdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = {}
    for side in ("train", "test"):
        given = ["data.mean=[0.5,0.5,0.5]", "data.std=[0.2,0.2,0.2]"]
        words = [*IMAGES, *given, "epochs=1", "view=rows", f"view.rows.split={side}", "view.rows.size=[8,null]"]
        api.run(words, folder=workdir / side)
        found[side] = facts_of(workdir / side)["normalisation"]["inputs"]
    assert found["test"]["mean"] == [0.5] * 3 and found["train"]["mean"] == [1.0] * 3, "all is white"
    api.run([*POINTS, "view=noise"], folder=workdir / "points")
    assert facts_of(workdir / "points")["normalisation"]["inputs"]["mean"] == [0.0, 0.0], "left as it was stated"


def test_what_is_not_asked_for_enters_no_cell() -> None:
    plain = compose(["data=fake"]).config
    kept = essentials(plain)
    assert not {"view", "l1"} & kept.keys() and "label_noise" not in kept["data"] and "train" not in kept["evaluation"]
    changes = ["view=noise", "view=[noise,rows]", "view=[rows,noise]", "l1=0.1", "data.label_noise=0.1"]
    changes += ["data.test_label_noise=0.1"]
    cells = {cell(compose(["data=fake", word]).config) for word in (*changes, "evaluation.train=true", "seed=0")}
    assert len(cells) == 8 and cell(plain) in cells


def test_runs_from_before_are_read_and_go_on(workdir: Path) -> None:
    folder = api.run([*POINTS], folder=workdir / "run").folder
    config = yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))
    del config["view"], config["l1"], config["evaluation"]["train"], config["data"]["label_noise"]
    (folder / CONFIG).write_text(yaml.safe_dump(config), encoding="utf-8")
    assert api.load(folder)(torch.zeros(1, 2)).shape == (1, 3)
    assert len(api.run([f"resume={folder}", "epochs=3"]).history) == 3


@pytest.mark.usefixtures("every_state_is_kept")
def test_all_of_it_resumes_exactly(workdir: Path) -> None:
    views = [
        "view=[grey,noise]",
        "view.noise.split=train",
        "data.label_noise=0.3",
        "data.test_label_noise=0.2",
        "l1=1e-3",
    ]
    resumes_exactly([*CNN, *views, "evaluation.train=true", "model.widths=[8]", "augment=flip"], workdir, [17])


def test_labels_are_replaced_told_and_recorded(workdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    api.run([*POINTS, "data.label_noise=0.25", "evaluation.train=true"], folder=workdir / "run")
    assert "on the training samples, 27 of whose labels are wrong (data.label_noise): a gap of" in caplog.text
    assert "27 of 108 training samples have another class in place of theirs (data.label_noise=0.25)" in caplog.text
    assert facts_of(workdir / "run")["replaced_labels"] == 27
    api.run(["data=gates", "data.label_noise=0.5", *POINTS[1:]], folder=workdir / "gates")
    assert "; 2 of 4 labels are wrong on purpose, data.label_noise)" in caplog.text
    api.run([*POINTS, "data.test_label_noise=0.5"], folder=workdir / "test")
    facts = facts_of(workdir / "test")
    assert facts["replaced_test_labels"] == facts["sizes"]["test"] / 2 == 60 and "replaced_labels" not in facts
    assert "60 of 120 test samples have another class in place of theirs (data.test_label_noise=0.5)" in caplog.text
    assert "; 60 of 120 labels are wrong on purpose, data.test_label_noise)" in caplog.text


def test_l1_pulls_every_weight_towards_0(workdir: Path) -> None:
    words = [*POINTS, "max_steps=1", "optimizer.momentum=0", "optimizer.nesterov=false", "scheduler=constant"]
    one, other = (api.run([*words, *more], folder=workdir / f"run{len(more)}") for more in ([], ["l1=0.5"]))
    before, after = weights_of(one.folder), weights_of(other.folder)
    rate = compose(words).config["optimizer"]["lr"]
    for name, weight in before.items():
        assert torch.allclose((weight - after[name]).abs(), torch.full_like(weight, 0.5 * rate), atol=1e-6), name
    shrunk = torch.cat([weight.flatten() for weight in after.values()]).abs().mean()
    assert shrunk < torch.cat([weight.flatten() for weight in before.values()]).abs().mean()


def test_the_training_samples_are_evaluated_without_augmentation(
    workdir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    words = [*IMAGES, "augment=cutout", "augment.cutout.size=4", "data.noise=6", "evaluation.train=true"]
    metrics = api.run(words, folder=workdir / "run").metrics
    model = api.load(workdir / "run")
    train = data_of(model.config).train
    accuracy = float((model(train.inputs[:]).argmax(1) == train.targets).float().mean())
    assert metrics["trained_on/accuracy"] == pytest.approx(accuracy) and "trained_on/loss" in metrics
    gap = 100 * (accuracy - metrics["test/accuracy"])
    assert re.search(
        rf"accuracy {100 * accuracy:.2f} % on the training samples: a gap of \S{abs(gap):.2f} points", caplog.text
    )


def test_a_teacher_is_shown_what_it_was_trained_on(workdir: Path) -> None:
    api.run([*IMAGES, "epochs=1", "view=permutation"], folder=workdir / "teacher")
    views = {key: compose([*IMAGES, *words]).config["view"] for key, words in {
        "none": [], "same": ["view=[permutation,noise]"], "other": ["view=permutation", "view.permutation.seed=1"],
    }.items()}  # fmt: skip
    samples = torch.rand(5, 3, 8, 8)
    plain = read_trained(workdir / "teacher")
    assert torch.equal(read_trained(workdir / "teacher").for_data_of({}, views["none"])(samples), plain(samples))
    (seen_already,) = plain.views.values()
    there = seen_already(samples, torch.Generator())
    found = read_trained(workdir / "teacher").for_data_of({}, views["same"])(there)
    assert torch.allclose(found, plain(samples), atol=1e-5)
    with pytest.raises(UserError, match="trained with views permutation is shown samples with view=permutation"):
        read_trained(workdir / "teacher").for_data_of({}, views["other"])


def test_a_teacher_of_plain_samples_is_not_shown_others(workdir: Path) -> None:
    api.run([*IMAGES, "max_steps=1"], folder=workdir / "teacher")
    with pytest.raises(UserError, match="trained with no views is shown samples with view=permutation"):
        api.run([*IMAGES, "view=permutation", "method=distillation", "method.teacher=teacher"])
    words = ["view=noise", "method=distillation", "method.teacher=teacher", "max_steps=2"]
    assert "test/accuracy" in api.run([*IMAGES, *words]).metrics, "noise is seen by both"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["view=grey"], r"view=grey changes samples of 3 axes, and those of this data have the shape \[2\]"),
        (["view=rows"], r"view.rows: this view changes images, .* and not samples \[2\]"),
        ([*IMAGES, "view=grey", "view.grey.split=test"], r"would give some samples the shape \[1, 8, 8\] and others"),
        ([*IMAGES, "view=noise", "view.noise.split=val"], "view.noise.split=val must be one of train, test, both"),
        ([*IMAGES, "view=noise", "view.noise.std=-1"], "view.noise.std=-1 must be ≥ 0"),
        (
            [*IMAGES, "view=block"],
            r"view.block: a block at place \[4, 4\] of size \[8, 8\] is not within images of 8×8",
        ),
        ([*IMAGES, "view=edges", "view.edges.low=1"], r"view.edges: low=1 must not be above high=0.2"),
        (
            ["data=text", "view=noise"],
            "the inputs of this data go into the model as they are: view=none leaves them so$",
        ),
        (
            ["data=gates", "view=noise"],
            "view=none leaves them so, and data.fields.inputs.kind=normalised normalises them",
        ),
        (["data=mnist_canvas", "view=permutation"], "view=permutation moves what inputs show, and targets would stay"),
        (["data=linear", "task=regression", "criterion=mse", "data.label_noise=0.1"], "learns no class a sample"),
        (["l1=0.1", "optimizer=lbfgs"], "wants it smooth, which l1 is not"),
        (["l1=0"], r"l1=0\.0 must be > 0"),
        (["data=linear", "task=regression", "criterion=mse", "data.test_label_noise=0.1"], "learns no class a sample"),
        (
            [*IMAGES, "view=noise", "data.fields={inputs: {kind: normalised}}"],
            r"none \(kind: normalised\): 'data.range=",
        ),
        (["data.label_noise=1"], "data.label_noise=1 must be > 0 and < 1"),
        (["evaluation.train=true", "overfit_batches=1"], "has nothing to add to overfit_batches"),
        (["evaluation.train=yes please"], "evaluation.train=yes please must be true or false"),
    ],
)
def test_what_can_not_be_is_refused_before_anything_is_written(words: list[str], told: str, workdir: Path) -> None:
    with pytest.raises(UserError, match=told):
        api.run(words)
    assert not list(workdir.iterdir())


@pytest.mark.slow
def test_views_are_swept_and_the_gap_is_a_column(cli, workdir: Path) -> None:
    ended = cli("-m", *POINTS, "view=none,noise", "evaluation.train=true", "hydra.sweep.dir=sweep")
    assert ended.code == 0 and re.search(r"view +val/accuracy +test/accuracy +trained_on/accuracy +gap ", ended.out)
    assert len(re.findall(r" [+−]?\d\S* points ", ended.out)) == 2
    assert re.search(r" gap +time ", cli("list", "sweep").out) and "gap, points" in cli("report", "sweep").out
    assert "gap" in (workdir / "sweep" / "report" / "report.html").read_text(encoding="utf-8")
    listed = json.loads(cli("list", "sweep", "--json").out)
    assert all(isinstance(each["gap"], float) for each in listed)
