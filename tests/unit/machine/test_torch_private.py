"""Private parts of torch: what they are used for holds with them and without them, as in a version that lacks them."""

import inspect
import sys
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from types import MethodType, ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import COMPILES
from resuming import CNN, metrics_of
from small import batch_of, stepped
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.optim import SGD, Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.tensorboard import _pytorch_graph

from dlexp import api
from dlexp.machine import torch_private
from dlexp.optimizers.muon import Muon
from dlexp.optimizers.parts import Parts
from dlexp.schedules.linear import linear
from dlexp.train import step
from dlexp.train.step import compiled_gradients_of, gradients_of, update_of

CPU = torch.device("cpu")
RUN = ["data.points_per_class=60", "epochs=2", "pictures=false", "threads=1"]


def parameter(*size: int) -> nn.Parameter:
    weights = nn.Parameter(torch.arange(1.0, 1 + torch.Size(size).numel()).view(size) / 7)
    weights.grad = weights.detach().cos()
    return weights


def update(optimizer: Optimizer) -> Callable[[], None]:
    return update_of(optimizer, torch.amp.GradScaler("cpu", enabled=False), None)


def lacking(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Puts names that no version of torch has in the place of those that this one has."""
    for name in names:
        value: Any = getattr(torch_private, name)
        there_is_none = "_no_version_has_this"
        monkeypatch.setattr(
            torch_private, name, there_is_none if isinstance(value, str) else (there_is_none,) * len(value)
        )


@pytest.fixture
def heard() -> Iterator[list[tuple[str, str]]]:
    """What hooks for all optimizers hear, in its order."""
    calls: list[tuple[str, str]] = []
    before = register_optimizer_step_pre_hook(lambda optimizer, *_: calls.append(("before", type(optimizer).__name__)))
    after = register_optimizer_step_post_hook(lambda optimizer, *_: calls.append(("after", type(optimizer).__name__)))
    yield calls
    before.remove()
    after.remove()


def test_hooks_of_all_optimizers_hear_of_every_update(heard: list[tuple[str, str]]) -> None:
    weights = parameter(2)
    update(SGD([weights], lr=0.1))()
    assert heard == [("before", "SGD"), ("after", "SGD")]


def test_hooks_of_all_optimizers_hear_of_the_parts(heard: list[tuple[str, str]]) -> None:
    parts = Parts({"a": SGD([parameter(2)], lr=0.1), "b": torch.optim.Adam([parameter(3)], lr=0.1)})
    update(parts)()
    inner = [("before", "SGD"), ("after", "SGD"), ("before", "Adam"), ("after", "Adam")]
    assert heard == [("before", "Parts"), *inner, ("after", "Parts")]


def test_hooks_of_one_part_hear_of_its_steps() -> None:
    sgd, adam = SGD([parameter(2)], lr=0.1), torch.optim.Adam([parameter(3)], lr=0.1)
    parts, calls = Parts({"a": sgd, "b": adam}), []
    step_parts = update(parts)
    hook = adam.register_step_post_hook(lambda optimizer, *_: calls.append(optimizer))
    step_parts()
    hook.remove()
    step_parts()
    parts.step()
    assert calls == [adam]


def test_hooks_of_all_optimizers_hear_of_every_step_of_a_run(heard: list[tuple[str, str]], workdir: Path) -> None:
    result = api.run([*RUN, "optimizer=sgd", "resume=auto"], folder=workdir / "run")
    assert heard == [("before", "SGD"), ("after", "SGD")] * metrics_of(result.folder)[-1]["step"]


def test_a_step_that_someone_put_on_their_optimizer_is_called() -> None:
    """Before the schedule, as torch asks for (it must be a method), or after it."""
    calls = []

    def mine(optimizer: Optimizer, closure: Any = None) -> None:
        calls.append(optimizer)

    early, late = SGD([parameter(2)], lr=0.1), SGD([parameter(2)], lr=0.1)
    early.step = MethodType(mine, early)  # type: ignore[method-assign]
    for optimizer in (early, late):
        linear(optimizer, 8, warmup=0.0, final=0.0)
    late.step = lambda: mine(late)  # type: ignore[method-assign,assignment]
    for optimizer in (early, late):
        update(optimizer)()
    assert calls == [early, late]


NAMES = ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "muon"]
WRAPPERS = ["HOOKS_AROUND_STEP", "GRAD_MODE_AROUND_STEP", "SCHEDULE_AROUND_STEP"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("missing", [[], ["GLOBAL_HOOKS"], ["OWN_HOOKS"], *([each] for each in WRAPPERS), WRAPPERS])
def test_a_bare_step_is_the_optimizers_step(name: str, missing: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also without the warning of a schedule that nobody has called `step`: warnings are errors."""
    lacking(monkeypatch, *missing)
    kind = Muon if name == "muon" else getattr(torch.optim, name)
    settings = {"lr": 0.1, "momentum": 0.6, "iterations": 5} if name == "muon" else {"lr": 0.1}
    ours, theirs = parameter(2, 3, 2, 2), parameter(2, 3, 2, 2)
    for weights in (ours, theirs):
        optimizer = kind([weights], **settings)
        schedule = linear(optimizer, 8, warmup=0.0, final=0.0)
        bare = torch_private.step_of(optimizer)
        for _ in range(3):
            weights.grad = weights.detach().cos()
            if weights is ours:
                bare()
            else:
                optimizer.step()
            schedule.step()
    assert torch.equal(ours, theirs) and not torch.equal(ours, parameter(2, 3, 2, 2))


@pytest.mark.parametrize("name", NAMES)
def test_torchs_wrappers_are_known_to_this_version(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every run starts and steps the plain way: right, but slower. Then look at the new version's `Optimizer`."""
    kind = Muon if name == "muon" else getattr(torch.optim, name)
    settings = {"lr": 0.1, "momentum": 0.6, "iterations": 5} if name == "muon" else {"lr": 0.1}
    optimizer = kind([parameter(2, 3, 2, 2)], **settings)
    linear(optimizer, 8, warmup=0.0, final=0.0)
    opened = []
    record_function = torch.autograd.profiler.record_function
    monkeypatch.setattr(
        torch.autograd.profiler, "record_function", lambda *words: opened.append(words) or record_function(*words)
    )
    torch_private.step_of(optimizer)()
    assert opened == [], "torch's wrapper was called"
    optimizer.step()
    assert len(opened) == 1


def test_someones_own_decorator_stays_around_a_step() -> None:
    calls = []

    def counted(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def wrapper(*args: object) -> None:
            calls.append(1)
            function(*args)

        return wrapper

    class Counting(SGD):
        step = counted(SGD.step)  # type: ignore[assignment]

    weights = parameter(1)
    torch_private.step_of(Counting([weights], lr=0.1))()
    assert calls == [1] and not torch.equal(weights, parameter(1))


def test_torchs_decorators_that_someone_chose_stay_around_a_step() -> None:
    seen = []

    class Own(Optimizer):
        @torch.enable_grad()
        @torch.autocast("cpu", torch.bfloat16)
        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            seen.append((torch.is_grad_enabled(), torch.is_autocast_enabled("cpu")))

    torch_private.step_of(Own([parameter(1)], {}))()
    assert seen == [(True, True)]


@pytest.fixture
def unmarked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undoes what earlier runs of this process have marked."""
    mode = FlopCounterMode(display=False)
    with mode:
        functions = [type(mode.mode).__torch_dispatch__, *map(Optimizer.__dict__.get, MARKED)]
    for function in functions:
        monkeypatch.delattr(inspect.unwrap(function), "__dynamo_disable", raising=False)


MARKED = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
EVERYTHING = ("UNCOMPILED_MARK", "GLOBAL_HOOKS", "OWN_HOOKS", *WRAPPERS, "TRACES_AUTOGRAD")


@pytest.mark.slow
def test_a_run_without_any_private_name_is_the_same_run(
    unmarked: None, monkeypatch: pytest.MonkeyPatch, workdir: Path
) -> None:
    words = [*RUN, "optimizer=adam", "grad_clip=1", "ema=ema", "pictures=true"]
    with monkeypatch.context() as patch:
        lacking(patch, *EVERYTHING)
        patch.delattr(_pytorch_graph, "graph")
        plain = api.run(words, folder=workdir / "plain")
    usual = api.run(words, folder=workdir / "usual")
    clocks = ("time/train", "time/val", "time/samples_per_second")
    rows = [[{k: v for k, v in row.items() if k not in clocks} for row in metrics_of(run.folder)]
            for run in (usual, plain)]  # fmt: skip
    assert rows[0] == rows[1] and plain.metrics == usual.metrics
    graphs = [EventAccumulator(str(run.folder)).Reload().Graph() for run in (plain, usual)]
    assert graphs[0] == graphs[1]


def test_flops_are_counted_without_the_counters_mode() -> None:
    torch_private.count_without_compiler(SimpleNamespace())
    torch_private.count_without_compiler(SimpleNamespace(mode=SimpleNamespace()))


@pytest.mark.filterwarnings("ignore")  # of a deprecated `torch.jit.trace`, of a traced model that is traced
def test_the_graph_is_the_same_by_torchs_own_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    example = torch.zeros(2, 3)
    traced = torch.jit.trace(nn.Sequential(nn.Linear(3, 4), nn.ReLU()).eval(), example, check_trace=False)
    usual = torch_private.graph_of(traced, example)
    monkeypatch.delattr(_pytorch_graph, "graph")
    assert torch_private.graph_of(traced, example) == usual
    assert any("Linear" in node.name for node in usual[0].node)


@pytest.mark.parametrize("is_one_graph", [True, False])
def test_both_ways_of_compiling_give_the_gradients(is_one_graph: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a compiler that leaves everything as it is."""
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda function, **_: compiled.append(function.__name__) or function)
    monkeypatch.setattr(step, "trace_autograd", lambda: is_one_graph)
    torch.manual_seed(0)
    model, inputs, targets = nn.Linear(3, 2), torch.randn(4, 3), torch.tensor([0, 1, 1, 0])
    found = []
    for make in (gradients_of, compiled_gradients_of):
        model.zero_grad()
        state, batch = stepped(model, nn.CrossEntropyLoss()), batch_of(inputs, targets)
        outcome = make(state)(batch, 0.5)
        sums = outcome.sums or state.task.sums(outcome.outputs, batch)  # within the graph, where it is one
        found.append([outcome.loss, *sums.values(), *(weights.grad for weights in model.parameters())])
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))
    assert compiled == ["loss_and_gradients" if is_one_graph else "loss_and_outputs"]


