"""Which samples train, validate and test: parts held out, folds, whole groups, and how often each sample is drawn."""

import logging
import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlexp.data.splits import Split, Splits
from dlexp.errors import UserError

log = logging.getLogger(__name__)

# Groups are shuffled this often, and the order counts whose first groups come nearest to the size that is asked for.
TRIES = 32
# Settings that hold samples out, which 0 leaves where they are.
TEST_SIZE, VAL_SIZE = "data.test_size", "data.val_size"


def prepare(
    splits: Splits,
    *,
    val_size: float,
    split_seed: int,
    limit: int | None,
    train_limit: int | None,
    folds: int | None,
    fold: int | None,
    sampling: str | None,
    ignored: int | None = None,
) -> Splits:
    """Splits validation samples off the training split and shortens all three to `limit` samples each, that for
    training also to `train_limit`; fewer are some of those that more would be.

    val_size: a fraction below 1 or a count from 1 on; 0 = no validation, also where the data set brings its
    own. A data set's own validation split is taken as it is. folds, fold: of that many equal parts of the training
    samples this one validates, whatever `val_size` says. Groups stay whole. Choices depend on `split_seed` alone.
    sampling: "balanced" draws every class equally often in training. ignored: a number in the place of classes that is
    none, so that it is not drawn then.

    Raises:
        UserError: no training sample would remain, there are fewer samples or groups than folds, the data set brings
            a validation split beside folds, two splits share a group, or the weights draw nothing.
    """
    train, val, divided_by = splits.train, splits.val, splits.divided_by
    if folds is not None:
        assert fold is not None
        if val is not None:
            raise UserError(
                f"data.folds={folds} makes the validation samples from those for training, and this data set has some"
                " of its own: leave data.folds and data.fold out"
            )
        train, val = _apart(train, _folds(train, folds, split_seed) == fold)
    elif val_size == 0:
        val = None
    elif val is None:
        train, val = held_out(train, _val_count(len(train), val_size), split_seed, by_class=splits.stratified)
        divided_by += (VAL_SIZE,)
    _refuse_shared_groups({"training": train, "validation": val, "test": splits.test})
    train = _shorten(train, min(filter(None, (limit, train_limit)), default=None), split_seed + 1)
    if sampling == "balanced":
        train = _balanced(train, ignored)
    if train.weights is not None and not train.weights.any():
        raise UserError("the weights of all training samples are 0: there is none to draw")
    val = None if val is None else _shorten(val, limit, split_seed + 2)
    test = None if splits.test is None else _shorten(splits.test, limit, split_seed + 3)
    return replace(splits, train=train, val=val, test=test, divided_by=divided_by)


def with_test(splits: Splits, test_size: float, seed: int) -> Splits:
    """Returns splits with a test split: their own, else a part `test_size` of the training samples (0: none).

    Raises UserError as `held_out` does.
    """
    if splits.test is not None or test_size == 0:
        return splits
    num_samples = len(splits.train)
    count = min(max(1, round(num_samples * test_size)), num_samples - 1)
    train, test = held_out(splits.train, count, seed)
    return replace(splits, train=train, test=test, divided_by=(TEST_SIZE,))


def held_out(split: Split, count: int, seed: int, *, by_class: bool = True) -> tuple[Split, Split]:
    """Returns the split without, and with only, `count` samples; of groups whole ones, about as many samples.

    by_class: of each class in proportion (see `_dealt`); of groups those of some tries that come nearest to it. Both
    keep the order of the split: batches are shuffled anyway. Raises UserError where there is one sample or group.
    """
    groups, generator = _group_numbers(split), _generator(seed)
    sizes = groups.bincount()
    if len(sizes) < 2:
        all_of_it = f"all {len(split)} samples are of one group" if len(split) > 1 else "there is only one sample"
        raise UserError(f"{all_of_it}, so none can be held out; {TEST_SIZE}=0 {VAL_SIZE}=0 trains on all of it")
    classes = _class_numbers(split) if by_class else None
    if split.groups is None and classes is not None:
        return _apart(split, _dealt(classes, count, generator))
    if classes is not None:  # one that lies in one group has no part on both sides, so it has no say
        in_each = np.unique((classes * len(sizes) + groups).numpy()) // len(sizes)
        classes = torch.where(torch.from_numpy(np.bincount(in_each))[classes] > 1, classes, -1)
    is_held, nearest = torch.zeros(0), (math.inf, math.inf)
    for _ in range(TRIES):
        order = torch.randperm(len(sizes), generator=generator)
        last = int((sizes[order].cumsum(0)[:-1] - count).abs().argmin())
        chosen = torch.zeros(len(sizes), dtype=torch.bool).index_fill(0, order[: last + 1], True)[groups]
        distance = _distance(chosen, count, classes)
        if distance < nearest:
            nearest, is_held = distance, chosen
        if nearest == (0, 0):
            break
    if abs(int(is_held.sum()) - count) > count / 2:
        log.warning(
            f"warning: {count} samples were to be held out, and the nearest that whole groups come to is"
            f" {int(is_held.sum())}"
        )
    return _apart(split, is_held)


