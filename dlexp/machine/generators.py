"""The default generators of torch, Python and NumPy, all of them together."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, cast

import torch
from numpy import random as numpy_random

CPU = torch.device("cpu")


def seed(number: int) -> None:
    """Seeds the three of them, and no other device's."""
    torch.default_generator.manual_seed(number)
    random.seed(number)
    numpy_random.seed(number % 2**32)


def next_numbers() -> tuple[float, float, float]:
    """Returns a number from each of the three: the same ones as after the same draws."""
    return float(torch.rand((), dtype=torch.float64)), random.random(), float(numpy_random.random())


def states(device: torch.device = CPU) -> dict[str, Any]:
    """Returns what each of them would draw next, the device's own included, as tensors and primitives."""
    numpys = cast(tuple[Any, ...], numpy_random.get_state())
    found = {
        "cpu": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": (numpys[0], numpys[1].tolist(), *numpys[2:]),
    }
    if device.type != "cpu":
        found[device.type] = torch.get_device_module(device).get_rng_state(device)
    return found


def restore(saved: dict[str, Any], device: torch.device = CPU) -> None:
    """Lets them go on from what `states` returned."""
    torch.set_rng_state(saved["cpu"].cpu())
    random.setstate(saved["python"])
    numpy_random.set_state(saved["numpy"])
    if device.type != "cpu" and device.type in saved:
        torch.get_device_module(device).set_rng_state(saved[device.type].cpu(), device)


# What seeds the default generators, or sets them to where they were.
_SETTERS = [
    *((place, name) for place in (torch, torch.random) for name in ("manual_seed", "set_rng_state")),
    *((random, name) for name in ("seed", "setstate")),
    *((numpy_random, name) for name in ("seed", "set_state")),
]


@contextmanager
def told_of_setting() -> Iterator[list[str]]:
    """Yields a list, empty unless somebody seeds or sets a default generator within the block: they may borrow it, and
    put it back.
    """
    found: list[str] = []

    def told(function: Any) -> Any:
        @wraps(function)
        def telling(*args: Any, **kwargs: Any) -> Any:
            found.append(function.__name__)
            return function(*args, **kwargs)

        return telling

    before = [(place, name, getattr(place, name)) for place, name in _SETTERS]
    try:
        for place, name, function in before:
            setattr(place, name, told(function))
        yield found
    finally:
        for place, name, function in before:
            setattr(place, name, function)


@contextmanager
def kept(device: torch.device = CPU) -> Iterator[None]:
    """Leaves them as they were before the block."""
    before = states(device)
    try:
        yield
    finally:
        restore(before, device)
