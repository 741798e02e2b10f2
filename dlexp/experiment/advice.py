"""What a training curve says in plain words: stuck at chance, or able to learn a few batches by heart."""

import math
from collections.abc import Mapping
from typing import Any

# Twenty full steps are no training yet; every recipe of conf/recipe has left chance by here.
FEWEST_STEPS = 200
LEARNT_ACCURACY = 0.999
LEARNT_LOSS = 0.01


def lower_rate(optimizer: Mapping[str, Any]) -> str:
    """Returns what to type, or to do, for a tenth of the learning rate."""
    if optimizer.get("parts") or not optimizer.get("lr"):  # parts have rates of their own
        return "a tenth of the learning rates"
    return f"optimizer.lr={optimizer['lr'] / 10:g} (a tenth)"


def stuck_at_chance(metrics: dict[str, Any], task: Any, optimizer: Mapping[str, Any]) -> str | None:
    """Returns advice when a classifier still does what guessing does, else None.

    Guessing among C classes has the loss ln C (2.303 for ten) and the accuracy 1/C. A loss that stays there after a few
    hundred steps does not recover in practice: the updates are too large, or the signal dies on its way back.
    """
    if task.chance is None or metrics["step"] < FEWEST_STEPS:
        return None
    guess = math.log(1 / task.chance)
    if metrics["train/loss"] < 0.985 * guess or metrics.get("train/accuracy", 0.0) > 1.5 * task.chance:
        return None
    return (
        f"warning: nothing is being learnt: the loss is {metrics['train/loss']:.3f}, and guessing among"
        f" {round(1 / task.chance)} classes gives {guess:.3f} (accuracy {100 * metrics['train/accuracy']:.1f} %)."
        f" Try {lower_rate(optimizer)}, grad_clip=1, or a model with batch norm"
    )


def overfit_verdict(metrics: dict[str, Any], task: Any, num_batches: int) -> str:
    """Returns PASS when the batches are learnt by heart (accuracy ≥ 99.9 %, or loss ≤ 0.01), else FAIL and advice."""
    batches = f"{num_batches} batch{'es' * (num_batches != 1)}"
    split = "val" if f"val/{task.metric}" in metrics else "train"
    value = metrics[f"{split}/{task.metric}"]
    if task.higher_is_better:
        passed, shown = value >= LEARNT_ACCURACY, f"{task.metric} {100 * value:.1f} %"
    else:
        passed, shown = value <= LEARNT_LOSS, f"{task.metric} {value:.4g}"
    if passed:
        return f"PASS: {batches} learnt by heart ({shown} after {metrics['step']} steps)"
    return (
        f"FAIL: {batches} not learnt by heart ({shown} after {metrics['step']} steps), as a working model would;"
        " try another optimizer.lr, less regularisation (dropout, weight decay, smoothing), more epochs"
    )
