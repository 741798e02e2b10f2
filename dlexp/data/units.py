"""In which unit a data set's values are: one for all its samples, found in those for training, or set."""

import logging
import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dlexp.data.fields import NORMALISED, Field
from dlexp.data.normalisation import BYTES, FRACTIONS, Normalisation
from dlexp.data.splits import Column, Split
from dlexp.data.statistics import Figures, statistics
from dlexp.data.stream.image_files import ImageFiles
from dlexp.errors import UserError, as_typed, listed, to_type

log = logging.getLogger(__name__)

# Images of bytes that have no more levels than these are told of.
FEW_LEVELS = 16
# Floats that reach so far and no further are bytes that somebody turned into floats.
NEARLY_WHITE = 200
# A split of images that reaches beyond this is not in the unit of one within [0, 1].
FAR_FROM_FRACTIONS = 100
# Images that are looked at where mean and standard deviation are given, and the most of the latter from end to end.
FEW_SAMPLES, MOST_SPREADS = 64, 1000
RANGE = to_type("data.range=[LOW,HIGH]")


def hold_to_one_unit(splits: Mapping[str, Split], fields: Mapping[str, Field], device: torch.device) -> None:
    """Raises UserError where a field's values are bytes in one split and other numbers in another one, where images in
    memory lie within [0, 1] in one and reach far beyond in another, and where the device has no numbers like these.
    """
    for name, field in fields.items():
        types = {split: each.fields[name].dtype for split, each in splits.items()}
        if device.type == "mps" and torch.float64 in types.values():
            raise UserError(
                f"{name} are float64, which {device} has not: device=cpu, or subtract what all have in common"
            )
        if field.kind in NORMALISED and len({dtype == torch.uint8 for dtype in types.values()}) > 1:
            told = ", ".join(f"{str(dtype).removeprefix('torch.')} in {split}" for split, dtype in types.items())
            raise UserError(f"{name} are {told}: nobody knows whether they are in one unit; give all splits one type")
        columns = {split: each.fields[name] for split, each in splits.items()}
        most = {
            split: float(column.max())
            for split, column in columns.items()
            if field.kind == "image" and isinstance(column, Tensor) and column.is_floating_point() and len(column)
        }
        if most and min(most.values()) <= 1 and max(most.values()) >= FAR_FROM_FRACTIONS:
            told = ", ".join(f"up to {value:g} in {split}" for split, value in most.items())
            raise UserError(f"{name} have values {told}: they are not in one unit; give all splits the same")


def normalised_fields(
    train: Split,
    fields: Mapping[str, Field],
    *,
    mean: list[float] | None,
    std: list[float] | None,
    range: Sequence[float] | None,
    feature_names: Sequence[str] | None,
) -> dict[str, Normalisation]:
    """Returns how each field is normalised whose kind says so, by the figures of the training split.

    mean, std: `data.mean` and `data.std`, of the first field, None to compute them. range: `data.range`, what counts as
    0 and 1 in it; None: 0 and 255 of bytes, of images of other numbers what their values are, unless mean and std are
    given; all else counts as it is. feature_names: of the first field's features. Raises UserError where they have
    another length than the data has channels, a std is 0, or they are in another unit.
    """
    if range is not None and fields[train.first].kind not in NORMALISED:
        typed = to_type(f"data.range={as_typed(list(range))}")
        raise UserError(f"{typed} changes nothing: {train.first} are not normalised (kind: plain)")
    found = {}
    for name, field in fields.items():
        if field.kind not in NORMALISED:
            continue
        column = train.fields[name]
        centre, spread, unit = (mean, std, range) if name == train.first else (None, None, None)
        figures = None
        if centre is None or spread is None:
            if None in field.shape:
                raise UserError(
                    f"the samples' {name} differ in size, and a mean over them would count what they are padded with:"
                    " kind: plain leaves them as they are, data.mean and data.std say what it is"
                )
            figures = statistics(column)
            if not all(map(math.isfinite, figures.mean)):
                raise UserError(f"some {name} of the training samples are NaN or infinite: fill or remove them first")
        is_free = unit is None and centre is None and spread is None
        own = (float(unit[0]), float(unit[1])) if unit else _unit(column, figures if is_free else None, field.kind)
        _hold({"mean": centre, "std": spread}, column, own)
        if unit is not None or (own is None and figures is None and field.kind == "image"):
            _hold_to_values(centre, spread, name, column, field.kind, own, figures)
        if figures is not None:
            names = feature_names if name == train.first else None
            _tell(figures, name, column, field.kind, own, is_set=unit is not None, feature_names=names)
            computed = _in_unit(figures, column.dtype, own)
            centre, spread = centre or computed[0], spread or computed[1]
        assert centre is not None and spread is not None
        found[name] = Normalisation(centre, spread, own, column.dtype)
    return found