def _dealt(classes: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Returns which samples are held out, bool N: `count` of them, of each class in proportion to its size.

    Seats are dealt so by Sainte-Laguë: the k-th sample of a class of n stands at (k - 1/2) / n, and the first ones are
    taken. Before all of that comes one of each class that has two, and after all the last one of each, so that a class
    is in both parts if it can be, and in the part that is left else.
    """
    order = torch.randperm(len(classes), generator=generator)
    turns, sizes = _turns(classes[order])
    places = (turns + 0.5) / sizes - ((turns == 0) & (sizes > 1)).double() + (turns == sizes - 1).double()
    chosen = order[places.argsort(stable=True)[:count]]
    return torch.zeros(len(classes), dtype=torch.bool).index_fill(0, chosen, True)


def _distance(is_held: Tensor, count: int, classes: Tensor | None) -> tuple[float, float]:
    """Returns how many classes the other samples lose, and how far what is held lies from its size and proportions.

    classes: -1 for those that have no say.
    """
    distance = abs(int(is_held.sum()) - count)
    if classes is None:
        return 0, distance
    sizes = classes[classes >= 0].bincount(minlength=1)
    held = classes[is_held & (classes >= 0)].bincount(minlength=len(sizes))
    num_lost = int(((held == sizes) & (sizes > 0)).sum())
    return num_lost, distance + float((held - sizes * count / len(classes)).abs().max())


def some_of_each(split: Split, count: int, seed: int) -> Split:
    """Returns at most `count` samples of the whole split, read now where they are files; which ones depends on `seed`.

    Every class in turn gives one, until there are enough: data often lies sorted by class, and one class is learnt in a
    single step. Samples without classes are drawn at random. Groups and weights are left behind.
    """
    order, classes = torch.randperm(len(split), generator=_generator(seed)), _class_numbers(split)
    if classes is not None:
        order = order[_turns(classes[order])[0].argsort(stable=True)]
    return Split(**split.read(order[:count]))


def _turns(classes: Tensor) -> tuple[Tensor, Tensor]:
    """Returns for each sample how many of its class stand before it, and how many there are."""
    by_class, counts = classes.argsort(stable=True), classes.bincount()
    first = (counts.cumsum(0) - counts).repeat_interleave(counts)
    turns = torch.empty_like(classes)
    turns[by_class] = torch.arange(len(classes)) - first
    return turns, counts[classes]


def _folds(split: Split, folds: int, seed: int) -> Tensor:
    """Returns the fold of each sample: dealt out class by class, or as whole groups, the largest first."""
    groups, generator = _group_numbers(split), _generator(seed)
    sizes = groups.bincount()
    if len(sizes) < folds:
        what = "samples" if split.groups is None else "groups"
        raise UserError(f"data.folds={folds} needs as many {what} for training at least, and there are {len(sizes)}")
    order = torch.randperm(len(sizes), generator=generator)
    fold_of = torch.empty_like(order)
    if split.groups is None:
        if split.classes is not None:
            order = order[split.classes[order].argsort(stable=True)]
        fold_of[order] = torch.arange(len(order)) % folds
        return fold_of
    totals = [0] * folds
    for group in order[sizes[order].argsort(descending=True, stable=True)].tolist():
        smallest = totals.index(min(totals))
        fold_of[group] = smallest
        totals[smallest] += int(sizes[group])
    return fold_of[groups]


def _group_numbers(split: Split) -> Tensor:
    """Returns the groups numbered from 0, int64 N; every sample is one of its own where there are none."""
    if split.groups is None:
        return torch.arange(len(split))
    return _numbered(split.groups)


def _class_numbers(split: Split) -> Tensor | None:
    """Returns the classes numbered from 0, int64 N: of those that a task ignores some lie below 0, or far off."""
    return None if split.classes is None else _numbered(split.classes.numpy())


def _numbered(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.unique(values, return_inverse=True)[1].astype(np.int64))


def _apart(split: Split, is_held: Tensor) -> tuple[Split, Split]:
    return split.take((~is_held).nonzero()[:, 0]), split.take(is_held.nonzero()[:, 0])


def _refuse_shared_groups(parts: dict[str, Split | None]) -> None:
    groups = {name: split.groups for name, split in parts.items() if split is not None and split.groups is not None}
    names = list(groups)
    for index, name in enumerate(names):
        for other in names[index + 1 :]:
            shared = np.intersect1d(groups[name], groups[other])
            if len(shared):
                raise UserError(
                    f"group {shared[0]} lies in the {name} and in the {other} split ({len(shared)} groups do): its"
                    " samples are not independent, so the figures would be too good; each group must be in one split"
                )


def _balanced(train: Split, ignored: int | None) -> Split:
    classes = train.classes
    counts = None if classes is None else classes != ignored
    if classes is None or counts is None or (classes[counts] < 0).any():
        raise UserError(
            "data.sampling=balanced draws every class equally often: it wants one class number a sample, known before"
            " the training (a stream's are not)"
        )
    weights = torch.ones(len(train), dtype=torch.float64) if train.weights is None else train.weights
    weights, classes = weights * counts, classes * counts
    totals = torch.zeros(int(classes.max()) + 1, dtype=torch.float64).index_add(0, classes, weights)
    return train.described(weights=weights / totals[classes].clamp(min=torch.finfo(torch.float64).tiny))


def _val_count(num_samples: int, val_size: float) -> int:
    count = round(num_samples * val_size) if val_size < 1 else int(val_size)
    count = max(count, 1)
    if count >= num_samples:
        raise UserError(
            f"data.val_size={val_size:g} would leave nothing of the {num_samples} training samples; "
            "give a fraction such as 0.1, a smaller count, or 0 for no validation."
        )
    return count


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _shorten(split: Split, limit: int | None, seed: int) -> Split:
    if limit is None or len(split) <= limit:
        return split
    return split.take(torch.randperm(len(split), generator=_generator(seed))[:limit].sort().values)
