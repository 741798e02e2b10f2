"""What a search tries that waits for no result: points drawn at random, or spread evenly (quasi-random)."""

import itertools
from collections.abc import Iterator
from typing import Any

from dlexp.ranges import Interval
from dlexp.search.space import Proposal, Space, point, size

BLOCK = 64
# A point that reads like one before it is left out. After so many in a row that do, a small space is taken in order.
PATIENCE = 1024


def proposals(space: Space, trials: int, sampler: str, seed: int) -> list[Proposal]:
    """Returns so many different points of a space, always the same ones; with more trials the list goes on.

    sampler: `random` (independent draws) or `qmc`: the points of Sobol (1967), scrambled after Owen (1998), which leave
    fewer gaps. There are fewer than `trials` where the space has no more.
    """
    return list(itertools.islice(distinct(space, sampler, seed), trials))


def distinct(space: Space, sampler: str, seed: int) -> Iterator[Proposal]:
    """Yields the different points of a space in the order of a sampler (see `proposals`), until there are no more."""
    seen: set[tuple[str, ...]] = set()
    repeats = 0
    for units in _units(len(space), sampler, seed):
        found = point(space, units)
        words = tuple(found.values())
        if words in seen:
            repeats += 1
        else:
            seen.add(words)
            repeats = 0
            yield found
        if repeats == PATIENCE or len(seen) == size(space):
            break
    if size(space) is not None:
        yield from (found for found in _in_order(space) if tuple(found.values()) not in seen)


def _units(dimensions: int, sampler: str, seed: int) -> Iterator[Any]:
    """Yields coordinates in [0, 1), the same ones however many are asked for."""
    import numpy as np

    if sampler == "random":
        generator = np.random.default_rng(seed)
        while True:
            yield from generator.random((BLOCK, dimensions))
    from scipy.stats import qmc

    sobol = qmc.Sobol(dimensions, scramble=True, seed=seed)
    while True:
        yield from sobol.random(BLOCK)  # a power of two: of another number SciPy warns


def _in_order(space: Space) -> Iterator[Proposal]:
    """Yields every point of a space that `size` can count."""
    parts = [
        [str(number) for number in range(int(part.low), int(part.high) + 1)] if isinstance(part, Interval) else part
        for part in space.values()
    ]
    for values in itertools.product(*parts):
        yield dict(zip(space, values, strict=True))
