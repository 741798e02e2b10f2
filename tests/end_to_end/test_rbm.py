"""Restricted Boltzmann machines: what they learn, held against all their states counted; layers on each other."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from resuming import SHORT

import dlexp
from dlexp import api
from dlexp.config.check import check
from dlexp.config.compose import compose
from dlexp.data.normalisation import BYTES, Normalisation
from dlexp.errors import UserError
from dlexp.experiment.assemble import assemble
from dlexp.methods.contrastive_divergence import ContrastiveDivergence
from dlexp.methods.method import Moment, Start
from dlexp.models.rbm import RBM
from dlexp.models.stacked_autoencoder import StackedAutoencoder
from dlexp.records.metrics import read_epochs
from dlexp.tasks.autoencoding import Autoencoding
from dlexp.watch.rbm import filters

GREY = ["data=fake", "data.shape=[1,4,4]", "data.num_samples=60", "data.num_test_samples=20", "data.noise=0.3",
        "data.mean=[0.0]", "data.std=[1.0]", "batch_size=10", *SHORT]  # fmt: skip
MACHINE = [*GREY, "model=rbm", "model.width=5", "epochs=2", "optimizer.lr=0.1"]


def machine(depth: int = 1) -> RBM:
    torch.manual_seed(0)
    found = RBM(shape=[4], depth=depth, width=3)
    for parameter in found.parameters():
        torch.nn.init.normal_(parameter)
    return found


def states(count: int) -> torch.Tensor:
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=count)))


def energies(found: RBM, visible: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """The energy of each pair of states, visible by hidden, by its definition."""
    layer = found.layer(1)
    both = visible @ layer.weight.T @ hidden.T
    return -(visible @ found.visible1)[:, None] - (hidden @ layer.bias)[None] - both


def task_of(normalised: Normalisation | None = None) -> Autoencoding:
    task = Autoencoding(class_names=None, targets="none", noise=0, hidden=0, target="augmented")
    task.criterion = torch.nn.BCEWithLogitsLoss()
    task.normalised = {"inputs": normalised or Normalisation([0.0] * 4, [1.0] * 4, BYTES)}
    return task


def test_the_free_energy_is_that_of_all_hidden_states() -> None:
    found, visible = machine(), states(4)
    expected = -torch.logsumexp(-energies(found, visible, states(3)), dim=1)
    assert torch.allclose(found.free_energy(visible), expected, atol=1e-5)


def test_gibbs_sampling_comes_to_the_distribution_of_the_energy() -> None:
    found, visible = machine(), states(4)
    expected = torch.softmax(-found.free_energy(visible), dim=0) @ visible
    torch.manual_seed(1)
    drawn = torch.full((20_000, 4), 0.5)
    for _ in range(30):
        drawn = torch.bernoulli(found.chain(drawn, 1))
    assert torch.allclose(drawn.mean(dim=0), expected.detach(), atol=0.02)


def test_a_step_goes_along_the_statistics_of_data_and_chain() -> None:
    """Hinton 2010, equation 9: <vh> of the data minus that of the reconstruction."""
    found, task = machine(), task_of()
    batch = {"inputs": states(4)[5:9]}
    torch.manual_seed(2)
    outcome = ContrastiveDivergence(k=2).loss(task, found, batch, Moment.beginning())
    outcome.loss.backward()
    torch.manual_seed(2)
    data, model = batch["inputs"], found.chain(batch["inputs"], 2)
    with torch.no_grad():
        sums = [found.up(each, 1).T @ each / len(each) for each in (data, model)]
    assert torch.allclose(found.layer(1).weight.grad, sums[1] - sums[0], atol=1e-6)
    assert torch.allclose(found.visible1.grad, model.mean(dim=0) - data.mean(dim=0), atol=1e-6)
    assert torch.allclose(outcome.loss, task.loss(found(data), batch)), "the reconstruction error"


def test_it_learns_the_distribution_of_its_samples() -> None:
    """The exact likelihood of two patterns rises to near what it can be, log 1/2."""
    torch.manual_seed(0)
    found, task, method = RBM(shape=[4], depth=1, width=3), task_of(), ContrastiveDivergence(k=1)
    data = torch.tensor([[1.0, 1, 0, 0], [0, 0, 1, 1]]).repeat(16, 1)
    found.init_from_data(data)

    @torch.no_grad()
    def likelihood() -> float:
        partition = torch.logsumexp(-found.free_energy(states(4)), dim=0)
        return float((-found.free_energy(data) - partition).mean())

    optimizer = torch.optim.SGD(found.parameters(), lr=0.2, momentum=0.9)
    before = likelihood()
    for _ in range(400):
        optimizer.zero_grad()
        method.loss(task, found, {"inputs": data}, Moment.beginning()).loss.backward()
        optimizer.step()
    assert before < -2.7 and likelihood() > -0.9, (before, likelihood(), math.log(0.5))


def test_the_first_biases_are_how_often_a_unit_is_on() -> None:
    found = RBM(shape=[2], depth=1, width=3)
    found.init_from_data(torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [1.0, 0.0]]))
    assert torch.allclose(found.visible1, torch.tensor([0.75, 0.01]).logit())
    assert float(found.layer(1).weight.detach().abs().max()) < 0.1 and not found.layer(1).bias.any()
    with pytest.raises(UserError, match="here they go from -1 to 2: features must lie there in the data itself"):
        found.init_from_data(torch.tensor([[-1.0, 2.0]]))


@pytest.mark.parametrize("kind", [RBM, StackedAutoencoder])
def test_only_the_top_layer_is_trained(kind: type) -> None:
    found = kind(shape=[1, 2, 2], depth=2, width=[3, 5])
    trained = {name for name, each in found.named_parameters() if each.requires_grad}
    assert all("2" in name for name in trained) and len(trained) >= 3
    inputs = torch.rand(6, 1, 2, 2)
    assert found(inputs).shape == inputs.shape and found.encode(inputs).shape == (6, 5)
    assert torch.equal(found.decode(found.encode(inputs)), found(inputs))
    with pytest.raises(UserError, match="init_from=RUN begins from a run of model.depth=1"):
        found.init_from_data(inputs)


def test_filters_of_a_higher_layer_are_sums_of_those_below() -> None:
    found = RBM(shape=[1, 2, 2], depth=2, width=3)
    with torch.no_grad():
        images, weights = filters(found), found.layer(2).weight @ found.layer(1).weight
    assert images.shape == (3, 1, 2, 2) and float(images.min()) >= 0 and float(images.max()) <= 1
    assert torch.equal((images.flatten(1) > 0.5), weights > 0)


def test_inputs_that_are_normalised_are_refused() -> None:
    for mean, std in ([0.1307], [0.3081]), ([0.0], [0.5]):
        normalised = {"inputs": Normalisation(mean, std, BYTES)}
        start = Start(machine(), task_of(), lambda folder: torch.nn.Identity(), normalised, 10)
        with pytest.raises(UserError, match=r"'data.mean=\[0.0\]' 'data.std=\[1.0\]' leaves them as they are"):
            ContrastiveDivergence(k=1).setup(start)
    start = Start(torch.nn.Linear(2, 2), task_of(), lambda folder: torch.nn.Identity(), {}, 10)
    with pytest.raises(UserError, match="trains restricted Boltzmann machines, and Linear is none"):
        ContrastiveDivergence(k=1).setup(start)
    task = task_of()
    task.criterion = torch.nn.MSELoss()
    with pytest.raises(UserError, match=r"the criterion reads them as values: criterion=bce"):
        ContrastiveDivergence(k=1).setup(Start(machine(), task, lambda folder: torch.nn.Identity(), {}, 10))


IMAGES = ["model=rbm", "data=fake", "data.shape=[3,8,8]", "data.mean=[0.0,0.0,0.0]", "data.std=[1.0,1.0,1.0]"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["data.mean=null"],
            r"computed mean and deviation: 'data.mean=\[0.0,0.0,0.0\]' 'data.std=\[1.0,1.0,1.0\]' leaves",
        ),
        (["data.std=[0.5,0.5,0.5]"], "here they are normalised by data.mean and data.std"),
        (
            ["view=noise"],
            "view=noise changes .* view=none leaves it out, view.noise.split=test is for the test samples",
        ),
        (["view=grey"], "normalised anew, whatever data.mean says: view=none leaves it out$"),
        (["view=noise", "view.noise.split=test"], None),
        (["view=permutation"], None),
    ],
)
def test_inputs_that_will_be_normalised_are_refused_before_they_are_read(words: list[str], told: str | None) -> None:
    config = compose([*IMAGES, *words]).config  # of words typed twice the last holds
    if told is None:
        check(config)
        return
    with pytest.raises(UserError, match=told):
        check(config)


def test_the_gap_is_to_samples_from_all_over_the_training_set(workdir: Path) -> None:
    """The files of a set often lie sorted by class, and then the first thousand, a batch, are of one alone."""
    shown = np.repeat(np.array([0, 255], dtype=np.uint8), 1200)[:, None, None, None] * np.ones((1, 1, 2, 2), np.uint8)
    np.savez(workdir / "sorted.npz", x=shown, y=np.arange(2400) // 1200)
    words = ["data=arrays", "data.file=sorted.npz", "data.val_size=200", "data.range=[0,255]", *MACHINE[5:]]
    result = api.run([*words, "batch_size=200", "epochs=1", "watch=rbm"], folder=workdir / "run")
    run, machine = assemble(compose(words).config), dlexp.load(result.folder).model
    assert run.val is not None and not run.train.split.inputs[:800].any()
    with torch.no_grad():
        own, train, black = (
            float(machine.free_energy(inputs.flatten(1)).mean())
            for inputs in (run.val.spread(200)["inputs"], run.train.spread(200)["inputs"], torch.zeros(1, 4))
        )
    (row,) = read_epochs(result.folder)
    assert row["watch/rbm/free_energy"] == pytest.approx(own, abs=1e-4) and abs(own - black) > 0.02
    assert row["watch/rbm/free_energy_gap"] == pytest.approx(own - train, abs=1e-4) and abs(own - train) < 1e-4


def test_a_stack_becomes_a_deep_net(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures, figures and free energies of each machine, whose weights the net takes over."""
    one = api.run([*MACHINE, "watch=rbm", "pictures=true", "scheduler=rising_momentum"], folder=workdir / "one").folder
    assert {"filters.png", "samples.png", "reconstructions.png"} <= {path.name for path in (one / "plots").iterdir()}
    epochs = read_epochs(one)
    assert len(epochs) == 2 and all("watch/rbm/free_energy_gap" in row for row in epochs)
    chosen = min(epochs, key=lambda row: row["val/mse"])
    gap, val = (chosen[f"watch/rbm/free_energy{name}"] for name in ("_gap", ""))
    sentence = f"validation samples {val:.4g}, of as many training samples {val - gap:.4g}: a gap of {gap:+.3g}"
    assert sentence in (one / "log.txt").read_text(encoding="utf-8")
    headings = list[str]()
    monkeypatch.setattr("dlexp.pictures.grids.image_rows", lambda _, heading: headings.append(heading) or Figure())
    two = api.run([*MACHINE, "watch=rbm", "model.depth=2", f"init_from={one}"], folder=workdir / "two").folder
    (heading,) = headings
    assert heading.endswith("on, in layer 2: each row is what the layers below decode from it")
    net = ["model=mlp", "model.depth=2", "model.width=5", "model.activation=sigmoid", "epochs=1"]
    deep = api.run([*GREY, *net, f"init_from={two}"], folder=workdir / "deep").folder
    told = (deep / "log.txt").read_text(encoding="utf-8")
    assert "starts from 4 of 6 weights" in told and "there, but not in this model: visible1, visible2 (2)" in told
    images = torch.randint(0, 256, (3, 1, 4, 4), dtype=torch.uint8)
    answer = dlexp.load(two)(images)
    assert answer.shape == (3, 1, 4, 4) and 0 <= float(answer.min()) <= float(answer.max()) <= 1
