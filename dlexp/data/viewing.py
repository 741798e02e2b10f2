"""What views make of a data set: done once to what lies in memory, and to what is stored whenever it is read."""

import logging
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from dlexp.augment.seeds import derived_seed
from dlexp.data.normalisation import BYTES
from dlexp.data.splits import Column, Splits
from dlexp.data.statistics import chunks
from dlexp.data.stream.stored import Stored
from dlexp.errors import UserError, listed

log = logging.getLogger(__name__)

Views = Mapping[str, Callable[[Tensor, torch.Generator], Tensor]]  # as of dlexp.views.view.View, by name
# What validates was held out of the training samples, and chooses as these would have it: it is seen as they are.
SIDES = {"train": "train", "val": "train", "test": "test"}
# Of what they draw: each split has its own, whether there are samples that validate or not.
DRAWS = {"train": 0, "val": 1, "test": 2}
AS_THEY_ARE = (0.0, 1.0)
TRIED = 8  # samples that tell which feature another one is made of


def seen(samples: Tensor, views: Sequence[Any], unit: tuple[float, float], generator: torch.Generator) -> Tensor:
    """Returns samples as views show them, one after the other, in the type and unit that they came in.

    unit: the values that are black and white to a view; 0 and 1 leaves values as they are.
    """
    low, width = unit[0], unit[1] - unit[0]
    as_they_are = unit == AS_THEY_ARE and samples.is_floating_point()
    shown = samples if as_they_are else (samples.to(torch.float32) - low) / width
    for view in views:
        shown = view(shown, generator)
    if as_they_are:
        return shown
    values = shown * width + low
    return values.round().clamp(*BYTES).to(torch.uint8) if samples.dtype == torch.uint8 else values.to(samples.dtype)


def viewed(
    splits: Splits,
    views: Views,
    sides: Mapping[str, str],
    unit: tuple[float, float],
    shape: Sequence[int],
    seed: int,
) -> Splits:
    """Returns a data set whose first field is as views show it.

    sides: by name of a view whose samples it changes: "train" (those that validate among them), "test" or "both".
    unit: as for `seen`. shape: of a sample after all views of its split. seed: of what they draw, each split by itself.

    Raises:
        UserError: a view draws, and samples are stored.
    """
    parts = dict(splits.named)
    same: dict[str, Views] = {}
    for name, split in splits.named.items():
        own = {key: view for key, view in views.items() if sides[key] in ("both", SIDES[name])}
        column = split.inputs
        if own and isinstance(column, Stored):
            if drawing := [key for key, view in own.items() if getattr(view, "draws", False)]:
                raise UserError(
                    f"view={listed(drawing)} draws once for each sample, so samples must be in memory, and these are"
                    " read when they are needed: of images data.in_memory=true reads all"
                )
            show = partial(seen, views=list(own.values()), unit=unit, generator=torch.Generator())
            parts[name] = split.changed(**{split.first: column.changed(show, shape)})
        elif own and len(split):
            generator = torch.Generator().manual_seed(derived_seed(seed, DRAWS[name]))
            assert isinstance(column, Tensor)
            found = torch.cat([seen(each, list(own.values()), unit, generator) for each in chunks(column)])
            same |= {name: own} if torch.equal(found, column) else {}
            parts[name] = split.changed(**{split.first: found})
    if same:
        idle = {key: view for key, view in views.items() if any(key in own for own in same.values())}
        told = f"warning: view={listed(list(idle))} changes none of the {listed(list(same))} samples"
        log.warning(told + _another_seed(idle, unit, splits.train.inputs))
    names = _names_of_all(splits, views, sides, unit)
    return replace(splits, train=parts["train"], val=parts.get("val"), test=parts.get("test"), feature_names=names)


def _another_seed(views: Views, unit: tuple[float, float], column: Column) -> str:
    """Returns what to type where a view with a `seed` of its own came to leave samples as they are."""
    some = column[torch.arange(min(TRIED, len(column)))]
    for name, view in views.items():
        other: Any = copy(view)
        for seed in range(TRIED) if hasattr(view, "seed") else ():
            other.seed = seed
            if not torch.equal(seen(some, [other], unit, torch.Generator()), some):
                return f"; with view.{name}.seed={seed} it does"
    return ""


def names_seen(
    names: Sequence[str] | None, views: Sequence[Any], unit: tuple[float, float], column: Column
) -> list[str] | None:
    """Returns what features are called once views have shown them: each as the one that it is made of, None where one
    is made of none or of several.

    Found by trying: one after the other has other numbers, and all else is as it was. unit: as for `seen`.
    """
    if names is None or not views:
        return None if names is None else list(names)

    def shown(samples: Tensor) -> Tensor:
        return seen(samples, views, unit, torch.Generator().manual_seed(0))

    draws = torch.rand((2, TRIED, *column.shape[1:]), generator=torch.Generator().manual_seed(1))
    before, other = (unit[0] + (unit[1] - unit[0]) * draws).to(column.dtype)
    as_before, follows = shown(before), []
    for place in range(len(names)):
        after = before.clone()
        after[:, place] = other[:, place]
        follows.append((shown(after) != as_before).transpose(0, 1).flatten(1).any(dim=1))
    made_of = torch.stack(follows)
    if not bool((made_of.sum(dim=0) == 1).all()):
        return None
    return [names[place] for place in made_of.int().argmax(dim=0).tolist()]


def _names_of_all(
    splits: Splits, views: Views, sides: Mapping[str, str], unit: tuple[float, float]
) -> list[str] | None:
    """Returns what the features of all splits are called as they are seen; None where one name would not be true."""
    found = []
    for side in sorted({SIDES[name] for name in splits.named}):
        own = [view for key, view in views.items() if sides[key] in ("both", side)]
        found.append(names_seen(splits.feature_names, own, unit, splits.train.inputs))
    names = found[0] if all(each == found[0] for each in found) else None
    if splits.feature_names is not None and names is None:
        log.info(f"view={listed(list(views))} leaves the features without names: none is one of the data's, everywhere")
    return names
