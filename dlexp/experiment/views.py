"""A run's samples as its views show them, and what is known of the values then."""

import logging
from collections.abc import Mapping
from typing import Any

from dlexp.config.viewed import build_views, changing_figures, fields_of_data, fields_seen
from dlexp.data.splits import Splits
from dlexp.data.units import ends
from dlexp.data.viewing import AS_THEY_ARE, viewed

log = logging.getLogger(__name__)


def as_seen(config: Mapping[str, Any], splits: Splits) -> tuple[Splits, dict[str, Any]]:
    """Returns the splits as they are seen, and `mean`, `std` and `range` of the first field as far as they are given.

    Mean and deviation are those of what is trained on: where views change them, they are computed. Raises UserError as
    `viewed` does.
    """
    data, first = config["data"], splits.train.first
    given = {key: data[key] for key in ("mean", "std", "range")}
    views = build_views(config["view"])
    if not views:
        return splits, given
    field, shape = fields_of_data(config)[first], fields_seen(config)[first].sizes
    unit = ends(splits.train.fields[first], field.kind, given["range"])
    sides = {name: config["view"][name]["split"] for name in views}
    splits = viewed(splits, views, sides, unit or AS_THEY_ARE, shape, data["split_seed"])
    if changing_figures(config, field.kind):
        if given["mean"] is not None or given["std"] is not None:
            log.info("mean and standard deviation are computed, since views change what is trained on")
        given = {"mean": None, "std": None, "range": given["range"] if unit is None else list(unit)}
    return splits, given
