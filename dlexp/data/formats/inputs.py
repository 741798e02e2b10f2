"""What the inputs of a file of arrays are: one type for all splits, one layout, and no more digits than count."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlexp.errors import UserError

Arrays = Mapping[str, NDArray[Any]]

GREY_OR_COLOUR = (1, 3)
ALPHA = 4
LAYOUTS = ("images", "series", "channels_first", "channels_last")


def in_one_type(splits: Arrays, where: str) -> dict[str, NDArray[Any]]:
    """Returns the inputs of all splits in the type that holds all of them.

    Raises UserError where some are whole numbers and others fractions: nobody knows whether they are in one unit.
    """
    types = {name: x.dtype for name, x in splits.items()}
    if len(set(types.values())) == 1 or any(dtype.kind not in "buif" for dtype in types.values()):
        return dict(splits)
    are_whole = {
        name: x.dtype.kind != "f" or bool((x == np.floor(x)).all() and (x > 1).any()) for name, x in splits.items()
    }
    if len(set(are_whole.values())) > 1:
        told = ", ".join(
            f"x_{name} {dtype} from {splits[name].min():g} to {splits[name].max():g}" for name, dtype in types.items()
        )
        raise UserError(f"{where}: the splits are in different units: {told}; save all of them in one type and unit")
    common = np.result_type(*types.values())
    return {name: x.astype(common) for name, x in splits.items()}


def channels_first(x: NDArray[Any], layout: str | None, where: str) -> NDArray[Any]:
    """Returns pictures as N×C×H×W. layout: None or "images" where their form has to tell.

    Raises UserError where it does not, and for four values a pixel: the fourth may be transparency.
    """
    if layout in ("channels_first", "channels_last"):
        return x.transpose(0, 3, 1, 2) if layout == "channels_last" else x
    form = f"{where}: x of four axes, {list(x.shape)},"
    ask = "data.layout=channels_first (N×C×H×W) or data.layout=channels_last (N×H×W×C) says which"
    could_be_first, could_be_last = x.shape[1] in GREY_OR_COLOUR, x.shape[3] in (*GREY_OR_COLOUR, ALPHA)
    if could_be_first == could_be_last:  # only a square picture tells then
        could_be_first, could_be_last = x.shape[2] == x.shape[3], x.shape[1] == x.shape[2]
    if could_be_first == could_be_last:
        raise UserError(f"{form} has its channels in the second or in the last one: {ask}")
    if could_be_last and x.shape[3] == ALPHA:
        raise UserError(
            f"{form} has four values a pixel, and the fourth may be transparency: data.layout=channels_last takes it"
            " for a channel; x[..., :3] * alpha + ground * (1 - alpha), alpha in [0, 1], lays the colours on a ground"
        )
    return x.transpose(0, 3, 1, 2) if could_be_last else x


def loses_in_float32(x: NDArray[Any]) -> bool:
    """Returns whether numbers lie so close together, far from 0, that float32 has not the digits to tell them apart.

    N×features or N×channels×…: some feature reaches from end to end over fewer than 10,000 steps of float32.
    """
    if x.dtype.kind not in "iuf" or np.can_cast(x.dtype, np.float32) or not x.size:
        return False
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    low, high = (each.astype(np.float64) for each in (x.min(axes), x.max(axes)))
    step = np.maximum(np.abs(low), np.abs(high)) * 2.0**-24
    return bool(((high > low) & (step > 1e-4 * (high - low))).any())


def narrowed(splits: Arrays) -> dict[str, NDArray[Any]]:
    """Returns floats of double precision as float32 unless that loses what counts, in some split."""
    if any(x.dtype == np.float64 and loses_in_float32(x) for x in splits.values()):
        return dict(splits)
    return {name: x.astype(np.float32) if x.dtype == np.float64 else x for name, x in splits.items()}
