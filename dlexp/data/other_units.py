"""Features that look as if a split had them in another unit than the training samples: told, since nobody knows."""

import logging
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dlexp.data.fields import Field
from dlexp.data.splits import Split
from dlexp.errors import listed

log = logging.getLogger(__name__)

# Samples so many times as far from the median as those of training, or as close together, are of another unit.
TIMES = 10
# Fewer samples tell nothing; more of them than these, evenly apart, tell no more.
LEAST_SAMPLES, MOST_SAMPLES = 10, 1000


def tell_other_units(
    splits: Mapping[str, Split], fields: Mapping[str, Field], feature_names: Sequence[str] | None
) -> None:
    """Warns where a split's numbers lie ten times as far from the median of training's as those do, in some feature, or
    ten times as close together in all.

    By medians, which a few extreme values do not move; a feature that is mostly one value is left out. feature_names:
    of the first field's features.
    """
    train = splits["train"]
    for name, field in fields.items():
        if field.kind != "normalised" or (known := _some(train, name)) is None:
            continue
        centre = known.median(dim=0).values
        distance = _distance(known, centre)
        for split in ("val", "test"):
            if split not in splits or (asked := _some(splits[split], name)) is None:
                continue
            varies, spread = distance > 0, _distance(asked, asked.median(dim=0).values)
            far = varies & (_distance(asked, centre) > TIMES * distance)
            near = (spread > 0) & (spread < distance / TIMES)
            if bool(near[varies].all()):
                far |= near
            if not far.any():
                continue
            places = far.nonzero().flatten().tolist()
            called = feature_names if name == train.first else None
            what = listed([str(place) if called is None else called[place] for place in places], most=5)
            ends = [f"from {each[:, places[0]].min():g} to {each[:, places[0]].max():g}" for each in (known, asked)]
            log.warning(
                f"warning: {'column' if train.fields[name].ndim == 2 else 'channel'}{'s' * (len(places) > 1)} {what} of"
                f" the {name}{'' if called else ' (counted from 0)'} look as if in another unit in {split} than in"
                f" train: {ends[1]}, and {ends[0]}{' in the first of them' * (len(places) > 1)}"
            )


def _distance(values: Tensor, centre: Tensor) -> Tensor:
    return (values - centre).abs().median(dim=0).values


def _some(split: Split, name: str) -> Tensor | None:
    """Returns numbers of a field as N×features (of a series N·length×channels); None where too few are in memory."""
    column = split.fields[name]
    if not isinstance(column, Tensor) or column.ndim < 2 or len(column) < LEAST_SAMPLES:
        return None
    count = min(MOST_SAMPLES, len(column))
    some = column[torch.arange(count, device=column.device) * len(column) // count].cpu().double()
    return some.movedim(1, -1).reshape(-1, some.shape[1])
