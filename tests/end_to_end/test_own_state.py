"""What a person's own criterion, task, optimizer and schedule change: resumed exactly, or refused before the run."""

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from resuming import as_killed_at, assert_same, metrics_of

from dlexp import api
from dlexp.commands import verify
from dlexp.config.attributes import values_of
from dlexp.config.build import load_data
from dlexp.config.check import check
from dlexp.config.compose import compose
from dlexp.config.rehearsal import rehearse
from dlexp.errors import UserError
from dlexp.experiment import resume
from dlexp.machine.signals import StopRequested
from dlexp.records import checkpoints
from dlexp.records.folder import saved_states

MODULE = '''\
import enum, os, random, signal
import numpy as np
import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler
from dlexp.criteria.cross_entropy import CrossEntropy
from dlexp.train.views import Plain
from dlexp.metrics.classes import Accuracy
from dlexp.tasks.classification import Classification


class CountingBuffer(CrossEntropy):
    """The loss grows with a counter."""
    def __init__(self, *, label_smoothing: float, weight: list[float] | None):
        super().__init__(label_smoothing=label_smoothing, weight=weight)
        self.register_buffer("count", torch.zeros(()))

    def forward(self, outputs, targets):
        if self.training:
            self.count += 1
        return super().forward(outputs, targets) * (1 + 0.01 * self.count)


class Extra(CrossEntropy):
    """The same counter, as a plain attribute that is in the state_dict."""
    count = 0

    def forward(self, outputs, targets):
        self.count += self.training
        return super().forward(outputs, targets) * (1 + 0.01 * self.count)

    def get_extra_state(self):
        return {"count": self.count}

    def set_extra_state(self, state):
        self.count = state["count"]


class Plainly(Extra):
    get_extra_state = nn.Module.get_extra_state
    set_extra_state = nn.Module.set_extra_state


class Scaled(CrossEntropy):
    """A temperature is trained, an offset is not."""
    def __init__(self, *, label_smoothing: float, weight: list[float] | None):
        super().__init__(label_smoothing=label_smoothing, weight=weight)
        self.scale = nn.Parameter(torch.ones(()))
        self.offset = nn.Parameter(torch.zeros(()), requires_grad=False)

    def forward(self, outputs, targets):
        return super().forward(outputs * self.scale + self.offset, targets)


class Drawing(torch.optim.SGD):
    """Adds noise to each step, from three generators."""
    def step(self, closure=None):
        loss = super().step(closure)
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.data += 1e-3 * torch.randn_like(parameter) * random.random() * np.random.rand()
        return loss


def drawn_data():
    return torch.rand(1).item(), random.random(), np.random.rand()


class Mode(enum.Enum):
    PLAIN = 1
    OTHER = 2


class Unusual(torch.optim.SGD):
    """Attributes of its own, settings that no file can hold, and settings that come later."""
    def __init__(self, params, **settings):
        super().__init__(params, **settings)
        self.sign = 1.0
        self.transform = lambda value: value
        for group in self.param_groups:
            group |= {"mode": Mode.PLAIN, "transform": lambda value: value, "norm": None}

    def step(self, closure=None):
        for group in self.param_groups:
            assert group["mode"] is Mode.PLAIN and self.sign == self.transform(group["transform"](1.0))
            group["norm"] = sum(float(p.grad.norm()) for p in group["params"])
            group["steps"] = group.get("steps", 0) + 1
            for parameter in group["params"]:
                parameter.grad /= 1 + 0.01 * group["steps"]
        return super().step(closure)


class Saving(torch.optim.SGD):
    """A counter that it saves itself."""
    count = 0

    def step(self, closure=None):
        self.count += 1
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad /= 1 + 0.01 * self.count
        return super().step(closure)

    def state_dict(self):
        return super().state_dict() | {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]
        super().load_state_dict({key: value for key, value in state.items() if key != "count"})


class Forgetting(Saving):
    state_dict = torch.optim.SGD.state_dict
    load_state_dict = torch.optim.SGD.load_state_dict


class Growing(LRScheduler):
    """Its state begins with None, an empty list and no best value; its rates come from numpy."""
    def __init__(self, optimizer, total_steps, *, warmup: float):
        self.history, self.last, self.mode = [], None, Mode.PLAIN
        super().__init__(optimizer)

    def get_lr(self):
        if self.last_epoch:
            self.history.append(self.last_epoch)
            self.last = {"rate": self.history[-1]}
            self.later = len(self.history)
        return [np.float64(base) / (1 + len(self.history)) for base in self.base_lrs]


class Averaging(Classification):
    """Keeps what a task has no place for."""
    def __init__(self, **settings):
        super().__init__(**settings)
        self.means = {"accuracy": [0.0]}

    def measure(self, outputs, batch):
        found = super().measure(outputs, batch)
        self.means["accuracy"][0] = 0.9 * self.means["accuracy"][0] + 0.1 * float(found["accuracy"])
        return found


class Seen(Accuracy):
    """Knows more than its sums say."""
    def __init__(self):
        self.seen = 0

    def sums(self, outputs, batch):
        self.seen += len(outputs)
        return super().sums(outputs, batch)


class Noisy(Plain):
    """An evaluation that draws; the last call but `stop_at` gets a signal."""
    stop_at = calls = 0

    def __call__(self, task, model, batch):
        Noisy.calls += 1
        outputs = super().__call__(task, model, batch)
        outputs = outputs + torch.randn_like(outputs)
        if Noisy.calls == Noisy.stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return outputs


class CountingInEvaluation(CountingBuffer):
    def forward(self, outputs, targets):
        self.count += 0.5
        return super().forward(outputs, targets)


class Switching(torch.optim.SGD):
    def __init__(self, params, **settings):
        super().__init__(params, **settings)
        self.param_groups[0]["mode"] = Mode.PLAIN

    def step(self, closure=None):
        self.param_groups[0]["mode"] = Mode.OTHER
        return super().step(closure)


class Secretive(Growing):
    def state_dict(self):
        return {key: value for key, value in super().state_dict().items() if key != "last"}


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros(()), persistent=False)


class Unpersistent(CrossEntropy):
    def __init__(self, *, label_smoothing: float, weight: list[float] | None):
        super().__init__(label_smoothing=label_smoothing, weight=weight)
        self.inner = Inner()

    def forward(self, outputs, targets):
        self.inner.count += 1
        return super().forward(outputs, targets)


class Drawer(CrossEntropy):
    def __init__(self, *, label_smoothing: float, weight: list[float] | None):
        super().__init__(label_smoothing=label_smoothing, weight=weight)
        self.generator, self.rng = torch.Generator().manual_seed(1), random.Random(1)

    def forward(self, outputs, targets):
        noise = torch.rand(1, generator=self.generator) + self.rng.random()
        return super().forward(outputs * noise, targets)


class Stretching(CrossEntropy):
    def __init__(self, *, label_smoothing: float, weight: list[float] | None):
        super().__init__(label_smoothing=label_smoothing, weight=weight)
        self.register_buffer("history", torch.zeros(0))

    def forward(self, outputs, targets):
        self.history = torch.cat([self.history, outputs.detach().mean().view(1)])
        return super().forward(outputs, targets)


class Odd(CrossEntropy):
    """Holds in its state what no file can."""
    def get_extra_state(self):
        return Mode.PLAIN

    def set_extra_state(self, state):
        pass
'''
WORDS = ["data.points_per_class=60", "model.dropout=0.3", "batch_size=32", "epochs=3", "pictures=false", "threads=1",
         "optimizer.fused=null", "scheduler=constant"]  # fmt: skip
