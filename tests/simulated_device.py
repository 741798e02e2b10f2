"""A device type of its own, `simulated`, in plain Python: an accelerator where there is none.

Its tensors are torch's own, with strides, storages and views, and lie in the CPU's memory; every operator computes
there. What is a mistake on a GPU is one here too: tensors of two devices in one operator raise. It has a random
generator of its own, and it keeps a list of what a host would wait for. It does not reach what asks for CUDA by name,
and a process that is started does not know it.
"""

import contextlib
import ctypes
import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

NAME = "simulated"
CPU, OTHER = 1, 12  # device types of DLPack: kDLCPU, and kDLExtDev, which torch takes for the backend added to it
CPU_KERNELS = torch._C.DispatchKeySet(torch._C.DispatchKey.CPU)
COPIES = ("_copy_from", "_copy_from_and_resize")
TAKE_INDICES = ("index", "_index_put_impl_", "_unsafe_index")  # which may lie on the CPU, as a GPU's may
# A host waits for their result: a number in Python, or a tensor whose shape depends on values.
WAITED_FOR = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
# Operators that never come down to others: torch has a kernel for every device, which doesn't do for an added one (of a
# convolution), or makes its result larger for a while (of the squared error).
WHOLE = tuple(getattr(torch.ops.aten, name).default for name in ("convolution", "convolution_backward", "mse_loss"))
# Those that autocast gives numbers of less precision.
LESS_PRECISE = (torch.ops.aten.conv2d.default, torch.ops.aten.linear.default, torch.ops.aten.matmul.default)

Generator = torch.Generator


class Module:
    """`torch.simulated`: what torch and dlexp ask a device's module for.

    waits: the operators for which the host of a GPU would have waited, in order. generator: what random numbers are
    drawn from where no other generator is given.
    """

    def __init__(self) -> None:
        self.generator, self.waits = Generator(), list[str]()
        self.libraries: Any = None

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return True

    def _is_in_bad_fork(self) -> bool:
        return False

    def device_count(self) -> int:
        return 1

    def current_device(self) -> int:
        return 0

    def synchronize(self) -> None:
        pass

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]

    def manual_seed_all(self, seed: int) -> None:
        self.generator.manual_seed(seed)

    def get_rng_state(self, device: Any = NAME) -> Tensor:
        return self.generator.get_state()

    def set_rng_state(self, state: Tensor, device: Any = NAME) -> None:
        self.generator.set_state(state)


@functools.cache
def registered() -> Module:
    """Adds the device to this process, once and for good; returns its module. Skips the tests where torch can't.

    To be called when a file of tests is imported: a device that is added after the first backward pass of a process has
    no thread for backward passes of its own.
    """
    try:
        from torch.utils.backend_registration import _setup_privateuseone_for_python_backend as set_up
    except ImportError:
        reason = "this torch has no backends written in Python: _setup_privateuseone_for_python_backend is missing"
        pytest.skip(reason, allow_module_level=True)
    module = Module()
    set_up(NAME, backend_module=module)
    every, some = torch.library.Library("_", "IMPL"), torch.library.Library("aten", "IMPL")
    every.fallback(functools.partial(_computed, module), "PrivateUse1")
    for op in WHOLE:
        some.impl(op, functools.partial(_computed, module, op), "PrivateUse1")
    every.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    for op in LESS_PRECISE:
        some.impl(op, functools.partial(_less_precise, op), "AutocastPrivateUse1")
    module.libraries = every, some  # with them its operators would go
    return module


@contextlib.contextmanager
def simulated(generator: Generator | None = None) -> Iterator[Module]:
    """Lets `device=simulated` train: torch has no generators and no copies of storages for such a device."""
    module = registered()
    module.generator = generator or Generator()
    module.waits.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "Generator", _Generator)
        patch.setattr(torch.UntypedStorage, "clone", _clone(torch.UntypedStorage.clone))
        yield module


class _Generator(Generator):
    """Stands in for `torch.Generator`: for the simulated device it makes one of the CPU's."""

    def __new__(cls, device: Any = "cpu") -> Generator:  # type: ignore[misc]
        return Generator("cpu" if torch.device(device).type == NAME else device)


def _clone(of_others: Callable[..., Any]) -> Callable[..., Any]:
    def clone(storage: Any) -> Any:
        if storage.device.type != NAME:
            return of_others(storage)
        return torch.empty(0, dtype=torch.uint8, device=NAME).set_(storage).clone().untyped_storage()

    return clone


