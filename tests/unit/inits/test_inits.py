"""First weights: every option of conf/init, what it draws, and what it leaves."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from dlexp import api
from dlexp.config.cell import cell, essentials
from dlexp.config.check import check
from dlexp.config.compose import compose
from dlexp.config.new_model import build_model
from dlexp.inits import alike, pytorch, scaled

SMALL = ["data=spiral", "model=mlp", "model.depth=1", "model.width=8"]


def built(*words: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build_model(compose([*words]).config)


def test_torchs_own_start_is_what_a_model_has_that_begins_with_it() -> None:
    plain, again = built(*SMALL).state_dict(), built(*SMALL, "init=pytorch").state_dict()
    assert all(torch.equal(plain[name], again[name]) for name in plain)
    draws = torch.rand(3)
    built(*SMALL)
    assert torch.equal(torch.rand(3), draws), "what is drawn afterwards is the same, too"


def test_a_seed_gives_the_same_weights() -> None:
    words = ["data=mnist", "model=cnn", "model.widths=[4]", "init=he"]
    one, same, other = built(*words), built(*words), built(*words, seed=1)
    assert torch.equal(one.conv1_1.weight, same.conv1_1.weight)
    assert not torch.equal(one.conv1_1.weight, other.conv1_1.weight)


@pytest.mark.parametrize(
    ("fill", "spread"),
    [
        (scaled.xavier, math.sqrt(2 / (400 + 100))),
        (lambda model: scaled.he(model, mode="fan_in"), math.sqrt(2 / 400)),
        (lambda model: scaled.he(model, mode="fan_out"), math.sqrt(2 / 100)),
        (lambda model: alike.normal(model, std=0.03), 0.03),
        (alike.zeros, 0.0),
    ],
)
def test_how_far_weights_spread(fill, spread: float) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(400, 100), nn.BatchNorm1d(100))
    norm = model[1].weight.detach().clone()
    fill(model)
    assert model[0].weight.std().item() == pytest.approx(spread, rel=0.03, abs=1e-9)
    assert not model[0].bias.any() and torch.equal(model[1].weight, norm)


@pytest.mark.parametrize("groups", [1, 4])
def test_transposed_convolutions_count_their_own_inputs(groups: int) -> None:
    """torch keeps their weights as inputs × outputs, and would count the outputs as inputs."""
    torch.manual_seed(0)
    layer = nn.ConvTranspose2d(64, 16, 3, stride=2, groups=groups)
    inputs, outputs = 64 // groups * 9, 16 // groups * 9
    for fill, variance in (
        (scaled.xavier, 2 / (inputs + outputs)),
        (lambda model: scaled.he(model, mode="fan_in"), 2 / inputs),
        (lambda model: scaled.he(model, mode="fan_out"), 2 / outputs),
    ):
        fill(nn.Sequential(layer))
        assert layer.weight.std().item() == pytest.approx(math.sqrt(variance), rel=0.04)


def test_identity_passes_channels_on() -> None:
    conv = nn.Conv2d(3, 5, 3, padding=1)
    pytorch.identity(nn.Sequential(conv))
    image = torch.rand(1, 3, 4, 4)
    assert torch.allclose(conv(image)[:, :3] - conv.bias[:3].view(3, 1, 1), image, atol=1e-6)
    assert conv.weight[3:].abs().sum() > 0


def test_attention_and_transposed_convolutions_begin_anew() -> None:
    model = nn.Sequential(nn.MultiheadAttention(8, 2), nn.ConvTranspose2d(3, 2, 2))
    alike.zeros(model)
    assert not any(parameter.any() for parameter in model.parameters())
    pytorch.pytorch(model)
    assert model[0].in_proj_weight.any() and not model[0].out_proj.bias.any() and model[1].bias.any()


def test_what_has_no_such_layer_is_refused() -> None:
    with pytest.raises(api.UserError, match="linear and convolutional layers"):
        scaled.he(nn.Sequential(nn.Embedding(3, 2)), mode="fan_in")
    words = ["data=cifar10", "model=torchvision", "model.weights=DEFAULT", "init=he"]
    with pytest.raises(api.UserError, match="model.weights trained ones"):
        check(compose(words).config)


def test_a_run_without_it_is_the_experiment_that_it_was() -> None:
    config = compose(SMALL).config
    assert "init" not in essentials(config)
    assert cell(config) != cell(compose([*SMALL, "init=pytorch"]).config)
    assert compose([*SMALL, "init=he", "init=own"]).config == config


def test_a_run_begins_with_them_and_goes_on_without(workdir: Path) -> None:
    words = [*SMALL, "init=zeros", "epochs=2", "pictures=false", "device=cpu"]
    found = api.run([*words, "optimizer.lr=1e-12"])
    model = api.load(found.folder)
    assert all(parameter.abs().max() < 1e-6 for parameter in model.parameters())
    assert found.metrics["test/loss"] == pytest.approx(math.log(3), abs=1e-3)
