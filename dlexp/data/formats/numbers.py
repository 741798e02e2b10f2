"""What text is a number. No torch here."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LARGEST = float(np.finfo(np.float32).max)


def number(text: str) -> float | None:
    """Returns the number that a text is, inf and nan among them; None where it is none."""
    found = numbers([text])
    return None if found is None else float(found[0])


def numbers(texts: Sequence[str]) -> NDArray[np.float64] | None:
    """Returns the numbers that texts are, None where one is none.

    Python's `float` also takes 1_0, which is 10 to nobody else, and the digits of all scripts.
    """
    together = "".join(texts)
    if "_" in together or not together.isascii():
        return None
    try:
        return np.fromiter(map(float, texts), dtype=np.float64, count=len(texts))
    except ValueError:
        return None
