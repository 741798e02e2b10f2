"""What asks for CUDA or an Apple GPU by name, with stand-ins where torch has neither: each branch once."""

import math
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small import batch_of, stepped, task_with
from torch import Tensor, nn

from dlexp.config.compose import compose
from dlexp.data.stream import image_files
from dlexp.errors import UserError
from dlexp.experiment.assemble import assemble
from dlexp.find import trial
from dlexp.machine import device
from dlexp.machine import memory as free_memory
from dlexp.methods.method import Method
from dlexp.profiling import profiler, throughput
from dlexp.profiling.operators import Operators
from dlexp.train import fit, losses, step
from dlexp.train.losses import Reading
from dlexp.train.state import TrainState

CUDA, MPS = torch.device("cuda", 1), torch.device("mps")
SPIRAL = ["data.points_per_class=40", "batch_size=12", "log_steps=2", "threads=1", "device=cpu"]


class OnCuda(Tensor):
    """A tensor of the CPU's that says it is on a GPU."""

    is_cuda = True  # type: ignore[assignment]


class Event:
    """Stands in for `torch.cuda.Event`: what was recorded arrives after it was asked for a few times, or waited for."""

    asked_in_vain = 2
    made: list["Event"] = []

    def __init__(self) -> None:
        self.stream, self.left, self.was_awaited = "", self.asked_in_vain, False
        self.made.append(self)

    def record(self, stream: str) -> None:
        self.stream = stream

    def query(self) -> bool:
        self.left -= 1
        return self.left < 0

    def synchronize(self) -> None:
        self.was_awaited = True


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Lets readings take the way of CUDA; returns whether each copy went on while the host did."""
    found: list[bool] = []
    empty, copy_ = torch.empty, Tensor.copy_

    def page_locked(*args: Any, pin_memory: bool, **kwargs: Any) -> Tensor:
        assert pin_memory, "others are copied while the host waits"
        return empty(*args, **kwargs)

    def copied(self: Tensor, source: Tensor, non_blocking: bool = False) -> Tensor:
        if isinstance(source, OnCuda):
            found.append(non_blocking)
        return copy_(self, source.as_subclass(Tensor))

    monkeypatch.setattr(losses, "torch", types.SimpleNamespace(**vars(torch) | {"empty": page_locked}))
    monkeypatch.setattr(Tensor, "copy_", copied)
    monkeypatch.setattr(Event, "made", [])
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"stream of {device}")
    return found


def lines_of(on_cuda: bool) -> list[tuple[str, int, float]]:
    run = assemble(compose(SPIRAL).config)
    if on_cuda:
        run.state.losses = run.state.losses.as_subclass(OnCuda)
    events = fit.fit(run.state, run.train, run.plan)
    lines = []
    for event in events:
        lines.append((event["kind"], event["step"], event["train/loss"]))
        if event["kind"] == "save":
            return lines
    raise AssertionError("an epoch ends with a save")


def test_metrics_travel_while_the_training_goes_on(copies: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "PROGRESS_SECONDS", math.inf)
    expected = lines_of(on_cuda=False)
    assert not copies and [line[0] for line in expected].count("steps") >= 3
    assert lines_of(on_cuda=True) == expected, "the same lines, in their order, before the save"
    assert len(copies) == len(Event.made) == len(expected) - 1 and all(copies), "the save is the epoch's"
    assert {event.stream for event in Event.made} == {"stream of cpu"}, "that of the losses' device"
    assert all(event.was_awaited for event in Event.made)


def test_a_line_is_there_when_its_event_is(copies: list[bool]) -> None:
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer)
    losses = torch.tensor([1.0, 3.0]).as_subclass(OnCuda)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    state = TrainState(model, task_with(nn.MSELoss()), Method(), optimizer, schedule, scaler, Any, losses, {}, batch=2)
    line = Reading(state, accumulate=1, log_steps=1)
    assert [line.is_there() for _ in range(3)] == [False, False, True]
    numbers = line.numbers()
    assert (numbers["train/loss"], numbers["train/recent_loss"]) == (2.0, 3.0)


def test_the_state_of_a_gpus_generator_comes_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Apple's GPUs too, whose generator used to be forgotten."""
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer)
    parts = {name: types.SimpleNamespace(state_dict=dict, load_state_dict=lambda state: None) for name in ("x", "y")}
    for place, name in ((CUDA, "cuda"), (MPS, "mps")):
        given: list[Any] = []
        monkeypatch.setattr(getattr(torch, name), "get_rng_state", lambda where: torch.tensor([where.index or 0, 7]))
        monkeypatch.setattr(
            getattr(torch, name), "set_rng_state", lambda state, where, given=given: given.append((state, where))
        )

        class Losses(Tensor):
            device = place  # type: ignore[assignment]

            def to(self, *_: Any) -> Tensor:  # type: ignore[override]
                return self

        losses = torch.zeros(3).as_subclass(Losses)
        parts_of = (model, task_with(nn.MSELoss()), Method(), optimizer, schedule, parts["x"], parts["y"], losses, {})
        state: Any = TrainState(*parts_of)  # type: ignore[arg-type]
        saved = state.state_dict()
        assert saved["generators"][name].tolist() == [place.index or 0, 7]
        saved["losses"] = torch.zeros(0).as_subclass(Losses)
        state.load_state_dict(saved)
        ((drawn, where),) = given
        assert drawn.tolist() == [place.index or 0, 7] and where == place


