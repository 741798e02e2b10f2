"""A model run on one sample: its layers, sizes and FLOPs, and whether it fits the data."""

import contextlib
import copy
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from dlexp.console.tables import aligned
from dlexp.errors import UserError
from dlexp.machine.torch_private import count_without_compiler

# Up to this size a model is run on zeros on the CPU: shape propagation on the meta device is written in Python and
# loads the compiler, which took 5 s where the run itself takes milliseconds. Larger ones stay without memory.
LARGEST_ON_CPU = 2**30  # bytes
COLUMNS = ("layer", "type", "kernel", "stride", "padding", "in", "out", "parameters", "FLOPs")
# What stands in which column of a convolution or pool.
WINDOW = {"kernel": "kernel_size", "stride": "stride", "padding": "padding"}
# What a layer demands of its input: the attribute that says how much, the dimension it is about, the word for it.
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
EXPECTED: tuple[tuple[type[nn.Module] | tuple[type[nn.Module], ...], str, int, str], ...] = (
    (nn.Linear, "in_features", -1, "inputs"),
    (CONVOLUTIONS, "in_channels", 1, "channels"),
    (BATCH_NORMS, "num_features", 1, "channels"),
)


def summarise(model: nn.Module, ask: Callable[[nn.Module], Any]) -> dict[str, Any]:
    """Returns `{"layers": [row, …], "parameters", "trainable", "flops"}`.

    A row is `{"name", "type", "kernel", "stride", "padding", "input_shape", "output_shape", "parameters", "flops"}`;
    the first three are a number for each axis of an image, None where a layer has none.

    `ask` shows a model one sample. Output shapes and FLOPs are that sample's: those of matrix products and convolutions
    in one forward pass, a multiplication and an addition counted as 2. A layer is a module without children or with
    parameters of its own. Where a model can't run without values (it looks at its numbers), shapes and FLOPs are None.
    The model itself is not touched.
    """
    rows: dict[str, dict[str, Any]] = {
        name: {
            "name": name or "(whole)",
            "type": type(module).__name__,
            **{key: _of_each_axis(module, attribute) for key, attribute in WINDOW.items()},
            "input_shape": None,
            "output_shape": None,
            "parameters": sum(parameter.numel() for parameter in module.parameters(recurse=False)),
            "flops": None,
        }
        for name, module in model.named_modules()
        if _is_layer(module)
    }
    counter = FlopCounterMode(display=False)
    copied = shadow(model)
    _count(copied, rows, counter)
    flops: int | None = None
    with contextlib.suppress(RuntimeError, NotImplementedError):
        with counter, torch.no_grad(), torch.device(_device_of(copied)):
            count_without_compiler(counter)
            ask(copied)
        flops = counter.get_total_flops()
    parameters = list(model.parameters())
    return {
        "layers": list(rows.values()),
        "parameters": sum(parameter.numel() for parameter in parameters),
        "trainable": sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        "flops": flops,
    }


def format_summary(summary: dict[str, Any]) -> str:
    """Returns the summary as an aligned table with a last line of totals."""
    rows = [COLUMNS] + [
        (
            row["name"],
            row["type"],
            *(_by_times(row[key]) for key in (*WINDOW, "input_shape", "output_shape")),
            f"{row['parameters']:,}",
            "-" if row["flops"] is None else f"{row['flops']:,}",
        )
        for row in summary["layers"]
    ]
    frozen = summary["parameters"] - summary["trainable"]
    total = f"{summary['parameters']:,} parameters" + (f", {frozen:,} of them frozen" if frozen else "")
    if summary["flops"] is not None:
        total += f", {summary['flops']:,} FLOPs per sample forward (a multiply-add is 2)"
    return "\n".join([*aligned(rows, right=(7, 8)), total])


def asked(model: nn.Module, ask: Callable[[nn.Module], Any], name: str, what: str) -> tuple[Any, Any] | None:
    """Returns what a copy of the model gives when it is asked in training and then in evaluation mode.

    The copy is all zeros (of a large model: without memory or values, on the meta device). None where the model looks
    at values that are not there: no verdict. what: the data, in words.

    Raises:
        UserError: a layer can't take what reaches it: named, with expected and received shape.
    """
    if any(torch.nn.parameter.is_lazy(tensor) for tensor in (*model.parameters(), *model.buffers())):
        raise UserError(
            f"model {name} has lazy layers, which have no weights before the first batch; take the sizes from"
            f" ${{data.shape}} and ${{data.num_outputs}} instead"
        )
    copied = shadow(model)
    inside: list[tuple[str, nn.Module, Any]] = []
    _track(copied, inside)
    try:
        # On its device: tensors that a forward makes for itself join the others.
        with torch.no_grad(), torch.device(_device_of(copied)):
            return ask(copied.train()), ask(copied.eval())
    except (RuntimeError, ValueError, AssertionError, NotImplementedError, TypeError) as error:
        if isinstance(error, TypeError) and "forward()" not in str(error):  # a bug, not a call with other fields
            raise
        if "meta" in str(error):
            return None
        raise UserError(f"model {name} does not fit {what}: {_failure(inside, error)}") from error