STEPS = 6  # an epoch


@pytest.fixture(autouse=True)
def allowed(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (workdir / "my_state.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.setenv("DLEXP_ALLOW", "my_state")
    monkeypatch.syspath_prepend(workdir)
    yield
    sys.modules.pop("my_state", None)


def named(**classes: str) -> list[str]:
    return [*WORDS, *(f"{group}._target_=my_state.{name}" for group, name in classes.items())]


def checked(words: list[str]) -> None:
    check(compose(words).config)


KEPT = [
    {"criterion": "CountingBuffer"},
    {"criterion": "Extra"},
    {"criterion": "Scaled"},
    {"optimizer": "Drawing"},
    {"optimizer": "Unusual"},
    {"optimizer": "Saving"},
    {"scheduler": "Growing"},
    {"criterion": "Scaled", "optimizer": "Unusual", "scheduler": "Growing"},
]


def slow_alone(classes: dict[str, str]) -> Any:
    """Those of the last case are tried together in every run of the tests, and each by itself in the slow ones."""
    is_part = classes is not KEPT[-1] and classes.items() <= KEPT[-1].items()
    return pytest.param(classes, marks=[pytest.mark.slow] * is_part)


@pytest.mark.parametrize("classes", [slow_alone(each) for each in KEPT], ids=lambda classes: "-".join(classes.values()))
def test_it_goes_on_exactly(every_state_is_kept: None, workdir: Path, classes: dict[str, str]) -> None:
    """Within an epoch, after one, and (longer) after the whole: where a schedule is computed anew."""
    words = [*named(**classes), "checkpoint.every_steps=1", "grad_clip=1"]
    whole = api.run(words, folder="whole").folder
    for step in (1, STEPS, STEPS + 2, 3 * STEPS):
        part = as_killed_at(whole, step, workdir / f"part-{step}")
        resume.resume(part, [])
        assert_same(whole, part)
        assert [row["fingerprint/weights"] for row in metrics_of(part) if "train/loss" in row]
    longer = api.run([*words, "epochs=4"], folder="longer").folder
    resume.resume(part, ["epochs=4"])
    assert metrics_of(longer)[-2]["fingerprint/weights"] == metrics_of(part)[-2]["fingerprint/weights"]


def test_data_that_is_drawn_is_drawn_alike_whenever_it_is_loaded() -> None:
    node = {"_target_": "my_state.drawn_data", "split_seed": 3}
    first = load_data(node)
    assert load_data(node) == first
    assert not {*load_data(node | {"split_seed": 4})} & {*first}


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("optimizer", ["sgd", "muon"])
def test_parameters_of_a_criterion_are_trained_and_come_with_the_best_weights(optimizer: str, compiled: bool) -> None:
    words = [word for word in named(criterion="Scaled") if optimizer == "sgd" or "fused" not in word]
    result = api.run([*words, f"optimizer={optimizer}", f"compile={compiled}"], folder="run")
    state = checkpoints.load(saved_states(result.folder)[0])
    best = checkpoints.load(result.folder / "weights" / "best.pt")["task"]
    for found in (state["task"], best):
        assert found["criterion.scale"].item() != 1 and found["criterion.offset"].item() == 0
    fingerprints = [row["fingerprint/weights"] for row in metrics_of(result.folder) if "train/loss" in row]
    assert len(set(fingerprints)) == 3
    again = api.run([*words, f"optimizer={optimizer}", f"init_from={result.folder}", "epochs=1"], folder="other")
    assert "val/loss" in again.history[-1], "its weights are the model's: the criterion begins anew"


def test_parts_of_an_optimizer_choose_them_by_name() -> None:
    words = [word for word in named(criterion="Scaled") if "fused" not in word]
    words += ["optimizer=muon", "+optimizer.parts.own={_target_: torch.optim.SGD, lr: 0.0, params: ['criterion.*']}"]
    config = compose(words).config
    from dlexp.experiment.assemble import assemble

    own = config["optimizer"]["parts"]["own"]

    config["optimizer"]["parts"] = {
        "own": own,
        "rest": {"_target_": "torch.optim.SGD", "lr": 0.1},
    }
    state = assemble(config).state
    assert [len(group["params"]) for group in state.optimizer.param_groups] == [1, 6]
    assert state.optimizer.param_groups[0]["params"][0] is state.task.criterion.scale


def test_an_epoch_is_replayed_from_a_state_with_the_criterion(every_state_is_kept: None, workdir: Path, capsys) -> None:
    """Also of a run that was resumed: both come to what the whole run recorded."""
    whole = api.run([*named(criterion="CountingBuffer"), "checkpoint.every_steps=1"], folder="whole").folder
    part = as_killed_at(whole, STEPS + 2, workdir / "part")
    resume.resume(part, [])
    for path in saved_states(part):
        if int(path.stem[5:]) > 2 * STEPS + 1:
            path.unlink()
    assert verify.main([str(part)]) == 0
    assert f"epoch 3, replayed from step-{2 * STEPS + 1:08}.pt, is bit-identical" in capsys.readouterr().out


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as on Linux and macOS")
@pytest.mark.parametrize("criterion", ["Scaled", "CountingInEvaluation"])
def test_a_validation_that_draws_is_begun_anew_after_a_signal(workdir: Path, criterion: str) -> None:
    words = [
        *named(criterion=criterion, evaluation="Noisy"),
        "data.points_per_class=2000",
        "data.val_size=0.5",
        "epochs=2",
    ]
    import my_state

    whole = api.run(words, folder="whole").folder
    my_state.Noisy.calls, my_state.Noisy.stop_at = 0, 3  # the first call is the rehearsal's
    with pytest.raises(StopRequested):
        api.run(words, folder="part")
    assert not any("val/loss" in row for row in metrics_of(workdir / "part"))
    my_state.Noisy.stop_at = 0
    resume.resume(workdir / "part", [])
    assert_same(whole, workdir / "part")


LOST = [
    ({"criterion": "Plainly"}, ["criterion my_state.Plainly changes count ", "register_buffer"]),
    ({"task": "Averaging"}, ["task my_state.Averaging changes means ", "register_buffer"]),
    ({"optimizer": "Forgetting"}, ["optimizer my_state.Forgetting changes count ", "self.state[parameter]"]),
    ({"optimizer": "Switching"}, ["optimizer my_state.Switching changes param_groups[0]['mode'] "]),
    ({"scheduler": "Secretive"}, ["scheduler my_state.Secretive changes last ", "load_state_dict"]),
    ({"criterion": "Unpersistent"}, ["criterion my_state.Unpersistent changes inner.count "]),
    ({"criterion": "Drawer"}, ["criterion my_state.Drawer changes generator, rng while"]),
    (
        {"criterion": "Stretching"},
        ["the state of criterion my_state.Stretching can't be saved and loaded", "size mismatch"],
    ),
    ({"criterion": "Odd"}, ["the state of criterion my_state.Odd can't be saved and loaded again (UnpicklingError"]),
]


@pytest.mark.parametrize(("classes", "pieces"), LOST, ids=[next(iter(classes.values())) for classes, _ in LOST])
def test_what_no_state_holds_is_refused_by_name(workdir: Path, classes: dict[str, str], pieces: list[str]) -> None:
    with pytest.raises(UserError) as error:
        api.run(named(**classes), folder="run")
    assert all(piece in str(error.value) for piece in pieces), error.value
    assert not (workdir / "run").exists()


def test_a_metric_that_keeps_more_than_sums_is_refused_by_name(workdir: Path) -> None:
    words = [*named(), "metric=accuracy", "metric.accuracy._target_=my_state.Seen"]
    with pytest.raises(UserError, match=r"metric.accuracy my_state.Seen changes seen while .*; return it from sums"):
        checked(words)


def test_several_are_listed_and_parts_are_looked_into(workdir: Path) -> None:
    words = [word for word in named(criterion="Plainly", task="Averaging") if "fused" not in word]
    with pytest.raises(UserError, match=r"(?s)2 things are wrong.*changes count.*changes means"):
        checked(words)
    words = [word for word in named() if "fused" not in word]
    words += ["optimizer=muon", "optimizer.parts.others._target_=my_state.Forgetting"]
    with pytest.raises(UserError, match=r"my_state.Forgetting changes parts\[\d\].count .*of optimizer.parts only"):
        checked(words)


@pytest.mark.parametrize("classes", [*KEPT[-3:], {"optimizer": "Drawing"}], ids=lambda each: "-".join(each.values()))
def test_the_rehearsal_leaves_the_generators_as_they_were(classes: dict[str, str]) -> None:
    config = compose(named(**classes)).config
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    assert rehearse(config, is_here=True) == []
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (random.getstate(), np.random.get_state()[1].tolist())


def test_options_of_ours_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: object) -> None:
        raise AssertionError("a tiny training costs time")

    monkeypatch.setattr("dlexp.config.lost_state.build_task", never)
    checked(["optimizer=muon", "scheduler=onecycle"])
    with pytest.raises(AssertionError, match="costs time"):
        checked(named(criterion="Plainly"))


def test_what_torch_keeps_for_itself_is_no_state() -> None:
    """`fused` lets a subclass of SGD remember that it looked at its parameters."""
    checked([word for word in named(optimizer="Drawing") if "fused" not in word] + ["optimizer.fused=true"])


def test_values_of_anything() -> None:
    class Slotted:
        __slots__ = ("value",)

    thing = Slotted()
    thing.value = {"a": [torch.zeros(2), {1, 2}], "self": thing}
    before = values_of(thing)
    thing.value["a"][0][1] = 5
    after = values_of(thing)
    assert [path for path in before | after if before.get(path) != after.get(path)] == [".value['a'][0]"]