def test_a_gpu_is_chosen_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda where: f"the GPU {where.index}")
    assert device.select_device("auto") == device.select_device("cuda") == torch.device("cuda", 0)
    assert device.select_device("cuda:1") == CUDA
    facts = device.device_facts(CUDA, torch.bfloat16, 4)
    assert (facts["device"], facts["gpu"], facts["precision"]) == ("cuda:1", "the GPU 1", "bfloat16")
    for deterministic in (True, False):
        device.set_speed(deterministic)
        assert device.device_facts(CUDA, torch.float32, 4)["tf32"] is not deterministic
        assert device.device_facts(torch.device("cpu"), torch.float32, 4)["tf32"] is False


@pytest.mark.parametrize(("capability", "native"), [((7, 5), False), ((8, 0), True), ((9, 0), True), ((12, 0), True)])
def test_precision_follows_the_gpu(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], native: bool) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda where: capability)
    expected = torch.bfloat16 if native else torch.float32
    assert device.select_precision("auto", CUDA, convolutional=True) == expected
    assert device.select_precision("auto", CUDA, convolutional=False) == torch.float32
    assert device.select_precision("float16", CUDA, convolutional=True) == torch.float16
    assert (device.sum_dtype(CUDA), device.sum_dtype(MPS)) == (torch.float64, torch.float32)


def test_the_memory_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert free_memory.available_bytes_of_gpu("auto") is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *where: (600, 1000))
    assert free_memory.available_bytes_of_gpu("auto") == 600 and free_memory.available_bytes_of_gpu("cpu") is None
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda *what: given.append(what))
    monkeypatch.setattr(torch.mps, "set_per_process_memory_fraction", lambda *what: given.append(what))
    trial.limit_memory(CUDA, room=None)
    trial.limit_memory(MPS, room=None)
    assert given == [(pytest.approx(0.54), CUDA), (0.9,)], "90 % of what is free"
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda where: 50 + where.index)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 70)
    assert (trial.peak_memory(CUDA), trial.peak_memory(MPS)) == (51, 70)
    monkeypatch.setattr(torch.xpu, "max_memory_allocated", lambda where: 90)
    assert trial.peak_memory(torch.device("xpu", 0)) == 90, "not this process's own memory"
    monkeypatch.delattr(torch.xpu, "max_memory_allocated")
    with pytest.raises(UserError, match="how much memory device=xpu has held"):
        trial.peak_memory(torch.device("xpu", 0))


def test_a_gpu_is_waited_for_when_products_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[str] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: waited.append("cuda"))
    monkeypatch.setattr(torch.mps, "synchronize", lambda: waited.append("mps"))
    for place in (CUDA, MPS, torch.device("cpu")):
        throughput.synchronize(place)
    assert waited == ["cuda", "mps"]
    sides: list[int] = []

    def seconds_of_product(side: int, *_: object) -> float:
        sides.append(side)
        return 2 * side**3 / (1e12 if side < 8192 else 2e12)

    # A private name: what lies below it makes tensors on the device, which is not there.
    monkeypatch.setattr(throughput, "_seconds_of_product", seconds_of_product)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: waited.append("emptied"))
    assert throughput.peak_flops(CUDA, torch.bfloat16) == pytest.approx(1e12 if sides[-1] < 8192 else 2e12)
    assert max(sides) > throughput.LARGEST_ON_CPU and waited[-1] == "emptied"


def graph(recorded: dict[str, Any]) -> Callable[..., Any]:
    """Returns a stand-in for `torch.compile` that gives its results, as a CUDA graph does, in the same memory."""

    def compile(function: Callable[..., Any], *, mode: str | None, **_: Any) -> Callable[..., Any]:
        recorded["mode"], kept = mode, []

        def replay(*args: Any) -> Any:
            *rest, gradients = function(*args)
            recorded["marked before"].append(recorded["marks"])
            if not kept:
                kept.extend(gradient.clone() for gradient in gradients)
            for place, gradient in zip(kept, gradients, strict=True):
                place.copy_(gradient)
            return *rest, tuple(kept)

        return replay

    return compile


