"""Which samples train, validate and test: parts held out, folds, whole groups, and how often each sample is drawn."""

import logging
import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from dlexp.data.label_noise import with_label_noise
from dlexp.data.labels import with_labels
from dlexp.data.splits import Split, Splits
from dlexp.data.strata import class_numbers, generator, numbered, stratified, turns
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
    label_noise: float | None,
    test_label_noise: float | None,
    num_outputs: int,
    labelled: int | None,
    ignored: int | None,
    is_supervised: bool,
) -> Splits:
    """Splits validation samples off the training split and shortens all three to `limit` samples each, that for
    training also to `train_limit`; fewer are some of those that more would be.

    val_size: a fraction below 1 or a count from 1 on; 0 = no validation, also where the data set brings its
    own. A data set's own validation split is taken as it is. folds, fold: of that many equal parts of the training
    samples this one validates, whatever `val_size` says. Groups stay whole. Choices depend on `split_seed` alone.
    sampling: "balanced" draws every class equally often in training. labelled: of so many training samples, of each
    class in proportion, the label is known; the others have the class `ignored` where there is such a number, and are
    left out where there is none and the task `is_supervised`. label_noise, test_label_noise: see `with_label_noise`;
    samples that validate keep their classes: choosing is by the truth. ignored: a number in the place of classes that
    is none.

    Raises:
        UserError: no training sample would remain, there are fewer samples or groups than folds, the data set brings
            a validation split beside folds, two splits share a group, the weights draw nothing, or there are no test
            samples to get other labels.
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
    if labelled is not None:
        train = with_labels(train, labelled, split_seed + 4, ignored, is_supervised)
    num_replaced: dict[str, int] = {}
    train, num_replaced["train"] = with_label_noise(train, label_noise, num_outputs, split_seed, ignored, "train")
    if sampling == "balanced":
        train = _balanced(train, ignored)
    if train.weights is not None and not train.weights.any():
        raise UserError("the weights of all training samples are 0: there is none to draw")
    val = None if val is None else _shorten(val, limit, split_seed + 2)
    test = None if splits.test is None else _shorten(splits.test, limit, split_seed + 3)
    if test is not None:
        test, num_replaced["test"] = with_label_noise(test, test_label_noise, num_outputs, split_seed, ignored, "test")
    elif test_label_noise is not None:
        raise UserError(f"data.test_label_noise={test_label_noise:g} changes nothing: there are no test samples")
    return replace(splits, train=train, val=val, test=test, divided_by=divided_by, num_replaced=num_replaced)


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

    by_class: of each class in proportion (see `stratified`); of groups those of some tries that come nearest to it.
    Both keep the order of the split: batches are shuffled anyway. Raises UserError where there is one sample or group.
    """
    groups, draws = _group_numbers(split), generator(seed)
    sizes = groups.bincount()
    if len(sizes) < 2:
        all_of_it = f"all {len(split)} samples are of one group" if len(split) > 1 else "there is only one sample"
        raise UserError(f"{all_of_it}, so none can be held out; {TEST_SIZE}=0 {VAL_SIZE}=0 trains on all of it")
    classes = class_numbers(split) if by_class else None
    if split.groups is None and classes is not None:
        return _apart(split, stratified(classes, count, draws))
    if classes is not None:  # one that lies in one group has no part on both sides, so it has no say
        in_each = np.unique((classes * len(sizes) + groups).numpy()) // len(sizes)
        classes = torch.where(torch.from_numpy(np.bincount(in_each))[classes] > 1, classes, -1)
    is_held, nearest = torch.zeros(0), (math.inf, math.inf)
    for _ in range(TRIES):
        order = torch.randperm(len(sizes), generator=draws)
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
    order, classes = torch.randperm(len(split), generator=generator(seed)), class_numbers(split)
    if classes is not None:
        order = order[turns(classes[order])[0].argsort(stable=True)]
    return Split(**split.read(order[:count]))


def _folds(split: Split, folds: int, seed: int) -> Tensor:
    """Returns the fold of each sample: dealt out class by class, or as whole groups, the largest first."""
    groups, draws = _group_numbers(split), generator(seed)
    sizes = groups.bincount()
    if len(sizes) < folds:
        what = "samples" if split.groups is None else "groups"
        raise UserError(f"data.folds={folds} needs as many {what} for training at least, and there are {len(sizes)}")
    order = torch.randperm(len(sizes), generator=draws)
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
    return numbered(split.groups)


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


def _shorten(split: Split, limit: int | None, seed: int) -> Split:
    if limit is None or len(split) <= limit:
        return split
    return split.take(torch.randperm(len(split), generator=generator(seed))[:limit].sort().values)