def test_a_version_that_does_not_trace_autograd_is_known_by_its_config(monkeypatch: pytest.MonkeyPatch) -> None:
    assert torch_private.trace_autograd()
    lacking(monkeypatch, "TRACES_AUTOGRAD")
    assert not torch_private.trace_autograd()


def test_what_compiling_raises_is_known_or_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch._dynamo.exc
    import torch._inductor.exc

    assert issubclass(torch._inductor.exc.InductorError, torch_private.compile_errors())
    monkeypatch.setitem(sys.modules, "torch._dynamo.exc", ModuleType("torch._dynamo.exc"))
    assert torch_private.compile_errors() == ()


@pytest.mark.slow
@COMPILES
def test_compiling_the_forward_pass_alone_trains_as_well(monkeypatch: pytest.MonkeyPatch, workdir: Path) -> None:
    lacking(monkeypatch, "TRACES_AUTOGRAD")
    losses = []
    for compiled in ("false", "true"):
        folder = api.run([*CNN, "model.dropout=0", f"compile={compiled}"], folder=workdir / compiled).folder
        losses.append([row["train/loss"] for row in metrics_of(folder) if "train/loss" in row])
    assert losses[1] == pytest.approx(losses[0], rel=1e-3) and losses[1] != losses[0]


class Extra(nn.Linear):
    """Saves a tensor besides, as quantised layers do."""

    def get_extra_state(self) -> torch.Tensor:
        return torch.tensor(7.0)

    def set_extra_state(self, state: torch.Tensor) -> None: ...