@pytest.mark.parametrize(("place", "mode"), [(CUDA, "reduce-overhead"), (torch.device("cpu"), None)])
def test_gradients_of_a_graph_outlive_its_next_replay(
    monkeypatch: pytest.MonkeyPatch, place: torch.device, mode: str | None
) -> None:
    recorded: dict[str, Any] = {"marks": 0, "marked before": []}
    monkeypatch.setattr(torch, "compile", graph(recorded))
    mark = lambda: recorded.update(marks=recorded["marks"] + 1)  # noqa: E731
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", mark)
    model = nn.Linear(3, 2)
    batches = [batch_of(torch.randn(4, 3), torch.tensor([0, 1, 1, 0])) for _ in range(3)]
    gradients = step.compiled_gradients_of(stepped(model, nn.CrossEntropyLoss(), place))
    assert recorded["mode"] == mode
    if place.type == "cpu":
        return  # nothing is replayed there
    for batch in batches:
        gradients(batch, 1 / 3)
    found = [parameter.grad for parameter in model.parameters()]
    model.zero_grad()
    for batch in batches:
        step.gradients_of(stepped(model, nn.CrossEntropyLoss()))(batch, 1 / 3)
    for gradient, parameter in zip(found, model.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad)
    assert recorded["marked before"] == [1, 2, 3], "each replay begins a step"


def test_losses_that_are_scaled_train_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with float16 on CUDA: gradients are multiplied on their way, and divided again before they are clipped."""
    weights = []
    for enabled in (False, True):
        run = assemble(compose([*SPIRAL, "grad_clip=0.1", "max_steps=6"]).config)
        run.state.scaler = torch.amp.GradScaler("cpu", enabled=enabled)
        list(fit.fit(run.state, run.train, run.plan))
        weights.append([parameter.detach() for parameter in run.state.model.parameters()])
    for one, other in zip(*weights, strict=True):
        torch.testing.assert_close(one, other)


def test_images_from_files_go_through_page_locked_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Any] = []
    pixels = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    readers = types.SimpleNamespace(stream=lambda batches: ((pixels, 0) for _ in batches))
    monkeypatch.setattr(image_files, "Readers", lambda **_: readers)
    settings: Any = {"size": 4, "channels": 3, "background": (255, 255, 255), "num_workers": 1}
    files = image_files.ImageFiles(["a.png", "b.png"], **settings).to(CUDA)
    monkeypatch.setattr(Tensor, "pin_memory", lambda self: (done.append("pinned"), self)[1])
    monkeypatch.setattr(Tensor, "to", lambda self, *where, **how: (done.append((*where, how)), self)[1])
    assert len(list(files.stream([torch.tensor([0, 1])]))) == 1
    assert done == ["pinned", (CUDA, {"non_blocking": True})]


@pytest.mark.parametrize(("place", "kinds"), [(CUDA, ["CPU", "CUDA"]), (MPS, ["CPU"])])
def test_the_profiler_is_asked_for_what_it_sees(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    place: torch.device,
    kinds: list[str],
) -> None:
    class Started(Exception):
        pass

    def profile(*, activities: list[Any], **_: Any) -> None:
        raise Started([activity.name for activity in activities])

    monkeypatch.setattr("torch.profiler.profile", profile)
    run = assemble(compose(SPIRAL).config)
    run.plan = replace(run.plan, device=place)
    batches = profiler.TorchProfile(run, tmp_path, wait=0, warmup=1, active=2, rows=3).epoch(1)
    with pytest.raises(Started) as asked:
        next(batches)
    assert asked.value.args == (kinds,) and ("times are the host's" in caplog.text) == (place == MPS)


def test_operators_of_a_gpu() -> None:
    def row(key: str, on_device: float, whole: float, kind: str = "CPU") -> Any:
        values = {"self_device_time_total": on_device, "device_time_total": whole, "cpu_time_total": 9.0}
        return types.SimpleNamespace(key=key, count=3, device_type=types.SimpleNamespace(name=kind), **values)

    rows = [
        row("data", 0, 2e5),
        row("aten::mm", 6e5, 6e5),
        row("aten::index", 2e5, 2e5),
        row("kernel", 6e5, 6e5, "CUDA"),
    ]
    operators = Operators(types.SimpleNamespace(key_averages=lambda: rows), "cuda")
    assert operators.device_seconds == pytest.approx(0.8), "kernels' own rows are the same time"
    assert operators.data_share == pytest.approx(0.25)
    dearest, *_ = operators.table(2).splitlines()[1:]
    assert dearest.split() == ["aten::mm", "3", "600.00", "ms", "75.0", "%"]
