"""Wrong labels on purpose: for some samples another class in place of theirs."""

import torch
from torch import Tensor

from dlexp.augment.seeds import derived_seed
from dlexp.data.splits import Split
from dlexp.errors import UserError

# By split the setting, and its draws: apart from each other and from what else is drawn by the seed of the division.
SETTINGS, DRAWS = {"train": "label_noise", "test": "test_label_noise"}, {"train": 4, "test": 5}


def with_label_noise(
    split: Split, share: float | None, num_classes: int, seed: int, ignored: int | None, name: str
) -> tuple[Split, int]:
    """Returns the split `name` with that share (None: none) of its labels replaced, and how many those are.

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
            f"data.{SETTINGS[name]}={share:g} replaces class numbers: it wants at least two classes, and one number a"
            " sample, known before the training (a stream's are not)"
        )
    generator = torch.Generator().manual_seed(derived_seed(seed, DRAWS[name]))
    numbers = torch.tensor(kept)
    candidates = torch.isin(classes, numbers).nonzero()[:, 0]  # a number that is no class stays, to be refused
    count = round(share * len(candidates))
    rows = candidates[torch.randperm(len(candidates), generator=generator)[:count]]
    steps = torch.randint(1, len(kept), (count,), generator=generator)
    places = torch.searchsorted(numbers, classes[rows])
    noisy = targets.index_copy(0, rows, numbers[(places + steps) % len(kept)].to(targets.dtype))
    return split.changed(targets=noisy), count
