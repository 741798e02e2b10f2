"""Labels of some training samples only."""

import logging

import torch

from dlexp.data.dealing import class_numbers, dealt, generator
from dlexp.data.splits import Split

log = logging.getLogger(__name__)


def with_labels(train: Split, count: int, seed: int, ignored: int | None, is_supervised: bool) -> Split:
    """Returns the samples that train where so many labels are known, and says which."""
    keeps = not is_supervised or ignored is not None
    told = f"labels of {min(count, len(train)):,} of {len(train):,} training samples"
    others = "all of these train, since the task needs none" if not is_supervised else "the others do not train"
    others = f"the others have the class task.ignore_index={ignored}" if is_supervised and keeps else others
    log.info(f"{told} (data.labelled); {others if count < len(train) or not is_supervised else 'that is all of them'}")
    if not is_supervised or count >= len(train):
        return train
    classes, draws = class_numbers(train), generator(seed)
    if classes is None:
        known = torch.zeros(len(train), dtype=torch.bool)
        known[torch.randperm(len(train), generator=draws)[:count]] = True
    else:
        known = dealt(classes, count, draws)
    if not keeps or train.classes is None:
        return train.take(known.nonzero()[:, 0])
    targets = torch.where(known.to(train.targets.device), train.targets, ignored)
    return Split(**{**train.fields, "targets": targets}, groups=train.groups, weights=train.weights)
