"""What a run says of its data set as it used it."""

from collections.abc import Mapping
from typing import Any

from dlexp.data.normalisation import Normalisation
from dlexp.data.splits import Splits


def usage(
    data: Mapping[str, Any],
    loaded: Splits,
    splits: Splits,
    normalised: Mapping[str, Normalisation],
    fill: list[float] | None,
) -> dict[str, Any]:
    """Returns the content of `data.json`.

    data: the settings. loaded: the data set as its files give it; splits: as it trains. normalised: how, by field.
    fill: what `filled` put where a value was missing.
    """
    return {
        **{key: data[key] for key in ("shape", "num_outputs", "class_names")},
        "feature_names": loaded.feature_names,
        "fill": None if fill is None else {splits.train.first: fill},
        "normalisation": {name: each.as_json() for name, each in normalised.items()},
        "sizes": {name: len(split) for name, split in splits.named.items()},
    }
