"""The default generators of torch (on the CPU), Python and NumPy, all three at once."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from numpy import random as numpy_random


def seed_generators(seed: int) -> None:
    """Seeds them, and no other device's."""
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    numpy_random.seed(seed % 2**32)


def next_numbers() -> tuple[float, float, float]:
    """Returns a number from each of them: the same ones as after the same draws."""
    return float(torch.rand((), dtype=torch.float64)), random.random(), float(numpy_random.random())


@contextmanager
def generators_kept() -> Iterator[None]:
    """Leaves them as they were before the block."""
    kept = torch.get_rng_state(), random.getstate(), numpy_random.get_state()
    try:
        yield
    finally:
        torch.set_rng_state(kept[0])
        random.setstate(kept[1])
        numpy_random.set_state(kept[2])
