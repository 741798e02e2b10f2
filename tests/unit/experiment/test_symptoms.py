"""Why nothing is learnt: the advice names what is there, and the training goes on as if nobody had looked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dlexp import api
from dlexp.config.compose import compose
from dlexp.criteria.mse import MeanSquaredError
from dlexp.experiment.assemble import assemble
from dlexp.experiment.symptoms import likeliest

SPIRAL = ["data.points_per_class=100", "threads=1"]


def told(*words: str, change: Callable[[nn.Module], Any] = lambda model: None) -> str | None:
    config = compose(list(words)).config
    run = assemble(config)
    run.state.step = 500
    change(run.state.model)
    before = torch.get_rng_state()
    weights = {name: value.clone() for name, value in run.state.model.state_dict().items()}
    found = likeliest(run, config)
    assert torch.equal(torch.get_rng_state(), before) and run.state.model.training
    assert all(torch.equal(value, weights[name]) for name, value in run.state.model.state_dict().items())
    assert all(parameter.grad is None for parameter in run.state.model.parameters())
    return found


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["model=linear"], "The model is linear and draws only straight borders: try model=mlp"),
        (
            ["model.activation=identity"],
            "The model is linear and draws only straight borders: try model.activation=relu",
        ),
        (["model.depth=0"], "The model is linear and draws only straight borders: try model.depth=1"),
        (["model=linear", "data=linear", "data.num_points=60"], "The model is linear and bends nowhere: try model=mlp"),
        (["model.depth=8", "model.activation=sigmoid"], "dies on its way back through 8 layers of Sigmoid"),
        (
            ["init=zeros", "model.depth=2"],
            "All weights are 0, which no gradient gets through, as init=zeros begins: try in",
        ),
        (["optimizer.lr=1e-8"], "try optimizer.lr=1e-06 (a hundred times)"),
    ],
)
def test_what_is_likeliest_is_named(words: list[str], expected: str) -> None:
    found = told(*([] if "data=linear" in words else SPIRAL), "threads=1", *words)
    assert found is not None and expected in found


@pytest.mark.parametrize("words", [[], ["model.activation=tanh"], ["model.batch_norm=true", "optimizer=adam"]])
def test_a_model_that_learns_shows_nothing(words: list[str]) -> None:
    assert told(*SPIRAL, *words) is None
    assert told("data=fake", "model=cnn", "data.num_samples=40", "threads=1", *words[1:]) is None


def test_units_that_are_silent() -> None:
    def silence(model: nn.Module) -> None:
        for layer in model.modules():
            if isinstance(layer, nn.Linear) and layer.out_features > 3:
                nn.init.constant_(layer.bias, -1e6)

    found = told(*SPIRAL, change=silence)
    assert found is not None and "No gradient reaches any layer" in found and "optimizer.lr=" in found


class Uncopied(MeanSquaredError):
    """Holds what can't be copied, as criteria that were compiled or wrapped do."""

    def __deepcopy__(self, memo: dict[int, object]) -> None:
        raise TypeError("cannot pickle")


def test_a_criterion_that_can_not_be_copied_shows_nothing_and_is_learnt(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setenv("DLEXP_ALLOW", Uncopied.__module__)
    words = ["data=linear", "data.fields=null", "data.num_points=60", "model=linear", "epochs=1", "threads=1"]
    words.append(f"criterion._target_={Uncopied.__module__}.Uncopied")
    config = compose(words).config
    assert likeliest(assemble(config), config) is None
    assert "since the criterion can't be copied to be tried" in caplog.text
    assert api.run([*words, "pictures=false"], folder=workdir / "run").metrics


def test_a_linear_model_that_meets_xor(cli, workdir: Path) -> None:
    corners = np.random.default_rng(0).integers(0, 2, (400, 2))
    np.savez("xor.npz", x=corners.astype(np.float32), y=corners[:, 0] ^ corners[:, 1])
    words = ["data=arrays", "data.file=xor.npz", "batch_size=32", "epochs=60", "threads=1", "pictures=false"]
    ended = cli(*words, "model=linear", "hydra.run.dir=linear")
    assert ended.code == 0 and "nothing is being learnt" in ended.out
    assert ended.out.count("The model is linear and draws only straight borders: try model=mlp") == 1
    solved = cli(*words, "model=mlp", "hydra.run.dir=mlp", "optimizer=adam", "optimizer.lr=0.01")
    assert "test accuracy 100.00 %" in solved.out and "nothing is being learnt" not in solved.out
