"""What a run says of its data set as it used it."""

from collections.abc import Mapping
from typing import Any

from dlexp.data.class_counts import counts_by_class
from dlexp.data.label_noise import SETTINGS
from dlexp.data.normalisation import Normalisation
from dlexp.data.splits import Splits

# By split, how many of its samples have a class that is not theirs.
REPLACED = {"train": "replaced_labels", "test": "replaced_test_labels"}


def usage(
    data: Mapping[str, Any],
    splits: Splits,
    normalised: Mapping[str, Normalisation],
    fill: list[float] | None,
) -> dict[str, Any]:
    """Returns the content of `data.json`.

    data: the settings, `ignored`, a class that counts nowhere, and `feature_names` as the data has them, before views.
    splits: as they train. normalised: how, by field.
    fill: what `filled` put where a value was missing.
    """
    return {
        **{key: data[key] for key in ("shape", "num_outputs", "class_names", "feature_names")},
        "fill": None if fill is None else {splits.train.first: fill},
        "normalisation": {name: each.as_json() for name, each in normalised.items()},
        "sizes": {name: len(split) for name, split in splits.named.items()},
        "class_counts": counts_by_class(splits, data, data["ignored"]),
        "divided_by": splits.divided_by,
        **({} if data.get("labelled") is None else {"labelled": data["labelled"]}),
        **{key: splits.num_replaced[name] for name, key in REPLACED.items() if data[SETTINGS[name]] is not None},
    }
