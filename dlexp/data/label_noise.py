"""Wrong labels on purpose: for some training samples another class in place of theirs."""

import torch
from torch import Tensor

from dlexp.augment.seeds import derived_seed
from dlexp.data.splits import Split
from dlexp.errors import UserError

DRAW = 4  # apart from what else is drawn by the seed that divides the samples


def with_label_noise(
    split: Split, share: float | None, num_classes: int, seed: int, ignored: int | None
) -> tuple[Split, int]:
    """Returns the split with that share (None: none) of its labels replaced, and how many those are.

    Each becomes one of the other classes, all with even chances (symmetric noise: Zhang et al. 2017, arXiv:1611.03530,
    corrupt labels so, but may draw the same class again). Samples of the class `ignored` keep it, and none gets it.
    Which samples and classes follows from the seed. Raises UserError where samples have no class each, known before
    the training.
    """
    if share is None:
        return split, 0
    targets, classes = split.fields.get("targets"), split.classes
    kept = [number for number in range(num_classes) if number != ignored]
    if not isinstance(targets, Tensor) or classes is None or len(kept) < 2:
        raise UserError(
            f"data.label_noise={share:g} replaces class numbers: it wants at least two classes, and one number a"
            " sample, known before the training (a stream's are not)"
        )
    generator = torch.Generator().manual_seed(derived_seed(seed, DRAW))
    candidates = torch.arange(len(classes)) if ignored is None else (classes != ignored).nonzero()[:, 0]
    count = round(share * len(candidates))
    rows = candidates[torch.randperm(len(candidates), generator=generator)[:count]]
    numbers = torch.tensor(kept)
    steps = torch.randint(1, len(kept), (count,), generator=generator)
    places = torch.searchsorted(numbers, classes[rows])
    noisy = targets.index_copy(0, rows, numbers[(places + steps) % len(kept)].to(targets.dtype))
    return split.changed(targets=noisy), count