def _computed(module: Module, op: Any, *args: Any, **kwargs: Any) -> Any:
    """Returns what an operator gives, with all tensors of the device looked at as the CPU's while it computes."""
    name = op._schema.name.partition("::")[2]
    if op.is_view or torch.Tag.inplace_view in op.tags:  # only sizes, strides and storages, of whatever device
        return op.redispatch(CPU_KERNELS, *args, **kwargs)
    # A number that stands for a tensor arrives as a number.
    expected = (str(argument.type) for argument in op._schema.arguments)
    args = tuple(
        torch.tensor(value) if kind == "Tensor" and isinstance(value, (int, float)) else value
        for value, kind in zip(args, expected, strict=False)
    )
    flat = list(_leaves((args, kwargs)))
    _refuse_mixed(name, args, flat)
    if _is_waited_for(name, op, args, flat):
        module.waits.append(name)
    own: dict[int, tuple[Tensor, Tensor]] = {}

    def looked_at(value: Any) -> Any:
        if isinstance(value, torch.device):
            return torch.device("cpu")
        if not _is_here(value):
            return value
        # An empty one may be there to be filled, and memory of someone else's can't grow.
        seen = _seen_on(CPU, value) if value.numel() else torch.empty(value.shape, dtype=value.dtype)
        own[id(seen)] = seen, value
        return seen

    def given_back(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        if id(value) not in own:
            return _seen_on(OTHER, value)
        seen, mine = own[id(value)]
        return mine if mine.shape == seen.shape else mine.set_(_seen_on(OTHER, seen))  # type: ignore[call-overload]

    args, kwargs = _mapped(looked_at, args), _mapped(looked_at, kwargs)
    if name in COPIES:
        source, target, *_ = args
        target.copy_(source)
        return own[id(target)][1] if id(target) in own else target
    with _draws_from(module.generator if torch.Tag.nondeterministic_seeded in op.tags else torch.default_generator):
        result = op(*args, **kwargs)
    return _mapped(given_back, result)


def _less_precise(op: Any, *args: Any) -> Any:
    def cast(value: Any) -> Any:
        return value.to(torch.get_autocast_dtype(NAME)) if _is_here(value) and value.is_floating_point() else value

    with torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)):
        return op(*_mapped(cast, args))


def _is_here(value: Any) -> bool:
    return isinstance(value, Tensor) and value.device.type == NAME


def _seen_on(kind: int, tensor: Tensor) -> Tensor:
    """Returns a tensor of the same memory, sizes and strides that says it is on the other device."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    capsule = torch._C._to_dlpack(tensor)
    device = pointer(capsule, b"dltensor") + ctypes.sizeof(ctypes.c_void_p)  # stands after the address of the data
    ctypes.c_int32.from_address(device).value = kind
    return torch._C._from_dlpack(capsule)  # type: ignore[attr-defined, no-any-return]


def _refuse_mixed(name: str, args: Any, flat: list[Any]) -> None:
    if name in COPIES:
        return
    allowed = [id(index) for index in args[1]] if name in TAKE_INDICES else []
    elsewhere = [t for t in flat if isinstance(t, Tensor) and t.ndim and not _is_here(t) and id(t) not in allowed]
    if elsewhere and any(map(_is_here, flat)):
        raise RuntimeError(f"Expected all tensors to be on the same device, but {name} got {NAME} and cpu")


def _is_waited_for(name: str, op: Any, args: Any, flat: list[Any]) -> bool:
    if name in COPIES:
        # As CUDA copies memory that is not page-locked: onto the device the host may go on, if it says so.
        return _is_here(args[0]) != _is_here(args[1]) and not (_is_here(args[1]) and args[2:] == (True,))
    if name in TAKE_INDICES:  # True and False have to be counted: to read, `nonzero` has done it before
        is_written = name == "_index_put_impl_"
        return is_written and any(isinstance(index, Tensor) and index.dtype == torch.bool for index in args[1])
    return bool(WAITED_FOR & set(op.tags)) and any(map(_is_here, flat))


@contextlib.contextmanager
def _draws_from(generator: Generator) -> Iterator[None]:
    """Lets operators that are given no generator draw from this one."""
    default = torch.default_generator
    if generator is default:
        yield
        return
    before = default.get_state()
    default.set_state(generator.get_state())
    yield
    generator.set_state(default.get_state())
    default.set_state(before)


def _mapped(change: Callable[[Any], Any], value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_mapped(change, each) for each in value)
    return {key: _mapped(change, each) for key, each in value.items()} if isinstance(value, dict) else change(value)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple, dict)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _leaves(each)
    else:
        yield value