def hooked() -> nn.Module:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    model[0].register_state_dict_post_hook(lambda module, saved, prefix, _: saved.update(more=torch.ones(1)))
    return model


def modules() -> list[nn.Module]:
    """Returns modules that save in every way: shared ones, buffers of both kinds, none at all, and their own."""
    shared, passing = nn.Linear(3, 3), nn.Module()
    passing.register_buffer("kept", torch.ones(2))
    passing.register_buffer("passing", torch.ones(3), persistent=False)
    passing.register_buffer("empty", None)
    passing.register_parameter("none", None)
    plain = [nn.Sequential(shared, nn.ReLU(), nn.BatchNorm1d(3), shared), passing, nn.CrossEntropyLoss(torch.ones(2))]
    own: Any = nn.Linear(2, 2)
    own.state_dict = lambda: {"more": torch.ones(1)}
    return [*plain, nn.Sequential(nn.ReLU(), Extra(2, 2)), hooked(), own]


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("lacks", [False, True])
def test_saved_tensors_are_those_of_the_state_dict(number: int, lacks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if lacks:
        lacking(monkeypatch, "STATE_WRITERS")
        torch_private._is_saved_plainly.cache_clear()
    module = modules()[number]
    assert torch_private._gather(module, []) is (number < 3 and not lacks)
    found, saved = torch_private.saved_tensors(module), module.state_dict().values()
    assert [each.tolist() for each in found] == [each.tolist() for each in saved] and found
    torch_private._is_saved_plainly.cache_clear()
