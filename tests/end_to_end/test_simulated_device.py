"""Training on a device that is not the CPU: the same numbers, exact resume, no host that waits within an epoch."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from resuming import CNN, RICH, metrics_of, resumes_exactly
from simulated_device import Module, registered, simulated
from test_options import FAKE, FEWEST, GROUPS, REAL, option_data, pretend, smallest_shape
from test_resume import folder_of_images
from torch import nn

from dlexp import api
from dlexp.config import registry
from dlexp.config.compose import compose
from dlexp.errors import UserError
from dlexp.experiment.assemble import assemble
from dlexp.machine.device import select_device
from dlexp.train import fit

registered()
SPIRAL = ["model=mlp", "data=spiral", "data.points_per_class=60", "pictures=false", "threads=1"]
SHORT = ["batch_size=8", "data.limit=24", "pictures=false", "threads=1", "precision=float32"]
TOLERANCE = 1e-5


@pytest.fixture
def device() -> Iterator[Module]:
    """The device, with random numbers of its own."""
    with simulated() as module:
        yield module


@pytest.fixture
def same_draws() -> Iterator[Module]:
    """The device, with the CPU's default generator: dropout draws the same numbers on both."""
    with simulated(torch.default_generator) as module:
        yield module


def gives_the_numbers_of_the_cpu(words: list[str], folder: Path) -> None:
    """Runs the words on both; every line of `metrics.jsonl` has the same numbers, and some."""
    lines = []
    for name in ("cpu", "simulated"):
        torch.default_generator.manual_seed(0)
        lines.append(metrics_of(api.run([*words, f"device={name}"], folder=folder / name).folder))
    ours, theirs = lines
    names = set().union(*ours)
    assert "train/loss" in names and ("test/loss" in names or "trained_on/loss" in names)
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for key in [key for key in one if isinstance(one[key], float)]:
            assert math.isfinite(one[key]) and other[key] == pytest.approx(one[key], rel=TOLERANCE, abs=TOLERANCE), key


