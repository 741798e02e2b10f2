"""All values that an object holds, at any depth, by path: two looks at it tell what has changed."""

import inspect
import pickle
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import fields
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dlexp.train.fingerprint import fingerprint

_WHOLE = (type(None), int, complex, str, bytes, bytearray, type, ModuleType, FunctionType, BuiltinFunctionType)
_DEEPEST = 30
_OF_MODULES = vars(nn.Module()).keys()


def values_of(thing: Any, others: Sequence[Any] = ()) -> dict[str, Any]:
    """Returns what can be compared of everything in `thing`, by path (`.total`, `.history[2]`); `others` are left out.

    Tensors and arrays count by their values, functions and classes by their names, objects by their attributes.
    """
    found: dict[str, Any] = {}
    seen = {id(other) for other in others}

    def look(value: Any, path: str, depth: int) -> None:
        if isinstance(value, Tensor):
            found[path] = (value.dtype, value.shape, None if value.is_meta else fingerprint(value.to_dense()))
        elif isinstance(value, float):  # numpy's comes back from a file as Python's
            found[path] = repr(float(value))
        elif isinstance(value, _WHOLE):
            found[path] = f"{type(value).__name__} {getattr(value, '__qualname__', None) or value!r}"
        elif id(value) not in seen:
            seen.add(id(value))
            inside = _inside(value) if depth < _DEEPEST else None
            found[path] = type(value).__qualname__ if inside else _opaque(value)
            for step, each in (inside or {}).items():
                look(each, path + step, depth + 1)

    look(thing, "", 0)
    return found


def _inside(value: Any) -> dict[str, Any]:
    """Returns what an object consists of, by the step from it to there."""
    if isinstance(value, random.Random):
        return {" state": value.getstate()}
    found: dict[str, Any] = {}
    if isinstance(value, dict):
        found |= {f"[{key!r}]": item for key, item in value.items()}
    elif isinstance(value, list | tuple | deque):
        found |= {f"[{number}]": item for number, item in enumerate(value)}
    elif isinstance(value, set | frozenset):
        found |= {f"[{number}]": item for number, item in enumerate(sorted(value, key=repr))}
    attributes = dict(getattr(value, "__dict__", {}))
    parameters: Any = getattr(value, "__dataclass_params__", None)
    if parameters is not None and parameters.frozen:  # what is kept beside its fields was computed of them
        compared = {field.name for field in fields(value) if field.compare}
        attributes = {name: each for name, each in attributes.items() if name in compared}
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in [slots] if isinstance(slots, str) else slots:
            if hasattr(value, name):
                attributes[name] = getattr(value, name)
    if isinstance(value, nn.Module):  # its mode and its hooks are no state
        attributes = {name: each for name, each in attributes.items() if name not in _OF_MODULES}
        attributes |= dict(value.named_parameters(recurse=False)) | dict(value.named_buffers(recurse=False))
        attributes |= dict(value.named_children())
    if isinstance(value, Optimizer):  # whose state has parameters for keys
        parameters = [parameter for group in value.param_groups for parameter in group["params"]]
        known = _names_in_torch(type(value))  # such as whether a check of `fused` is still to be made
        attributes = {name: each for name, each in attributes.items() if name[0] != "_" or name not in known}
        attributes["state"] = [value.state[parameter] for parameter in parameters if parameter in value.state]
    return found | {f".{name}": each for name, each in attributes.items()}


def _names_in_torch(kind: type) -> set[str]:
    """Returns the names that the functions of a class's ancestors in torch use, so those of the attributes they set."""
    ancestors = [each for each in kind.__mro__ if each.__module__.startswith("torch.")]
    functions = [
        function for each in ancestors for function in vars(each).values() if isinstance(function, FunctionType)
    ]
    return {name for function in functions for name in inspect.unwrap(function).__code__.co_names}


def _opaque(value: Any) -> Any:
    """Returns what can be compared of an object without attributes, such as a generator of random numbers."""
    try:
        return pickle.dumps(value.get_state() if isinstance(value, torch.Generator) else value)
    except Exception:  # objects refuse to be pickled in many ways
        return repr(value)
