"""How many samples of each class the splits hold, and whether that is as many of each."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from dlexp.data.splits import Splits


def counts_by_class(splits: Splits, data: Mapping[str, Any], ignored: int | None) -> dict[str, dict[str, int]]:
    """Returns how many samples of each class a split has, by the class's name, else its number; `ignored` is none.

    data: the facts `num_outputs` and `class_names`. Splits whose classes nobody knows, as of a stream, are left out.
    """
    size, found = data["num_outputs"], {}
    for name, split in splits.named.items():
        if (classes := split.classes) is not None:
            counts = classes[(classes >= 0) & (classes < size)].bincount(minlength=size).tolist()
            names = map(str, data["class_names"] or range(size))
            found[name] = {each: counts[number] for number, each in enumerate(names) if number != ignored}
    return found


def are_unbalanced(counts: Sequence[int]) -> bool:
    """Returns whether the largest class has half as many again as the smallest, and more than chance explains.

    An imbalance ratio of 1.5 is where the repository KEEL begins to call data imbalanced; the counts of two classes
    that are drawn equally often differ by 2.5 standard deviations once in eighty times.
    """
    smallest, largest = min(counts), max(counts)
    return largest - smallest > max(smallest / 2, 2.5 * math.sqrt(largest + smallest))
