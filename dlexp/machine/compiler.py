"""Keeps torch's compiler, whose import takes as long as that of torch itself, out of runs that do not compile."""

import inspect
from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer


def start_without_compiler() -> None:
    """Lets optimizers be made without importing the compiler (1.2 s)."""
    for name in ("add_param_group", "load_state_dict", "state_dict", "zero_grad"):
        mark_uncompiled(getattr(Optimizer, name))


def mark_uncompiled(function: Callable[..., Any]) -> None:
    """Leaves the mark for which torch imports its compiler at the first call of a function that it never compiles.

    Where a version of torch marks otherwise, nothing changes.
    """
    inner = inspect.unwrap(function)
    if not hasattr(inner, "__dynamo_disable"):
        inner.__dynamo_disable = inner


def bare_step(kind: type[Optimizer]) -> Callable[[Optimizer], Any]:
    """Returns an optimizer's `step` without torch's wrappers around it, to be called without gradients.

    They open profiler ranges and ask for the compiler, which costs more than the update of a small model, and import it
    for the first step of a process.
    """
    step: Any = kind.step
    # Only torch's own: `functools.wraps` hides whose a wrapper is, its globals do not.
    while hasattr(step, "__wrapped__") and step.__globals__["__name__"].startswith("torch."):
        step = step.__wrapped__
    return step  # type: ignore[no-any-return]