def ends(column: Column, kind: str, given: Sequence[float] | None) -> tuple[float, float] | None:
    """Returns the values that are black and white in a field's training samples; None: they count as they are.

    given: `data.range`.
    """
    if given is not None:
        return float(given[0]), float(given[1])
    is_known = column.dtype == torch.uint8 or kind != "image"
    return _unit(column, None if is_known else statistics(column), kind)


def _unit(column: Column, figures: Figures | None, kind: str) -> tuple[float, float] | None:
    """Returns what counts as 0 and 1 where nobody says; None: values as they are."""
    if column.dtype == torch.uint8:
        return BYTES
    if kind != "image" or figures is None:
        return None
    low, high = min(figures.low), max(figures.high)
    if 0 <= low and high <= 1:
        return FRACTIONS
    if 0 <= low and NEARLY_WHITE <= high <= BYTES[1]:
        return BYTES
    return low, high if high > low else low + 1


def _in_unit(figures: Figures, dtype: torch.dtype, unit: tuple[float, float] | None) -> tuple[list[float], list[float]]:
    """Returns mean and standard deviation of the values in their unit."""
    if unit is None or (dtype == torch.uint8 and unit == BYTES):
        return figures.mean, figures.std
    scale = BYTES[1] if dtype == torch.uint8 else 1
    low, width = unit[0], unit[1] - unit[0]
    is_still = [least == most for least, most in zip(figures.low, figures.high, strict=True)]
    std = [1.0 if still else scale * each / width for still, each in zip(is_still, figures.std, strict=True)]
    return [(scale * each - low) / width for each in figures.mean], std


def _hold(given: Mapping[str, list[float] | None], column: Column, unit: tuple[float, float] | None) -> None:
    """Raises UserError for a mean or standard deviation that can't be that of the samples in their unit."""
    for key, values in given.items():
        if values is not None and len(values) != column.shape[1]:
            kind = "channel" if column.ndim > 2 else "feature"
            raise UserError(
                f"data.{key} has {len(values)} values, but the data has {column.shape[1]} {kind}s;"
                f" give one per {kind}, or null to compute them."
            )
    mean, std = given["mean"] or [0.0], given["std"] or [1.0]
    if min(std) <= 0:
        raise UserError(f"data.std={std} must be above 0 everywhere.")
    if unit is not None and not (0 <= min(mean) <= max(mean) <= 1 and max(std) <= 1):
        low, width = unit[0], unit[1] - unit[0]
        in_unit = {"mean": [(each - low) / width for each in mean], "std": [each / width for each in std]}
        words = [to_type(f"data.{key}=[{','.join(f'{v:.4g}' for v in in_unit[key])}]") for key in given if given[key]]
        raise UserError(
            f"data.mean and data.std are of values in [0, 1], as which {low:g} to {unit[1]:g} of this data count: what"
            f" was given would be {' '.join(words)}"
        )


