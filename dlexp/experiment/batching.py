"""Batches of a run's splits: shuffled and augmented for training, in order for evaluation and for whoever looks on."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from dlexp.config.build import build_each
from dlexp.data.fields import Field
from dlexp.data.normalisation import Normalisation
from dlexp.data.partition import some_of_each
from dlexp.data.splits import Split, Splits
from dlexp.train.batches import Batches, evenly_spaced

InOrder = Callable[[str, int | None], Batches | None]
"""Gives a split by name as evaluation sees it, all of it (None) or at most so many samples, evenly spaced."""


def make_batches(
    config: Mapping[str, Any],
    splits: Splits,
    fields: Mapping[str, Field],
    normalised: Mapping[str, Normalisation],
    channels_last: bool,
) -> tuple[Batches, Batches | None, Batches | None, InOrder]:
    """Returns the batches that train, validate and test, None where there are none, and what gives them in order."""
    size = config["batch_size"] or len(splits.train)
    make = partial(Batches, fields=fields, normalised=normalised, seed=config["seed"], channels_last=channels_last)
    # Evaluation keeps no activations for a backward pass, so its batches may be larger; big images stay with few.
    eval_size = max(config["batch_size"] or 0, min(1000, 2**22 // math.prod(next(iter(fields.values())).sizes)))

    def evaluation(split: Split | None) -> Batches | None:
        if split is None or not len(split):
            return None
        return make(split, batch_size=eval_size, augment=[], shuffle=False)

    if config["overfit_batches"] is None:
        augment = list(build_each(config["augment"]).values())
        train, val = make(splits.train, batch_size=size, augment=augment, shuffle=True), evaluation(splits.val)
        test = evaluation(splits.test)
    else:
        few = some_of_each(splits.train, config["overfit_batches"] * size, config["data"]["split_seed"])
        train, val, test = make(few, batch_size=size, augment=[], shuffle=False), evaluation(few), None

    def in_order(name: str, count: int | None) -> Batches | None:
        batches = {"train": train, "val": val, "test": test}.get(name)
        if batches is None or (name != "train" and count is None):
            return batches
        split = batches.split
        if count is not None and batches.can_be_seen_again:
            split = split.take(evenly_spaced(count, len(split)))
        return evaluation(split)

    return train, val, test, in_order
