"""A person's own table: an NPZ of arrays or a CSV with a label column."""

import logging
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray

from dlexp.data.fields import NORMALISED
from dlexp.data.fingerprint import Content, of_arrays, tells_content
from dlexp.data.formats.array_files import read_table
from dlexp.data.formats.csv_dialect import SEPARATORS
from dlexp.data.formats.inputs import LAYOUTS, loses_in_float32
from dlexp.data.formats.npz_file import Samples
from dlexp.data.formats.reading import reading
from dlexp.data.partition import with_test
from dlexp.data.per_sample import described
from dlexp.data.splits import Split, Splits
from dlexp.errors import UserError
from dlexp.ranges import Choice, Range

log = logging.getLogger(__name__)


def _content(
    file: str | None,
    label_column: str | None,
    group_column: str | None,
    ignore_columns: list[str] | None,
    categories: list[str] | None,
    header: bool | None,
    separator: str | None,
    decimal: str | None,
    encoding: str | None,
    missing: str | None,
    layout: str | None,
    targets: str,
) -> Content:
    table = read_table(file, reading(locals()))
    ordered = [each for name in sorted(table.splits) for each in table.splits[name] if each is not None]
    return of_arrays(ordered, table.class_names)


@tells_content(_content)
def arrays(
    *,
    file: str | None,
    label_column: str | None,
    group_column: str | None,
    ignore_columns: list[str] | None,
    categories: list[str] | None,
    header: bool | None,
    separator: Annotated[str | None, Choice(*SEPARATORS)],
    decimal: Annotated[str | None, Choice("point", "comma")],
    encoding: str | None,
    missing: Annotated[str | None, Choice("drop", "mean")],
    layout: Annotated[str | None, Choice(*LAYOUTS)],
    fields: dict[str, Any] | None,
    targets: Annotated[str, Choice("classes", "values", "labels", "mask", "none")],
    test_size: Annotated[float, Range(ge=0, lt=1)],
    split_seed: int,
    group_file: str | None,
    weight_file: str | None,
) -> Splits:
    """Returns the file's samples; without a test split of its own a part `test_size` (0: none) becomes one, by seed.

    It has its part of each class; groups stay whole. Images (uint8, N×H×W, N×C×H×W or N×H×W×C) stay uint8; other whole
    numbers are what `fields` says of `inputs`, ids or quantities; everything else becomes float32, or float64 where
    float32 has too few digits. Raises UserError as `read_table` does, and where nobody says what whole numbers are.
    """
    table = read_table(file, reading(locals()))
    for line in table.said:
        log.info(line)
    for doubt in table.warnings:
        log.warning(f"warning: {doubt}")
    is_wide = any(loses_in_float32(each.x) for each in table.splits.values())
    parts = {name: _split(each, (fields or {}).get("inputs") or {}, is_wide) for name, each in table.splits.items()}
    whole = parts.get("all", parts.get("train"))
    assert whole is not None
    splits = Splits(
        train=whole,
        test=parts.get("test"),
        val=parts.get("val"),
        feature_names=table.feature_names,
        fills_missing=missing == "mean",
    )
    return with_test(described(splits, group_file=group_file, weight_file=weight_file), test_size, split_seed)


def _split(samples: Samples, stated: Mapping[str, Any], is_wide: bool) -> Split:
    x, y = samples.x, torch.from_numpy(samples.y)
    if x.dtype.kind in "iu" and x.dtype != np.uint8:
        inputs = torch.from_numpy(x.astype(np.int64)).to(_wanted(x, stated, is_wide))
    else:
        inputs = torch.from_numpy(x)
    return Split(inputs, y, groups=samples.groups, weights=samples.weights)


def _wanted(x: NDArray[Any], stated: Mapping[str, Any], is_wide: bool) -> torch.dtype:
    """Returns the type that whole numbers are to have, by what is stated of them. is_wide: float32 has few digits."""
    if stated.get("kind") is None:
        raise UserError(
            f"x holds whole numbers ({x.dtype}): 'data.fields={{inputs: {{kind: plain, dtype: int64}}}}' hands them on"
            " as ids, such as tokens for an embedding, and 'data.fields={inputs: {kind: normalised}}' takes them for"
            " quantities"
        )
    name = ("float64" if is_wide else "float32") if stated["kind"] in NORMALISED else stated.get("dtype", "int64")
    found: torch.dtype = getattr(torch, name)
    return found
