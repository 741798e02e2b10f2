"""The private parts of torch that dlexp touches, all of them: no other module does.

Each function says what is gained, what the plain way is, and takes the plain way where a version of torch lacks the
names. Measured with torch 2.15, one thread of an AMD EPYC that others used too, medians of rounds in turns, 2026-11-25.
"""

import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.optim.optimizer as torchs_optimizer  # `torch.optim` itself has no such attribute
from torch import Tensor, nn
from torch.optim import Optimizer

# The names. Tests put others in their place, as a version would that has renamed them.
UNCOMPILED_MARK = "__dynamo_disable"
GLOBAL_HOOKS = ("_global_optimizer_pre_hooks", "_global_optimizer_post_hooks")
OWN_HOOKS = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
HOOKS_AROUND_STEP = ("torch.optim.optimizer", "wrapper")
GRAD_MODE_AROUND_STEP = ("torch.optim.optimizer", "_use_grad")
SCHEDULE_AROUND_STEP = ("torch.optim.lr_scheduler", "wrapper")
TRACES_AUTOGRAD = "trace_autograd_ops"
STATE_WRITERS = ("state_dict", "_save_to_state_dict", "get_extra_state")


def start_without_compiler() -> None:
    """Lets optimizers be made and used without importing torch's compiler, which each of these methods would do.

    Gain: 1.2 s (2026-11-21) to 2.1 s of each start, as long as the import of torch itself.
    Plain way, also where a version marks otherwise: the import.
    """
    for name in ("add_param_group", "load_state_dict", "state_dict", "zero_grad"):
        _mark_uncompiled(getattr(Optimizer, name))


def count_without_compiler(counter: object) -> None:
    """Lets an entered `FlopCounterMode` count without importing torch's compiler.

    Gain and plain way: those of `start_without_compiler`; every run counts once.
    """
    _mark_uncompiled(getattr(type(getattr(counter, "mode", None)), "__torch_dispatch__", None))


def _mark_uncompiled(function: Callable[..., Any] | None) -> None:
    """Leaves the mark for which torch imports its compiler at the first call of a function that it never compiles."""
    inner = None if function is None else inspect.unwrap(function)
    if inspect.isfunction(inner) and not hasattr(inner, UNCOMPILED_MARK):
        setattr(inner, UNCOMPILED_MARK, inner)


def step_of(optimizer: Optimizer) -> Callable[[], Any]:
    """Returns the function that calls an optimizer's `step`, without torch's wrappers around it while nobody has hooks.

    Gain: the wrappers open a profiler range, look for hooks and ask for the compiler, 15 to 140 µs: a whole step of a
    multi-layer perceptron takes 1.05 (MNIST, SGD) to 1.2 times as long with them (spiral, fused Adam). The first call
    of a process imports the compiler (see `start_without_compiler`).
    Plain way, also where someone has put a `step` of their own on the optimizer: `optimizer.step()`.
    """
    bare = _bare_step(optimizer)
    try:
        hooks = [getattr(torchs_optimizer, name) for name in GLOBAL_HOOKS]
        hooks += [getattr(optimizer, name) for name in OWN_HOOKS]
    except AttributeError:  # only torch's own wrapper knows where they are
        bare = None
    if bare is None:
        return lambda: optimizer.step()

    def step() -> Any:
        return optimizer.step() if any(hooks) else bare()

    return step


def _bare_step(optimizer: Optimizer) -> Callable[[], Any] | None:
    """Returns an optimizer's step without torch's wrappers, None where there are none.

    Only these three go, each known by its module and the name in its code: anything else around a step, also torch's
    own decorators (`torch.autocast`, `torch.compile`), changes what it does.
    """
    known = (HOOKS_AROUND_STEP, GRAD_MODE_AROUND_STEP, SCHEDULE_AROUND_STEP)
    step: Any = optimizer.step
    if "step" in vars(optimizer) and _origin(step) != SCHEDULE_AROUND_STEP:
        return None
    step, removed = getattr(step, "__func__", step), set()
    while _origin(step) in known and hasattr(step, "__wrapped__"):
        removed.add(_origin(step))
        step = step.__wrapped__
    if SCHEDULE_AROUND_STEP in removed:  # it notes this; a schedule warns when nobody has called `step`
        optimizer._opt_called = True  # type: ignore[attr-defined]
    if GRAD_MODE_AROUND_STEP not in removed:
        return (lambda: step(optimizer)) if removed else None
    with_grad = optimizer.defaults["differentiable"]

    def bare() -> Any:
        with torch.set_grad_enabled(with_grad):
            return step(optimizer)

    return bare


