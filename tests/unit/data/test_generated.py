"""Generated sets: what is known of how they were drawn is found in the points again, and the test is drawn anew."""

import math

import pytest
import torch

from dlexp.config.build import load_data
from dlexp.config.compose import compose
from dlexp.data.blobs import blobs
from dlexp.data.circles import circles
from dlexp.data.curve import FUNCTIONS, curve
from dlexp.data.gates import GATES, gates
from dlexp.data.moons import moons
from dlexp.data.splits import Splits
from dlexp.errors import UserError

SIZES = {"test_size": 1.0, "data_seed": 0}


def made(*words: str) -> Splits:
    splits = load_data(compose(list(words)).config["data"])
    assert isinstance(splits, Splits)
    return splits


@pytest.mark.parametrize("name", ["blobs", "circles", "curve", "moons", "spiral"])
def test_the_test_split_is_drawn_anew_and_can_be_left_out(name: str) -> None:
    whole, without, half = (made(f"data={name}", f"data.test_size={size}") for size in (1, 0, 0.5))
    assert whole.test is not None and half.test is not None and without.test is None
    drawn = (whole.train, without.train, half.train)
    for field in ("inputs", "targets"):
        assert all(torch.equal(each.fields[field], whole.train.fields[field]) for each in drawn)
    assert len(whole.test) == len(whole.train) == 2 * len(half.test)
    key = "targets" if name == "curve" else "inputs"
    assert not torch.equal(whole.test.fields[key], whole.train.fields[key])
    other = made(f"data={name}", "data.data_seed=1")
    assert not torch.equal(other.train.fields[key], whole.train.fields[key])


def test_blobs_stand_around_their_centres() -> None:
    centres = [[-1.0, 0.0, 2.0], [3.0, 1.0, 0.0], [0.0, 5.0, 5.0]]
    splits = blobs(centres=centres, points_per_class=2000, spread=0.5, **SIZES)
    for number, centre in enumerate(centres):
        own = splits.train.inputs[:][splits.train.targets == number]
        assert own.mean(dim=0).tolist() == pytest.approx(centre, abs=0.05)
        assert own.std(dim=0).tolist() == pytest.approx([0.5] * 3, rel=0.06)


@pytest.mark.parametrize("centres", [[[1.0, 2.0]], [[1.0, 2.0], [3.0]], [[], []]])
def test_centres_that_can_t_be_are_refused(centres: list[list[float]]) -> None:
    with pytest.raises(UserError, match=r"must list a point for each of at least two classes"):
        blobs(centres=centres, points_per_class=3, spread=1.0, **SIZES)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_points_lie_beside_their_curve(function: str) -> None:
    splits = curve(function=function, num_points=4000, noise=0.3, **SIZES)
    x, y = splits.train.inputs[:], splits.train.targets
    assert x.shape == y.shape == (4000, 1) and (x.min(), x.max()) == (-1, 1)
    truth = {"cubic": x * x * x, "sine": (math.pi * x).sin(), "line": x}[function]
    noise = y - truth
    assert noise.min() >= -1e-6 and noise.max() <= 0.3 + 1e-6
    assert noise.var().item() == pytest.approx(0.0075, rel=0.05) and noise.mean().item() == pytest.approx(
        0.15, abs=0.01
    )


def test_gates_are_their_truth_tables() -> None:
    tables = {"and": [0, 0, 0, 1], "or": [0, 1, 1, 1], "nand": [1, 1, 1, 0], "xor": [0, 1, 1, 0], "xnor": [1, 0, 0, 1]}
    assert {*tables, "not"} == set(GATES)
    for gate, answers in tables.items():
        splits = gates(gate=gate)
        assert splits.train.inputs[:].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
        assert splits.train.targets.tolist() == answers and splits.test is None
    inverted = gates(gate="not").train
    assert inverted.inputs[:].tolist() == [[0], [1]] and inverted.targets.tolist() == [1, 0]


def test_moons_and_circles_lie_where_they_should() -> None:
    still = {"points_per_class": 200, "noise": 0.0, **SIZES}
    split = moons(**still).train
    upper, lower = (split.inputs[:][split.targets == number] for number in (0, 1))
    assert (upper.norm(dim=1) - 1).abs().max() < 1e-5 and upper[:, 1].min() >= -1e-5
    assert ((lower - torch.tensor([1.0, 0.5])).norm(dim=1) - 1).abs().max() < 1e-5 and lower[:, 1].max() <= 0.5 + 1e-5
    split = circles(radius=0.4, **still).train
    radii = split.inputs[:].norm(dim=1)
    assert torch.allclose(radii, torch.where(split.targets == 0, 1.0, 0.4), atol=1e-5)
    noisy = circles(radius=0.4, **(still | {"noise": 0.1, "points_per_class": 3000})).train
    assert noisy.inputs[:][noisy.targets == 0].norm(dim=1).std().item() == pytest.approx(0.1, rel=0.1)
