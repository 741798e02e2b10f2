"""A model as a run begins with it: built, and its first weights those that were chosen."""

from collections.abc import Mapping
from typing import Any

from dlexp.config.build import build
from dlexp.config.schema import OWN_INIT
from dlexp.errors import UserError


def build_model(config: Mapping[str, Any]) -> Any:
    """Makes the model with its first weights, those of the group init drawn from where the model's own are.

    Raises:
        UserError: what trained weights would become would be new ones.
    """
    if config["init"] == OWN_INIT:
        return build(config["model"])
    if config["model"].get("weights") is not None:
        raise UserError("init gives new first weights, and model.weights trained ones; leave one of them out")
    from dlexp.machine import generators

    with generators.kept():
        model = build(config["model"])
    build(config["init"], model)
    return model
