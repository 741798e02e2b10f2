"""How long the idle threads of OpenMP spin before they sleep: chosen before torch, which brings OpenMP, is imported."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

# Read by libgomp, the OpenMP of torch's wheels for Linux, when it is loaded: how often an idle thread looks for work
# before it sleeps. Its own 300,000 keep a core from whoever has work for it, the run's other thread included: beside
# two busy processes 10,000 gave a CNN twice and an MLP three times as many steps, and alone no fewer, as far as noise
# let it be seen. 1,000 gave the MLP four times more again, and alone up to a quarter less; OMP_WAIT_POLICY=PASSIVE
# took two thirds of its steps there.
SPIN_COUNT = "GOMP_SPINCOUNT"
SPINS = "10000"
# Whoever has set one of these has chosen how idle threads wait; the last one is read by Intel's and LLVM's OpenMP.
CHOSEN_BY = (SPIN_COUNT, "OMP_WAIT_POLICY", "KMP_BLOCKTIME")


@contextmanager
def short_spinning() -> Iterator[None]:
    """Lets idle threads sleep soon in this process, if torch is not imported yet, and in those started meanwhile.

    Nothing happens where the person has chosen how they wait. Afterwards the environment is as it was before.
    """
    if any(name in os.environ for name in CHOSEN_BY):
        yield
        return
    os.environ[SPIN_COUNT] = SPINS
    try:
        yield
    finally:
        os.environ.pop(SPIN_COUNT, None)
