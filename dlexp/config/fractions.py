"""Models that take inputs between 0 and 1: refused before any data is read where these will be normalised for sure."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from dlexp.config.viewed import changing_figures
from dlexp.data.fields import NORMALISED, Field
from dlexp.errors import UserError, listed
from dlexp.models.stacks import as_they_are


def hold_to_fractions(config: Mapping[str, Any], model: nn.Module, fields: Mapping[str, Field]) -> None:
    """Raises UserError for such a model where mean and deviation are computed, or are others than 0 and 1.

    A class says of itself that it is one: `takes_fractions = True`. fields: as views show them.
    """
    first = next((name for name in fields if name != "targets"), None)
    if first is None or fields[first].kind not in NORMALISED or not getattr(model, "takes_fractions", False):
        return
    told = f"model {type(model).__name__} takes {first} between 0 and 1"
    if views := changing_figures(config, fields[first].kind):
        is_apart = all(config["view"][name].get("shape") is None for name in views)
        tests = " ".join(f"view.{name}.split=test" for name in views)
        raise UserError(
            f"{told}, and where view={listed(views)} changes what is trained on they are normalised anew, whatever"
            f" data.mean says: view=none leaves it out{f', {tests} is for the test samples alone' * is_apart}"
        )
    mean, std = config["data"]["mean"], config["data"]["std"]
    if not (mean and std) or any(mean) or any(each != 1 for each in std):
        figures = "by data.mean and data.std" if mean and std else "with computed mean and deviation"
        elsewhere = "" if len(fields[first].shape) == 3 else "; features that lie elsewhere are for model=autoencoder"
        raise UserError(
            f"{told}, and here they are normalised {figures}: {as_they_are(fields[first].sizes[0])} leaves them as they"
            f" are{elsewhere}"
        )
