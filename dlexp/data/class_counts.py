"""How many samples of each class the splits hold, and whether that is as many of each."""

from collections.abc import Iterable, Mapping
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


def are_unbalanced(counts: Iterable[int]) -> bool:
    """Returns whether the largest class has half as many again as the smallest, and a few samples more.

    An imbalance ratio above 1.5 is where the collection KEEL begins to call data imbalanced (Alcalá-Fdez et al., 2011).
    """
    smallest, largest = min(numbers := list(counts)), max(numbers)
    return largest - smallest > max(2, smallest / 2)
