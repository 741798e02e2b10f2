"""How long a training is: epochs, steps, and that some methods make one step of all samples."""

import math
from collections.abc import Mapping
from typing import Any

import torch

from dlexp.config.build import target
from dlexp.data.splits import Split
from dlexp.errors import UserError
from dlexp.train.fit import Plan

# With `overfit_batches` a training is this long at least: enough for a few batches to be learnt by heart.
OVERFIT_STEPS = 500


def is_one_step(config: Mapping[str, Any]) -> bool:
    """Returns whether the method sets the weights in one step that sees all training samples."""
    return bool(getattr(target(config["method"]["_target_"]), "whole", False))


def one_step(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the config as it is carried out: with such a method one epoch of one batch, whose size None is all."""
    return {**config, "epochs": 1, "batch_size": None} if is_one_step(config) else config


def hold_to_one_step(config: Mapping[str, Any], train: Split) -> None:
    """Raises UserError where such a method would see some samples twice and others never: by weights they are drawn."""
    if is_one_step(config) and train.weights is not None:
        raise UserError(
            f"method {config['method']['_target_']} takes all training samples once, and this data weighs them: leave"
            " its weights out"
        )


def make_plan(config: Mapping[str, Any], num_batches: int, device: torch.device, precision: torch.dtype) -> Plan:
    """Returns how long and how to train with so many batches an epoch."""
    epochs = config["epochs"]
    if config["overfit_batches"] is not None and not is_one_step(config):
        epochs = max(epochs, math.ceil(OVERFIT_STEPS / num_batches))
    settings = {key: config[key] for key in ("max_steps", "accumulate", "grad_clip", "l1", "log_steps", "compile")}
    return Plan(epochs=epochs, device=device, precision=precision, **settings)
