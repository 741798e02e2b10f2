"""A person's table from its file to a picture, a loaded model and an answer."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Ended
from resuming import SHORT

import dlexp
from dlexp import api
from dlexp.config.compose import compose
from dlexp.errors import UserError
from dlexp.experiment.assemble import assemble
from dlexp.records.run_json import read_json

Cli = Callable[..., Ended]
WORDS = ["data=arrays", "data.file=table.csv", "batch_size=16", "epochs=3", *SHORT]


def test_a_table_of_numbers_texts_and_gaps_is_trained_and_loaded_alike(cli: Cli, workdir: Path) -> None:
    """Guessing from the colour alone reaches half: the length must have survived its gaps."""
    random = np.random.default_rng(0)
    lengths, colours = random.normal(size=200), random.choice(["red", "blue"], size=200)
    rows = [
        f"{'long' if length > 0 else 'short'};{'' if i % 10 == 0 else f'{length:.4f}'.replace('.', ',')};{colour}"
        for i, (length, colour) in enumerate(zip(lengths, colours, strict=True))
    ]
    Path("table.csv").write_text("\n".join(["label;length;colour", *rows]), encoding="utf-16")
    refused = cli(*WORDS)
    assert refused.code == 1 and "line 2: no value in column 'length', 20 in all: data.missing=drop" in refused.err
    assert not (workdir / "outputs").exists()

    ended = cli(*WORDS, "data.missing=mean", "optimizer.lr=0.1", "hydra.run.dir=run")
    assert ended.code == 0, ended
    assert (
        "label: column label (by its name), 2 classes; 3 features; colour as 2 categories; 20 missing values (length)"
        " become the mean of the training samples; in utf-16; separated by semicolon; with a decimal comma\n"
    ) in ended.out
    facts = read_json(workdir / "run" / "data.json")
    assert facts["feature_names"] == ["length", "colour=blue", "colour=red"] and facts["class_names"] == [
        "long",
        "short",
    ]
    assert read_json(workdir / "run" / "run.json")["metrics"]["test/accuracy"] > 0.8

    model = dlexp.load("run")
    assert model.feature_names == facts["feature_names"]
    answers = model(model.inputs([{"length": 2, "colour": "red"}, {"length": -2, "colour": "blue"}]))
    assert answers.argmax(dim=1).tolist() == [0, 1]
    gap = model(model.inputs([{"length": None, "colour": "red"}]))
    filled = model(torch.tensor([[facts["fill"]["inputs"][0], 0.0, 1.0]]))
    assert torch.allclose(gap, filled, atol=1e-5) and gap.isfinite().all()


def test_the_mean_is_that_of_the_samples_that_train(workdir: Path) -> None:
    """Filled with the mean of all rows, those that train would have another mean than what was filled in."""
    rows = [f"{'' if i % 3 == 0 else i * i},{i % 2}" for i in range(60)]
    Path("table.csv").write_text("\n".join(["a,label", *rows]), encoding="utf-8")
    run = assemble(compose([*WORDS, "data.missing=mean", "data.val_size=0.5"]).config)
    train, (mean,) = run.train.split.inputs, run.data_facts["fill"]["inputs"]
    assert float(train.double().mean()) == pytest.approx(mean) and (train == mean).any()  # type: ignore[union-attr]
    assert run.val is not None and (run.val.split.inputs == mean).any()  # type: ignore[union-attr]


def test_coefficients_carry_the_names_of_their_columns(cli: Cli, workdir: Path) -> None:
    rows = [f"{3 * a - b + 1},{a},{b}" for a in range(8) for b in range(8)]
    Path("table.csv").write_text("\n".join(["target,rooms,age", *rows]), encoding="utf-8")
    words = [*WORDS, "task=regression", "criterion=mse", "model=linear", "optimizer.lr=0.1", "epochs=30"]
    ended = cli(*words, "hydra.run.dir=r")
    learnt = re.search(r"learnt: w = \[rooms: (\S+), age: (\S+)\], b = (\S+)", ended.out)
    assert learnt is not None and [float(each) for each in learnt.groups()] == pytest.approx([3, -1, 1], abs=0.1), ended
    assert read_json(workdir / "r" / "results.json")["coefficients"]["feature_names"] == ["rooms", "age"]


def test_names_go_with_the_columns_that_a_view_moves(cli: Cli, workdir: Path) -> None:
    numbers = torch.rand(60, 3, generator=torch.Generator().manual_seed(0))
    rows = [f"{5 * a - 2 * b + c + 7},{a},{b},{c}" for a, b, c in numbers.tolist()]
    Path("table.csv").write_text("\n".join(["target,rooms,age,height", *rows]), encoding="utf-8")
    words = [*WORDS, "task=regression", "criterion=mse", "model=linear", "method=least_squares", "view=permutation"]
    ended = cli(*words, "view.permutation.seed=1", "hydra.run.dir=r")
    found = read_json(workdir / "r" / "results.json")["coefficients"]
    learnt = dict(zip(found["feature_names"], found["w"], strict=True))
    assert [*learnt] != ["rooms", "age", "height"] and "rooms: 5.00" in ended.out
    assert learnt == pytest.approx({"rooms": 5, "age": -2, "height": 1}, abs=1e-3)
    model = dlexp.load("r")  # which is asked by the columns of the table
    assert model.feature_names == ["rooms", "age", "height"]
    assert float(model(model.inputs([{"height": 3, "rooms": 1, "age": 2}]))) == pytest.approx(5 - 4 + 3 + 7, abs=1e-3)


def test_rows_for_a_model_that_has_no_names_or_fills_nothing(workdir: Path) -> None:
    rows = [f"{i},{i % 2}" for i in range(40)]
    Path("table.csv").write_text("\n".join(["a,label", *rows]), encoding="utf-8")
    model = dlexp.load(api.run(WORDS, folder="named").folder)
    with pytest.raises(UserError, match=r"a row lacks a value, and this model was trained without data\.missing=mean"):
        model.inputs([{"a": None}])
    with pytest.raises(UserError, match="names no features"):
        dlexp.load(api.run(["epochs=1", *SHORT], folder="plain").folder).inputs([{"a": 1}])


def test_values_of_more_axes_keep_their_shape(cli: Cli, workdir: Path) -> None:
    x = np.random.default_rng(0).normal(size=(80, 4))
    np.savez("table.npz", x=x, y=np.stack([x[:, :2], x[:, 2:], -x[:, :2]], axis=1))
    Path("grid.py").write_text(
        "from torch import nn\n\n\ndef grid(*, shape, num_outputs):\n"
        "    return nn.Sequential(nn.Linear(shape[0], num_outputs), nn.Unflatten(1, (3, 2)))\n",
        encoding="utf-8",
    )
    Path("mine/model").mkdir(parents=True)
    Path("mine/model/grid.yaml").write_text(
        "_target_: grid.grid\nshape: ${data.shape}\nnum_outputs: ${data.num_outputs}\n", encoding="utf-8"
    )
    words = ["--config-dir", "mine", "allow=grid", "model=grid", *WORDS, "data.file=table.npz", "task=regression"]
    words += ["criterion=mse", "optimizer=adam", "optimizer.lr=0.1", "epochs=40", "hydra.run.dir=run"]
    refused = cli(*words)
    assert refused.code == 1 and "y has the shape [3, 2] a sample" in refused.err, refused
    ended = cli(*words, "data.fields={targets: {shape: [3, 2], dtype: float32, kind: plain}}")
    assert ended.code == 0, ended
    assert read_json(workdir / "run" / "run.json")["metrics"]["test/mae"] < 0.05