def _hold_to_values(
    mean: list[float] | None,
    std: list[float] | None,
    name: str,
    column: Column,
    kind: str,
    unit: tuple[float, float] | None,
    figures: Figures | None,
) -> None:
    """Raises UserError where samples can't have what was given as mean and standard deviation, and says where they do
    not lie within the range that was set. unit: that range; None: values count as they are.
    """
    if figures is not None:
        low, high = min(figures.low), max(figures.high)
    elif isinstance(column, Tensor | ImageFiles):
        count = min(FEW_SAMPLES, len(column)) if isinstance(column, ImageFiles) or unit is None else len(column)
        some = column[torch.arange(count) * len(column) // count] if count < len(column) else column[:]
        low, high = float(some.min()), float(some.max())
    else:
        return  # what a person's own object reads may be a stream
    told = ""
    if unit is not None:
        typed = to_type(f"data.range=[{unit[0]:g},{unit[1]:g}]")
        told = f", of which {unit[0]:g} and {unit[1]:g} count as 0 and 1 ({typed})"
        if not unit[0] <= low <= high <= unit[1]:
            log.warning(f"warning: {typed}, and the training samples' {name} have values from {low:g} to {high:g}")
        elif column.dtype == torch.uint8 and not BYTES[0] <= unit[0] <= unit[1] <= BYTES[1]:
            log.warning(f"warning: {typed}, and {name} are bytes, which are from 0 to 255")
        if low == high:
            return
    zero, width = (unit[0], unit[1] - unit[0]) if unit else (0.0, 1.0)
    centres, spreads = [zero + width * each for each in mean or []], [width * each for each in std or []]
    # Mean 0 and deviation 1 of a range that was set are fine: they leave values in [0, 1].
    reach = high - low if unit else 0.0
    is_off = bool(centres) and not (low - reach <= max(centres) and min(centres) <= high + reach)
    is_off |= kind == "image" and bool(spreads) and min(spreads) < (high - low) / MOST_SPREADS
    is_off |= unit is not None and bool(spreads) and max(spreads) > 2 * reach
    if is_off:
        given = " and ".join(f"data.{key}={values}" for key, values in (("mean", mean), ("std", std)) if values)
        raise UserError(
            f"{given} are not those of values from {low:g} to {high:g}, as {name} have"
            f"{told}: {RANGE} says which of them count as 0 and 1, and data.mean=null data.std=null compute both"
        )


def _tell(
    figures: Figures,
    name: str,
    column: Column,
    kind: str,
    unit: tuple[float, float] | None,
    *,
    is_set: bool,
    feature_names: Sequence[str] | None,
) -> None:
    """Says which unit images have that are no plain bytes, and what looks as if values had been lost."""
    low, high = min(figures.low), max(figures.high)
    found = f"the training samples' {name} have values from {low:g} to {high:g}"
    if kind != "image":
        still = [place for place, ends in enumerate(zip(figures.low, figures.high, strict=True)) if ends[0] == ends[1]]
        if still:
            named = [str(place) if feature_names is None else feature_names[place] for place in still]
            what = f"{'channel' if column.ndim > 2 else 'column'}{'s' * (len(still) > 1)} {listed(named, most=5)}"
            counted = "" if feature_names else " (counted from 0)"
            values = listed([f"{figures.low[place]:g}" for place in still], most=5)
            log.warning(
                f"warning: nothing can be learnt from {what} of the {name}{counted}, the same in all training"
                f" samples: {values}"
            )
    elif low == high:
        log.warning(f"warning: all training images are of one colour: every value of the {name} is {low:g}")
    elif unit is None:
        return
    elif column.dtype == torch.uint8 and not is_set and high - low < FEW_LEVELS:
        typed = to_type(f"data.range=[{low:g},{high:g}]")
        log.warning(f"warning: {found} only, of 0 to 255: few levels tell them apart; {typed} if that is all there is")
    elif not is_set and unit not in (BYTES, FRACTIONS):
        log.info(f"{found}, which count as 0 and 1; {RANGE} says otherwise")
