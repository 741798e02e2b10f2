"""How fast this machine multiplies matrices, which is what a training is held against."""

import time

import torch

from dlexp.machine.shortage import is_out_of_memory

SIDES = (512, 1024, 2048, 4096, 8192)
LARGEST_ON_CPU = 2048
ENOUGH_SECONDS = 0.1  # one product of this length tells; larger ones would only take longer
REPEATS = 3


def peak_flops(device: torch.device, dtype: torch.dtype) -> float | None:
    """Returns the FLOP/s of the fastest square matrix product, in that precision and with the threads set.

    A multiplication and an addition count as 2. None where memory does not suffice. Draws from no default generator.
    """
    best: float | None = None
    try:
        for side in SIDES[: SIDES.index(LARGEST_ON_CPU) + 1] if device.type == "cpu" else SIDES:
            seconds = _seconds_of_product(side, device, dtype)
            best = max(best or 0.0, 2 * side**3 / seconds)
            if seconds > ENOUGH_SECONDS:
                break
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
    if device.type == "cuda":
        torch.cuda.empty_cache()  # else the training would find the memory in pieces of other sizes
    return best


def synchronize(device: torch.device) -> None:
    """Waits until the device has done all it was given; a CPU always has."""
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()


def _seconds_of_product(side: int, device: torch.device, dtype: torch.dtype) -> float:
    # Not ones: a GPU multiplies those with less power, so at a higher clock than real numbers.
    generator = torch.Generator(device).manual_seed(0)
    left, right = (torch.randn(side, side, device=device, generator=generator).to(dtype) for _ in range(2))
    fastest = float("inf")
    for _ in range(1 + REPEATS):  # the first loads libraries
        synchronize(device)
        began = time.perf_counter()
        torch.mm(left, right)
        synchronize(device)
        fastest = min(fastest, time.perf_counter() - began)
    return fastest
