"""Labels of some training samples only."""

import logging

import torch

from dlexp.data.splits import Split
from dlexp.data.strata import class_numbers, generator, stratified

log = logging.getLogger(__name__)


def with_labels(train: Split, count: int, seed: int, ignored: int | None, is_supervised: bool) -> Split:
    """Returns the samples that train where the labels of `count` are known, of each class in proportion.

    That is all of them where the task needs none; else those that have a label, or with a class number `ignored` all,
    the others of that class. Says which of it.
    """
    more = f"={count}, of which there are no more" * (count > len(train))
    told = f"labels of {min(count, len(train)):,} of {len(train):,} training samples (data.labelled{more})"
    if not is_supervised:
        log.info(f"{told}; the task needs none, so all of these train")
        return train
    if count >= len(train):
        log.info(told)
        return train
    classes, draws = class_numbers(train), generator(seed)
    if classes is None:
        known = torch.randperm(len(train), generator=draws).argsort() < count
    else:
        known = stratified(classes, count, draws)
    if ignored is None or train.classes is None:
        log.info(f"{told}; the others do not train")
        return train.take(known.nonzero()[:, 0])
    log.info(f"{told}; the others train as of the class task.ignore_index={ignored}")
    targets = torch.where(known.to(train.targets.device), train.targets, ignored)
    return train.changed(targets=targets)