def _origin(function: Any) -> tuple[str, str]:
    """Returns the module in whose source a function stands and its name there, which `functools.wraps` leaves alone."""
    module = getattr(function, "__globals__", {}).get("__name__", "")
    return module, getattr(getattr(function, "__code__", None), "co_name", "")


def trace_autograd() -> bool:
    """Lets `torch.compile` take `torch.autograd.grad` into its graph; returns whether this version can.

    Gain: one graph of both passes instead of two that autograd joins: 1.33 instead of 0.92 times the speed of code that
    is not compiled (multi-layer perceptron of MNIST's size, batch 128; 1.5 and 1.1 on an idle machine, 2026-11-21).
    Plain way: the forward pass is compiled alone.
    """
    from torch._dynamo import config as dynamo

    if not hasattr(dynamo, TRACES_AUTOGRAD):
        return False
    setattr(dynamo, TRACES_AUTOGRAD, True)
    return True


def compile_errors() -> tuple[type[Exception], ...]:
    """Returns what `torch.compile` raises where it can't generate code.

    Gain: a sentence for the person whose model or machine it is.
    Plain way: nothing to catch, so the error keeps torch's name and traceback.
    """
    try:
        from torch._dynamo.exc import TorchDynamoException
    except ImportError:
        return ()
    return (TorchDynamoException,)


def saved_tensors(module: nn.Module) -> list[Tensor]:
    """Returns the tensors of a module's `state_dict`, in its order.

    Gain: the hash of the weights after each epoch takes 10 instead of 17 µs (one hidden layer, 2026-11-30).
    Plain way, also where a module within has its own say of what is saved: `state_dict`.
    """
    found: list[Tensor] = []
    try:
        if _gather(module, found):
            return found
    except AttributeError:  # a table of the module is called otherwise
        pass
    return [each for each in module.state_dict().values() if isinstance(each, Tensor)]


def _gather(module: nn.Module, found: list[Tensor]) -> bool:
    """Adds the tensors of a module and those within it; returns False where only `state_dict` knows them."""
    kind: Any = type(module)
    if not _is_saved_plainly(kind) or not vars(module).keys().isdisjoint(STATE_WRITERS):
        return False
    if module._state_dict_hooks or module._state_dict_pre_hooks:
        return False
    for each in module._parameters.values():
        if each is not None:
            found.append(each)
    for name, buffer in module._buffers.items():
        if buffer is not None and name not in module._non_persistent_buffers_set:
            found.append(buffer)
    for part in module._modules.values():
        if part is not None and not _gather(part, found):
            return False
    return True


@cache
def _is_saved_plainly(kind: Any) -> bool:
    return all(getattr(kind, name, None) is getattr(nn.Module, name, kind) for name in STATE_WRITERS)


def end_workers(batches: object) -> None:
    """Ends the worker processes of an iterator over a DataLoader, however far it has come.

    Gain: after an error the traceback keeps the iterator, and where that is garbage of a cycle, torch waits 10 s for
    each process, which hears nothing any more and stays as long as the program runs (torch 2.15, 2026-11-29).
    Plain way: they end when nothing refers to the iterator.
    """
    if end := getattr(batches, "_shutdown_workers", None):
        end()


def graph_of(traced: Any, example: torch.Tensor) -> tuple[Any, Any]:
    """Returns the graph of a traced model as TensorBoard's two messages: `GraphDef` and `RunMetadata`.

    Gain: 7 ms (multi-layer perceptron) to 60 ms (48 layers) a run, and the import of TensorFlow where that is
    installed, as on Colab: torch's public writer asks for it.
    Plain way: torch's writer, into a folder of its own that is read again.
    """
    try:
        from torch.utils.tensorboard._pytorch_graph import graph
    except ImportError:
        return _graph_by_writer(traced, example)
    drawn: tuple[Any, Any] = graph(traced, example, use_strict_trace=False)  # type: ignore[no-untyped-call]
    return drawn


def _graph_by_writer(traced: Any, example: torch.Tensor) -> tuple[Any, Any]:
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.config_pb2 import RunMetadata
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from torch.utils.tensorboard import SummaryWriter

    with TemporaryDirectory() as folder:
        with SummaryWriter(folder) as writer:
            writer.add_graph(traced, example, use_strict_trace=False)
        (file,) = Path(folder).iterdir()
        events = list(map(Event.FromString, RawEventFileLoader(str(file)).Load()))
    graph = next(event.graph_def for event in events if event.HasField("graph_def"))
    metadata = next(event.tagged_run_metadata for event in events if event.HasField("tagged_run_metadata"))
    return GraphDef.FromString(graph), RunMetadata.FromString(metadata.run_metadata)
