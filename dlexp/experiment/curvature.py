"""The learning rate at which gradient descent diverges, where it is known: on the squares of a linear model."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from dlexp.batch import first_of
from dlexp.criteria.mse import MeanSquaredError
from dlexp.experiment.assemble import Assembly
from dlexp.methods.method import Method
from dlexp.models.affine import affine_layer

# Products of features that are added up for it at most: a tenth of a second.
MOST_PRODUCTS = 2e8


def too_fast(run: Assembly, config: Mapping[str, Any]) -> str | None:
    """Returns the bound and what to try where plain SGD, or with momentum, can't converge on the whole training split.

    Along the eigenvector of the largest curvature λmax of the mean squared error and the weight decay each step is the
    linear recursion whose roots leave the unit circle at lr = 2/λmax; with momentum β at 2(1 + β)/λmax, after Nesterov
    at 2(1 + β)/((1 + 2β) λmax).
    """
    optimizer = config["optimizer"]
    is_plain = optimizer.get("_target_") == "torch.optim.SGD" and not optimizer.get("dampening")
    if not is_plain or config["grad_clip"] is not None or type(run.state.method) is not Method:
        return None
    curvature = largest_curvature(run)
    if curvature is None or not curvature:
        return None
    rate, decay, momentum = (float(optimizer.get(key, 0.0)) for key in ("lr", "weight_decay", "momentum"))
    factor, shown = 2 * (1 + momentum), f"2(1 + {momentum:g})" if momentum else "2"
    if momentum and optimizer.get("nesterov"):
        factor, shown = factor / (1 + 2 * momentum), f"{shown}/(1 + 2 · {momentum:g})"
    bound = factor / (curvature + decay)
    if rate < bound:
        return None
    return (
        f"optimizer.lr={rate:g} is not below {bound:.4g}, from which on gradient descent diverges on this data:"
        f" {shown}/λmax, λmax = {curvature + decay:.4g} being the loss's largest curvature; try"
        f" optimizer.lr={bound / 2:.2g}"
    )


def largest_curvature(run: Assembly) -> float | None:
    """Returns the largest eigenvalue of the second derivative of the mean squared error over the training samples by
    the weights of a linear model; None for other models and losses, and where it would take long.
    """
    if not isinstance(run.task.criterion, MeanSquaredError | nn.MSELoss):
        return None
    layer, batches = affine_layer(run.state.model), run.in_order("train", None)
    if layer is None or batches is None or batches.stored:
        return None
    if len(batches.split) * layer.in_features**2 > MOST_PRODUCTS:
        return None
    size = layer.in_features + (layer.bias is not None)
    products, count = torch.zeros(size, size, dtype=torch.float64), 0
    for batch in batches.epoch(0):
        inputs = first_of(batch).flatten(1).cpu().double()
        rows = inputs if layer.bias is None else torch.cat([inputs, torch.ones_like(inputs[:, :1])], dim=1)
        products += rows.T @ rows
        count += len(rows)
    outputs = 1 if run.task.one_score else layer.out_features
    return float(torch.linalg.eigvalsh(products)[-1]) * 2 / (count * outputs)