def waits_of_an_epoch(words: list[str], module: Module, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Trains one epoch; returns how often its host waited, and what must be: values logged, the first batch."""
    monkeypatch.setattr(fit, "PROGRESS_SECONDS", math.inf)
    run = assemble(compose([*words, "device=simulated"]).config)
    module.waits.clear()
    num_lines = 0
    for event in fit.fit(run.state, run.train, run.plan):
        num_lines += 1
        if event["kind"] == "epoch":
            break
    in_a_line = 1 + (run.state.counts is not None) + len(run.state.sums)
    first = len(run.train.fields) + (run.train.split.weights is not None)  # the order is drawn on the CPU then
    return len(module.waits), num_lines * in_a_line + first


TRAINED = {group: options for group, options in GROUPS.items() if group != "launcher"}  # it starts, and trains nothing
OPTIONS = [(group, option) for group, options in TRAINED.items() for option in options]


VALUES, LABELS = ["task=regression", "criterion=mse"], ["task=multi_label", "criterion=bce"]
ASKS = {
    **dict.fromkeys(("mse", "mae", "rmse", "r2"), VALUES),
    **dict.fromkeys(("bce", "subset_accuracy"), LABELS),
    **dict.fromkeys(("dice", "cross_entropy_dice"), ["task=segmentation"]),
    "regression": ["criterion=mse"],
    "multi_label": ["criterion=bce"],
    "top5": ["metric.top5.k=2"],
    "torchmetrics": ["metric.torchmetrics.name=MulticlassMatthewsCorrCoef",
                     "metric.torchmetrics.arguments={num_classes: 3}"],
}  # fmt: skip


AS_SHARES = ["data.mean=[0.0]", "data.std=[1.0]"]  # of white, as Boltzmann machines take pictures
# Methods that set the weights in one step, which looks at values.
AT_ONCE = {
    "least_squares": [*VALUES, *FAKE, "data.shape=[3]", "model=linear"],
    "support_vectors": ["data=blobs", "criterion=hinge", "criterion.outputs=1", "model=linear"],
    "principal_components": [*FAKE, "data.shape=[3]", "model=pca", "model.code=2"],
}


def words_of(group: str, option: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Returns a training of a few steps with an option."""
    words = [f"{group}={option}"]
    if group == "model":
        words = smallest_shape(option) + AS_SHARES * (option == "rbm")
    elif option in ("contrastive_divergence", "rbm") and group in ("method", "watch"):
        words += [*smallest_shape("rbm"), *AS_SHARES]
    elif group == "experiment":
        words += ["stages=null"]
    elif group == "recipe":  # is chosen by the names of the other two
        words = [f"model={option.partition('/')[0]}", f"data={option.partition('/')[2]}"]
    elif group == "data":
        words += option_data(option, folder)
    elif (group, option) == ("task", "language"):
        (folder / "text.txt").write_text("the cat sat on the mat. " * 40, encoding="utf-8")
        words += [
            "data=text",
            "data.file=text.txt",
            "data.length=8",
            "model=transformer",
            "model.width=8",
            "model.depth=1",
        ]
    elif group in ("criterion", "task", "metric"):
        words += [*ASKS.get(option, []), *FAKE, f"data.num_outputs={2 if option == 'perceptron' else 3}"]
        words += ["data.shape=[3,8,8]", "model=unet"] if "task=segmentation" in words else ["data.shape=[3]"]
    elif option in AT_ONCE:
        words += AT_ONCE[option]
    elif option == "distillation":
        api.run([*CNN, "epochs=1"], folder=folder / "teacher")
        words += [*CNN, "method.teacher=teacher"]
    elif option == "pruning":
        words.append("method.rounds=1")
    elif option == "adversarial":
        words += [*CNN, "method.steps=2", "method.step_size=0.02"]
    elif option == "contrastive":
        words += [*CNN, "augment=flip"]
    elif group in ("view", "augment", "ema", "evaluation", "optimizer"):
        words += [*FAKE, "data.shape=[3,24,24]", "model=cnn", "model.widths=[4,4]", "epochs=9"]
    found = compose(words)
    if found.choices["data"] in REAL:
        pretend(monkeypatch, found.config)
    steps = {"augment": 6, "ema": 6, "scheduler": 6, "recipe": 1}.get(group, 2)
    return [*words, f"max_steps={steps}", *SHORT]


def test_the_device_is_another_one(device: Module) -> None:
    there = torch.arange(6.0).to("simulated").view(2, 3)
    assert there.device == torch.device("simulated", 0) and there.t().stride() == (1, 3)
    there[:, 1].zero_()
    assert there.cpu().tolist() == [[0, 0, 2], [3, 0, 5]], "a view is the same memory"
    weight = torch.ones(3, device="simulated", requires_grad=True)
    changed = weight * 1
    changed[1:].mul_(2)
    changed.sum().backward()
    assert weight.grad is not None and weight.grad.tolist() == [1, 2, 2]
    torch.manual_seed(0)
    drawn = torch.rand(2, device="simulated")
    assert not torch.equal(torch.rand(2, device="simulated").cpu(), drawn.cpu())
    torch.manual_seed(0)
    torch.rand(5)
    assert torch.equal(torch.rand(2, device="simulated").cpu(), drawn.cpu()), "its generator is not the CPU's"


def test_mixing_devices_is_an_error(device: Module) -> None:
    here, there = torch.ones(2, 2), torch.ones(2, 2, device="simulated")
    for mixed in (torch.add, torch.mm, torch.maximum, nn.functional.linear, nn.functional.mse_loss, torch.dot):
        with pytest.raises(RuntimeError, match="same device"):
            mixed(*((there[0], here[0]) if mixed is torch.dot else (there, here)))
    with pytest.raises(RuntimeError, match="same device"):
        nn.Linear(2, 2).to("simulated")(here)
    assert (there * torch.tensor(2.0))[torch.tensor([1])].tolist() == [[2, 2]], "a number and indices may come along"


def test_what_a_host_waits_for_is_seen(device: Module) -> None:
    there = torch.ones(3, device="simulated")
    waiting = [there.sum().item, there.cpu, there.nonzero, lambda: there[there > 0], lambda: bool(there[0]),
               lambda: there.index_put_((there > 0,), there), lambda: there.copy_(torch.zeros(3)),
               lambda: torch.equal(there, there)]  # fmt: skip
    for number, ask in enumerate(waiting):
        device.waits.clear()
        ask()
        assert len(device.waits) == 1, number
    device.waits.clear()
    torch.where(there > 0, there.cumsum(0), 1.0).index_select(0, torch.zeros(2, dtype=torch.int64, device="simulated"))
    there.copy_(torch.zeros(3), non_blocking=True)
    assert device.waits == []


def test_names_of_devices(device: Module, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("simulated", "simulated:0"):
        assert select_device(name) == torch.device("simulated", 0)
    with pytest.raises(UserError, match="device=simulated:1, but this torch finds no such device here"):
        select_device("simulated:1")
    monkeypatch.setattr(torch.xpu, "is_available", lambda: False)
    with pytest.raises(UserError, match="device=xpu, but this torch finds no such device here; device=cpu works"):
        select_device("xpu")
    for name in ("gpu", "meta", "optim", "cpu:0", "mps:0", "cuda:", "simulated:", "simulated:-1", "Simulated", ""):
        with pytest.raises(UserError, match=f"device={name} must be one of auto, cpu, cuda, cuda:N, mps, or another"):
            select_device(name)


def test_an_mlp_trains_as_on_the_cpu(same_draws: Module, workdir: Path) -> None:
    gives_the_numbers_of_the_cpu([*SPIRAL, "epochs=3"], workdir)


def test_a_cnn_with_augmentation_trains_as_on_the_cpu(same_draws: Module, workdir: Path) -> None:
    gives_the_numbers_of_the_cpu([*CNN, *RICH, "data.num_samples=48", "epochs=2", "grad_clip=0.5"], workdir)


def test_a_resume_is_exact(every_state_is_kept: None, device: Module, workdir: Path) -> None:
    """Dropout draws from the device's generator, which goes on where it was."""
    words = [*CNN, *RICH, "data.num_samples=48", "epochs=2", "device=simulated"]
    resumes_exactly(words, workdir, [2])


@pytest.mark.parametrize("log_steps", [1000, 4])
def test_a_host_waits_for_what_is_logged_only(device: Module, monkeypatch: pytest.MonkeyPatch, log_steps: int) -> None:
    for num_samples in (40, 80):
        words = [*CNN, *RICH, f"data.num_samples={num_samples}", "grad_clip=0.5", f"log_steps={log_steps}"]
        found, expected = waits_of_an_epoch(words, device, monkeypatch)
        assert found == expected


def test_every_option_is_collected() -> None:
    assert len(OPTIONS) == sum(len(list((registry.CONF / group).rglob("*.yaml"))) for group in TRAINED)
    assert len(OPTIONS) >= sum(number for group, number in FEWEST.items() if group in TRAINED)


@pytest.mark.slow
@pytest.mark.parametrize(("group", "option"), OPTIONS, ids=["-".join(pair) for pair in OPTIONS])
def test_every_option(
    same_draws: Module, group: str, option: str, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = words_of(group, option, workdir, monkeypatch)
    gives_the_numbers_of_the_cpu(words, workdir)
    if option in ("lbfgs", "torchmetrics", "pca", *AT_ONCE):  # look at values all the time
        return
    found, expected = waits_of_an_epoch(words, same_draws, monkeypatch)
    once = 4 * (option == "distillation")  # the factors of both normalisations
    assert found == expected + once, same_draws.waits


TABLE = [*FAKE, "data.num_outputs=3", "data.shape=[3]"]
IMAGES = [*FAKE, "data.num_outputs=3", "data.shape=[3,8,8]", "model=unet", "task=segmentation"]
SETTINGS = {
    "ignored": [*TABLE, "task.ignore_index=0"],
    "weights": [*TABLE, "task.ignore_index=0", "criterion.weight=[1,2,3]", "accumulate=2"],
    "balanced": [*TABLE, "task.ignore_index=0", "data.sampling=balanced"],
    "ignored pixels": [*IMAGES, "task.ignore_index=0", "criterion=cross_entropy_dice"],
    "masked": ["task.objective=masked", "task.padding=1"],
    "pos_weight": [*TABLE, "task=multi_label", "criterion=bce", "criterion.pos_weight=[1,2,3]"],
    "every metric of classes": [
        *TABLE,
        "metric=[accuracy,top5,macro_f1,ece,nll,brier,auc]",
        "metric.top5.k=2",
        "task.ignore_index=0",
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_what_counts(same_draws: Module, name: str, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of tasks and criteria that their options leave out."""
    words = [*SETTINGS[name], "max_steps=4", *SHORT]
    if name == "masked":
        words += words_of("task", "language", workdir, monkeypatch)
    gives_the_numbers_of_the_cpu(words, workdir)
    found, expected = waits_of_an_epoch(words, same_draws, monkeypatch)
    assert found == expected, same_draws.waits


@pytest.mark.slow
def test_streamed_images(same_draws: Module, workdir: Path) -> None:
    gives_the_numbers_of_the_cpu([*folder_of_images(workdir / "images"), "epochs=2"], workdir)


@pytest.mark.slow
def test_bfloat16(same_draws: Module, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "TOLERANCE", 0.05)  # accuracy counts 48 samples, and roundings decide one of them
    gives_the_numbers_of_the_cpu([*CNN, "precision=bfloat16", "max_steps=6"], workdir)