def _is_layer(module: nn.Module) -> bool:
    return not any(True for _ in module.children()) or any(True for _ in module.parameters(recurse=False))


def shadow(model: nn.Module) -> nn.Module:
    """Returns a copy of zeros (large models: no values) in evaluation mode: batch norm then takes a single sample."""
    tensors = [*model.parameters(), *model.buffers()]
    is_small = sum(tensor.numel() * tensor.element_size() for tensor in tensors) <= LARGEST_ON_CPU
    # Attributes that torch does not copy: what pruning and the older weight norm compute for each forward pass.
    computed = [each for module in model.modules() for each in vars(module).values() if isinstance(each, torch.Tensor)]
    memory: dict[int, Any] = {}
    for tensor in (*tensors, *computed):  # copied by shape, so a large model is not doubled
        empty = torch.zeros(tensor.shape, dtype=tensor.dtype, device="cpu" if is_small else "meta")
        memory[id(tensor)] = nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty
    return copy.deepcopy(model, memory).eval()


def _device_of(model: nn.Module) -> torch.device:
    return next((tensor.device for tensor in (*model.parameters(), *model.buffers())), torch.device("cpu"))


def _count(model: nn.Module, rows: dict[str, dict[str, Any]], counter: FlopCounterMode) -> None:
    """Lets output shapes and FLOPs be filled in when the model runs; a layer used twice counts twice."""
    started: dict[str, int] = {}
    for name, module in model.named_modules():
        if name not in rows:
            continue

        def before(module: nn.Module, inputs: Any, name: str = name) -> None:
            started[name] = counter.get_total_flops()

        def after(module: nn.Module, inputs: Any, output: Any, name: str = name) -> None:
            row = rows[name]
            row["flops"] = (row["flops"] or 0) + counter.get_total_flops() - started[name]
            row["input_shape"] = _shape(inputs[0]) if inputs else None
            row["output_shape"] = _shape(output)

        module.register_forward_pre_hook(before)
        module.register_forward_hook(after)


def _shape(value: Any) -> list[int] | None:
    return list(value.shape[1:]) if isinstance(value, torch.Tensor) else None


def _of_each_axis(module: nn.Module, attribute: str) -> list[int] | str | None:
    """Returns what a convolution or pool says of its window, a number for each axis; "same" stays as it is."""
    value, axes = getattr(module, attribute, None), re.search(r"([123])d$", type(module).__name__)
    if axes is None or not isinstance(value, int | tuple | str):
        return None
    return [value] * int(axes[1]) if isinstance(value, int) else value if isinstance(value, str) else list(value)


def _by_times(sizes: list[int] | str | None) -> str:
    return "-" if sizes is None else sizes if isinstance(sizes, str) else "×".join(map(str, sizes))


def _track(model: nn.Module, inside: list[tuple[str, nn.Module, Any]]) -> None:
    """Keeps in `inside` the modules entered and not left, outermost first, with their inputs."""
    for name, module in model.named_modules():

        def enter(module: nn.Module, inputs: Any, name: str = name) -> None:
            inside.append((name, module, inputs))

        def leave(module: nn.Module, inputs: Any, output: Any) -> None:
            inside.pop()

        module.register_forward_pre_hook(enter)
        module.register_forward_hook(leave)


def _failure(inside: list[tuple[str, nn.Module, Any]], error: Exception) -> str:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    if not inside:
        return reason
    name, module, inputs = inside[-1]
    layer = f"layer '{name}' ({type(module).__name__})" if name else f"the model itself ({type(module).__name__})"
    got = next((value for value in inputs if isinstance(value, torch.Tensor)), None)
    if got is None:
        return f"{layer} fails: {reason}"
    for kind, attribute, dimension, word in EXPECTED:
        if isinstance(module, kind) and got.ndim > 1 and got.shape[dimension] != getattr(module, attribute):
            wanted = getattr(module, attribute)
            return f"{layer} expects {wanted} {word} but gets {got.shape[dimension]} (its input is {_words(got)})"
    if "more than 1 value per channel" in reason:
        few = f"{layer} takes its means over a batch in training, and of {_words(got)} each would be of one value"
        return f"{few}; batches of more samples give more, and so do larger ones"
    return f"{layer} can't take an input of shape {_words(got)}: {reason}"


def _words(tensor: torch.Tensor) -> str:
    return "×".join(["N", *map(str, tensor.shape[1:])])
